"""Recognition of negated sentences, in English, German, French and Spanish, and by the negating words of neighbours.

"Do not shake my hand" must never choose the hand. A sentence with a negating word is therefore negated as a whole, also
where only a part of it is meant ("not my left hand, my right hand"): a robot that waits for clearer words does no harm.
The exceptions are fixed phrases that ask for what follows them, such as "don't forget to".
"""

from __future__ import annotations

import re

from taihri_ros.commands.plain_words import any_of, plain_words

_DO_NOT = r"(?:do not|don'?t|don t|never)"
_CAN_NOT = r"(?:can'?t|cannot|can not|can t|could not|couldn'?t)"

_AFFIRMATIVE = (
    # English
    *("no (?:problems?|worries|worry|doubt|rush|hurry|matter|pressure|offen[cs]e)", "not (?:a )?(?:problem|only)"),
    *("in no time", "nothing (?:but|else than|more than)", "why not", "whether or not", r"not (?:so|too) \w+"),
    *(
        rf"why {_DO_NOT} (?:you|we|i)",
        "(?:won'?t|can'?t|couldn'?t|wouldn'?t) you",
        "(?:isn'?t|aren'?t|doesn'?t) (?:it|they)",
    ),
    *(
        rf"{_DO_NOT} (?:forget|hesitate|worry|lose|miss)(?: about it)?",
        rf"{_DO_NOT} be (?:shy|afraid|scared|silly)",
        rf"{_DO_NOT} (?:wait|mind)(?: any longer)?",
        rf"(?:so|that) \w+ (?:{_DO_NOT}|does not|doesn'?t|will not|won'?t) (?:fall|tip|slip|trip|stumble|lose)",
        rf"{_DO_NOT} (?:leave \w+ hanging|let \w+ (?:fall|slip|tip|trip|stumble)\w*)",
        rf"i {_CAN_NOT} (?:get|reach|stand up|sit|put|find|see|tie|walk|move|bend|lift|button|close|wear)",
        rf"i {_DO_NOT} (?:know|see|find|reach)",
        "i(?:'m| am) (?:not able|unable) to",
    ),
    *("without (?:any )?(?:delay|hesitation|hesitating|haste|hurry|fear|doubt)",),
    # German
    *(
        "kein(?:e|en)? (?:problem|sorge|angst|eile|ursache|frage|zweifel)",
        "verg(?:iss|esst|essen sie)(?: es| bitte)? nicht",
    ),
    *(
        "zoe?gern?(?: sie)? nicht",
        r"(?:warum|wieso) (?:\w+ ){0,5}nicht",
        r"nicht (?:nur|wahr|zu|so) ?\w*",
        "oder nicht",
    ),
    *("nichts (?:als|lieber)", "ohne (?:weiteres|zogern|eile|angst)", r"ich (?:kann|komme|schaffe)(?: \w+){0,2} nicht"),
    # French
    *("pas de (?:probleme|soucis?|panique)", "sans (?:probleme|souci|hesiter|attendre|faute|doute)", "pourquoi pas"),
    *("n'oublie[zs]? (?:pas|jamais)", "n'hesite[zs]? pas", "n'importe (?:quel|quelle|ou|comment|lequel|laquelle)"),
    *(r"pourquoi (?:\w+ )?n(?:e|'\w+) (?:\w+ ){0,4}pas", "n'est-ce pas", "n'(?:aie|ayez) pas peur"),
    *(r"pas (?:trop|si) \w+", "(?:un|deux|trois|quelques) pas", "pas a pas", "ne t'inquiete[zs]? pas"),
    *("ne vous inquietez pas", "je n'arrive pas", "je ne (?:peux|sais|vois|trouve) pas"),
    # Spanish
    *("sin (?:problemas?|duda|miedo|prisa|demora)", "no hay (?:problema|prisa|duda)", "no es problema", "no solo"),
    *(
        r"no (?:te |se )?(?:preocup|olvid|dud)\w+",
        "(?:y )?por que no",
        "nada (?:mas|menos) que",
        "no puedo",
        "no se donde",
    ),
    *("no (?:tengas|tenga) miedo", r"no (?:muy|tan|demasiado) \w+", "como no", "cuanto antes no"),
)
"""Phrases with a negating word that do not negate the command."""

