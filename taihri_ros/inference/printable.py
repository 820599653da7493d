"""Text of another program as one short line that is safe in a log, in a terminal and in a message."""

from __future__ import annotations

import re

LONGEST = 1000
"""Usual number of characters that are kept of a text."""

_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str | bytes, longest: int = LONGEST) -> str:
    r"""Return a text without colours, with other control characters escaped and a long end cut off.

    Args:
        text: The text; bytes are read as UTF-8.
        longest: Number of characters that are kept.

    Returns:
        One line. What a terminal would obey, such as ESC, a carriage return or a change of the reading direction, is
        written as in Python, and so is half of a surrogate pair, which no message can hold.

    Example:
        >>> printable("loading \x1b[2J 5 %\r")
        'loading \\x1b[2J 5 %'
        >>> printable("ab" * 50, 10)
        'ababababab... (90 more)'
    """
    kept = text[: 4 * longest]  # at least as much as is kept, before anything is done with all of it
    whole = kept.decode("utf-8", "replace") if isinstance(kept, bytes) else kept
    clean = _COLORS.sub("", whole).strip()
    more = len(text) - len(kept) + max(len(clean) - longest, 0)
    line = _CONTROL.sub(lambda found: _escape(found[0]), clean[:longest])
    return f"{line}... ({more} more)" if more else line


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
