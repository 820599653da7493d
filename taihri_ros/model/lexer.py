"""The lexer of answers: splits text into delimiters, joint names, coordinates, separators, punctuation and other text.

Names and numbers may be special tokens of the model (`<|left_wrist|>`, `<261>`), or ordinary text (`<left_wrist>`,
`left wrist`, `<261>`), which the tokenizer may cut anywhere. The tokens are therefore joined first. The text is read
once from left to right, by a pattern whose parts exclude each other by their first characters.
"""

from __future__ import annotations

import re
from enum import Enum
from itertools import accumulate
from typing import NamedTuple

from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN
from taihri_ros.skeleton import JOINTS, joint_token

BLOCKS = {
    "box": ("<|box_start|>", "<|box_end|>"),
    "2d": ("<|kpt2d_start|>", "<|kpt2d_end|>"),
    "3d": ("<|kpt3d_start|>", "<|kpt3d_end|>"),
}
"""Start and end token of every block of an answer, in the order of the blocks."""

LABEL = ("<|object_ref_start|>", "<|object_ref_end|>")
"""Qwen's tokens around the word that says what a box shows, which may precede the box."""

END_OF_ANSWER = ("<|im_end|>", "<|endoftext|>")
"""Tokens that end an answer."""

SEPARATORS = ", \t\r\n"
"""Characters that may separate any two tokens of an answer."""

PUNCTUATION = '{}[]":`'
"""Characters that are a lexeme each: those of JSON and of a Markdown fence around it."""

_DELIMITERS = {token for block in (*BLOCKS.values(), LABEL) for token in block} | set(END_OF_ANSWER)
_JOINT_OF = {
    text: joint for joint in JOINTS for text in (joint_token(joint), f"<{joint}>", joint, joint.replace("_", " "))
}
_NAMES = "|".join(joint.replace("_", "[_ ]") for joint in sorted(JOINTS, key=len, reverse=True))
_OUTSIDE = re.escape(SEPARATORS + PUNCTUATION) + "<>"
_LEXEME = re.compile(
    rf"""
      (?P<separator> [{re.escape(SEPARATORS)}]+ )
    | (?P<punctuation> [{re.escape(PUNCTUATION)}] )
    | (?P<delimiter> {"|".join(map(re.escape, sorted(_DELIMITERS)))} )
    | (?P<absent> {ABSENT_TOKEN} )
    | < (?P<coordinate> 0 | [1-9][0-9]{{0,11}} ) >
    | (?P<joint> <\|(?:{"|".join(JOINTS)})\|> | <(?:{"|".join(JOINTS)})> | (?:{_NAMES})(?=[{_OUTSIDE}]|$) )
    | (?P<other> <[^{_OUTSIDE}]*>? | [^{_OUTSIDE}]+>? | > )
    """,
    re.VERBOSE,
)


class LexemeKind(Enum):
    """The kind of a lexeme."""

    DELIMITER = "delimiter"
    JOINT = "joint"
    COORDINATE = "coordinate"
    ABSENT = "absent"
    SEPARATOR = "separator"
    PUNCTUATION = "punctuation"
    OTHER = "other"


_KINDS = {kind.value: kind for kind in LexemeKind}


class Lexeme(NamedTuple):
    """One unit of an answer.

    Attributes:
        kind: Kind of the lexeme.
        text: Text of the lexeme in the answer.
        token: Index of the token in which it starts.
        joint: Name of the joint, for a `JOINT`.
        number: Number of the bin, for a `COORDINATE`; it may be out of range. `quantization.ABSENT` for an `ABSENT`.
    """

    kind: LexemeKind
    text: str
    token: int
    joint: str = ""
    number: int = -1


def lex(tokens: tuple[str, ...]) -> list[Lexeme]:
    """Split an answer into lexemes; any input is accepted.

    Args:
        tokens: Tokens of the answer as text, special tokens included.

    Returns:
        The lexemes in order. The concatenation of their texts is the text of the answer.
    """
    text = "".join(tokens)
    token, ends = 0, list(accumulate(map(len, tokens)))
    lexemes: list[Lexeme] = []
    for match in _LEXEME.finditer(text):
        while ends[token] <= match.start():
            token += 1
        lexemes.append(_lexeme(match, token))
    return lexemes


def _lexeme(match: re.Match[str], token: int) -> Lexeme:
    """Return the lexeme of a match, which starts in a token."""
    kind, text = _KINDS[match.lastgroup or "other"], match[0]
    if kind is LexemeKind.JOINT:
        return Lexeme(kind, text, token, joint=_JOINT_OF[text])
    if kind is LexemeKind.COORDINATE:
        return Lexeme(kind, text, token, number=int(match[kind.value]))
    return Lexeme(kind, text, token, number=ABSENT if kind is LexemeKind.ABSENT else -1)