_NEGATING = (
    # English
    *("(?:do|does|did|must|should|shall|will|would|can|could|may|need|is|are|was|were|have|has) not", "not", "never"),
    *("[a-z]+n't", "(?:don|won|can|doesn|didn|isn|shouldn|mustn|wouldn|couldn) t", "do'nt", "do n't", "donot", "dnt"),
    *("(?:do|does|did|must|should|would|could|need|is|are|was)nt", "cant", "wont", "aint", "cannot"),
    *("no longer", "no more", "no", "nope", "nah", "none", "nothing", "nobody", "no-?one", "nowhere", "neither", "nor"),
    *(
        "without",
        "ceas(?:e|es|ed|ing)",
        "stop(?:s|ped|ping)?",
        "refrain(?:s|ing)?",
        "abstain(?:ing)?",
        "avoid(?:s|ing)?",
    ),
    *("quit", "forbid(?:s|den)?", "prohibit(?:ed)?", "refuse", "skip", "ignore", "instead of", "rather than", "except"),
    *("other than", "anything but", "off limits", r"(?:keep|stay) (?:\w+ ){0,3}(?:off|away|clear)"),
    *(
        "(?:step|move|stay|get) (?:back|away)",
        "go away",
    ),
    *("(?:hands?|fingers?|arms?|gripper) (?:off|away)", r"leave (?:\w+ ){1,4}alone", "unless"),
    # German
    *(
        "nichts?",
        r"nie(?:mals|mand\w*)?",
        "nimmer",
        r"kein\w{0,2}",
        "keine(?:sfalls|swegs|rlei)",
        "ohne",
        "weder",
        "nein",
    ),
    *("nee", r"unterlass\w*", r"vermeid\w*", r"verzichte\w*", r"auf(?:zu)?hoe?r\w*", r"hoe?r\w* (?:\w+ ){0,4}auf"),
    *(
        r"lass\w* (?:\w+ ){0,3}(?:sein|bleiben)",
        "verboten",
        r"bleib\w* (?:\w+ ){0,4}weg",
        "(?:finger|hande|pfoten) weg",
        "(?:an)?statt",
        "ausser",
    ),
    # French
    *("ne", r"n'\w+", "pas", "jamais", "sans", "aucune?s?", "rien", "ni", "non", r"arret\w*", "cess(?:e|es|ez|er|ons)"),
    *(
        "evite[rsz]?",
        r"interdit\w*",
        "defendu",
        "laisse[zr]? tomber",
        r"au lieu d\w*",
        r"plutot qu\w*",
        "sauf",
    ),
    # Spanish
    *("nunca", "jamas", "sin", "nada", "nadie", "ningun[ao]?s?", "tampoco", r"(?:dej\w+|par(?:a|e|ar|ad|en)) de"),
    *("evit(?:a|ar|e|ad|en|ando)", "prohibid[ao]s?", "en (?:lugar|vez) de", "salvo", "excepto", "menos"),
    # Dutch, Scandinavian, Portuguese and Italian, where words of the four occur: "geen high five"
    *("niet", "geen", "nooit", "zonder", "inte", "ikke", "ikkje", "aldrig?", "ingen", "inga", "utan", "uden"),
    *("nao", "nem", "sem", "senza", "niente", "nessun[ao]?"),
)

_AFFIRMATIVE_PHRASE = re.compile(any_of(*_AFFIRMATIVE))
_NEGATING_WORDS = re.compile(any_of(*_NEGATING))


def negating_words(text: str) -> str:
    """Return the first words that negate a sentence.

    Args:
        text: The sentence, as it was received.

    Returns:
        The words in plain letters, such as `do not`; empty if the sentence is not negated.

    Example:
        >>> negating_words("Please do NOT shake my hand."), negating_words("Don\u2019t forget to shake my hand.")
        ('do not', '')
    """
    found = _NEGATING_WORDS.search(_AFFIRMATIVE_PHRASE.sub(" ", plain_words(text)))
    return found[0] if found else ""
