"""Sentences as plain lower-case words, for comparison with lists of words in any of the languages."""

from __future__ import annotations

import html
import re
import unicodedata

_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u02bb\u2032\u00b4\u0060\uff07\u05f3"), "'")
_CLAUSE_END = re.compile(
    r"[.!?;:,\u2026\u00a1\u00bf\u3001\u3002()\[\]{}\"\u201c\u201d\u201e\u00ab\u00bb\n\r|/*]+|(?<!\w)[-']|\s[-\u2013\u2014]+\s"
)
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def plain_clauses(text: str) -> list[str]:
    """Split a text at its punctuation into clauses of plain words.

    Full-width letters become ordinary letters, capitals become lower case, and every kind of apostrophe becomes `'`.
    Accents, control characters and invisible characters are removed.

    Args:
        text: The text, as it was received.

    Returns:
        The words of each clause that has any, separated by single spaces.

    Example:
        >>> plain_clauses("STOP!  N\u2019arr\u00eate pas, s\u2019il te pla\u00eet")
        ['stop', "n'arrete pas", "s'il te plait"]
    """
    letters = unicodedata.normalize("NFKD", html.unescape(text).translate(_APOSTROPHES)).translate(_APOSTROPHES)
    visible = "".join(letter for letter in letters if unicodedata.category(letter) not in ("Mn", "Cf"))
    clauses = (" ".join(_WORD.findall(part)) for part in _CLAUSE_END.split(visible.casefold()))
    return [clause for clause in clauses if clause]


def plain_words(text: str) -> str:
    """Return the plain words of a whole text, separated by single spaces.

    Args:
        text: The text, as it was received.

    Returns:
        The words, as in `plain_clauses`.
    """
    return " ".join(plain_clauses(text))


def any_of(*phrases: str) -> str:
    """Return a regular expression that matches any of the phrases as whole words.

    Args:
        phrases: Regular expressions over plain words.

    Returns:
        The expression.
    """
    return rf"(?<![\w'-])(?:{'|'.join(phrases)})(?![\w'-])"
