"""Recognition of a command to stop, in English, German, French and Spanish, and of its commonest word in others.

A person who says "stop" must be understood however it is said, so that this errs on the side of stopping: a text is
`stop` if one of its clauses begins with a word that means it. Words that also mean something else ("halt meine Hand",
"para mi mano") count only where they are the whole clause. Some words ("hands off") are in `negation.py`, too: at the
beginning of a clause they end the running command, elsewhere they only choose no joint.
"""

from __future__ import annotations

import re

from taihri_ros.commands.plain_words import any_of, plain_clauses, plain_words

_FILLERS = (
    *("please", "hey", "hi", "oh", "ok", "okay", "now", "just", "wait", "no", "robot", "taihri", "and", "then", "but"),
    *("immediately", "at once", "right now", "right there", "right away", "already", "quickly", "there", "here", "all"),
    *("it", "that", "this", "everything", "moving", "sir", "i said", "i say", "and i mean it", "do"),
    *("(?:can|could|would|will|must|should) you", "you (?:can|could|must|should|have to)", "you", "the", "your"),
    *("i (?:want|need) you to", "i(?:'d| would) like you to", "let's", "emergency"),
    *("bitte", "jetzt", "sofort", "mal", "doch", "he", "nein", "roboter", "so", "und", "aber", "endlich", "alles"),
    *("damit", "kannst du", "du musst", "ich sagte", "ich sage", "auf der stelle"),
    *(
        "s'il (?:te|vous) plait",
        "maintenant",
        "tout de suite",
        "tout",
        "non",
        "et",
        "mais",
        "immediatement",
        "ca",
        "toi",
    ),
    *("oye", "por favor", "ya", "ahora(?: mismo)?", "inmediatamente", "todo", "ahi", "eso", "y", "pero"),
)
"""Words around a stop word that do not change its meaning."""

_BEGINNINGS = (
    *("s+t+o+p+(?:pe|pen|pt)?", "stopping", "sotp", "stpo", "e-stop", "estop", "halt an", "freeze"),
    *("abort", "aborting", "cancel", "cancell?ed", "cease", "desist", "quit it", "knock it off", "cut it out"),
    *("stand down", "hands off", "back off", "forget (?:it|about it)", "never ?mind", "leave (?:me|us) alone"),
    *("let (?:me|us) go", "let go of me", "get off me", "get away from me", "that's enough", "that is enough"),
    *(
        r"hoe?r(?:t|en sie)? (?:(?!nicht)\w+ ){0,2}auf",
        "auf(?:zu)?hoe?ren",
        "anhalten",
        "halten sie an",
        "abbrechen",
        "abbruch",
        r"brich (?:\w+ ){0,2}ab",
        "not-?aus",
    ),
    *("not-?halt", "lass(?:t|en sie)? (?:das|es)(?: sein| bleiben)?", "lass(?:t|en sie)? mich (?:los|in ruhe)"),
    *("lass los", "(?:finger|hande|pfoten) weg", "schluss (?:damit|jetzt)"),
    *("arrete[zrs]?", "arretons", "arrete-toi", "arretez-vous", "arret(?: d'urgence)?", "cesse[zr]?"),
    *("annule[zr]?", "abandonne[zr]?", "laisse[zr]? tomber", "laisse-moi tranquille", "laissez-moi tranquille"),
    *("(?:ca|cela) suffit", "lache[zr]?-moi", "n'insiste pas"),
    *("detente", "det[ei]ng(?:ase|anse|an)", "deten", "detener", "detenga", "(?:dej[ae]|dejad|dejen) (?:de|ya|eso)"),
    *("(?:para|pare|paren|parad) de", "dejame en paz", "dejeme en paz", "sueltame", "suelteme", "basta ya"),
    *("cancel(?:a|ar|e|ad|en)", "abort(?:a|ar|e|ad|en)", "parate", "parese", "paralo", "alto ahi"),
)
"""What begins an order to stop, whatever follows."""

_ALONE = (
    *("halt", "hold", "hold on", "hold it", "pause", "end", "finish", "enough", "quit", "whoa", "exit"),
    *("ende", "genug", "schluss", "fertig", "reicht", "(?:das|es) reicht", "suffit"),
    *("halte", "assez", "fin", "stoppez"),
    *("para", "pare", "paren", "parad", "parar", "parada(?: de emergencia)?", "alto", "basta", "quieto", "suficiente"),
)
"""What means to stop only if the clause holds nothing else."""

_ELSEWHERE = (
    *("fermati", "fermatevi", "smettila", "smetti di", "hou op", "stopzetten", "sluta", "stanna", "przestań", "stój"),
    *("\u0441\u0442\u043e\u043f", "\u0441\u0442\u043e\u0439", "\u0445\u0432\u0430\u0442\u0438\u0442"),
    *("\u0643\u0641\u0649", "\u062a\u0648\u0642\u0641", "\u0642\u0641"),
)
"""What begins an order to stop in Italian, Dutch, Swedish, Polish, Russian and Arabic."""

_UNSPACED = (
    "\u505c",
    "\u4f4f\u624b",
    "\u30b9\u30c8\u30c3\u30d7",
    "\u6b62\u307e",
    "\u6b62\u3081",
    "\u3084\u3081",
    "\uba48",
    "\uadf8\ub9cc",
    "\uc815\uc9c0",
)
"""What begins an order to stop in Chinese, Japanese and Korean, whose words are not always separated."""

_SPELT = re.compile(r"(?<![^\W_])s[ .-]*t[ .-]*o[ .-]*p(?![^\W_])", re.IGNORECASE)
"""The word "stop", letter by letter."""

_FILLER = re.compile(any_of(*_FILLERS))
_BEGINNING = re.compile(
    rf"{any_of(*_BEGINNINGS, *map(plain_words, _ELSEWHERE))}|{'|'.join(map(plain_words, _UNSPACED))}"
)
_WHOLE = re.compile(any_of(*_ALONE))


def means_stop(text: str) -> bool:
    """Check whether a text is an order to stop.

    Args:
        text: The text, as it was received.

    Returns:
        Whether one of its clauses begins with a word that means to stop.

    Example:
        >>> [means_stop(text) for text in ("Please STOP!", "H\u00f6r sofort auf", "para, por favor", "do not stop")]
        [True, True, True, False]
    """
    return any(map(_clause_means_stop, plain_clauses(_SPELT.sub("stop", text))))


def _clause_means_stop(clause: str) -> bool:
    while filler := _FILLER.match(clause):
        clause = clause[filler.end() :].lstrip()
    if _BEGINNING.match(clause):
        return True
    return bool(_WHOLE.match(clause)) and not _FILLER.sub("", _WHOLE.sub("", clause)).strip()
