"""The lexer of answers: splits tokens into delimiters, joint names, coordinates, separators and other text.

Each special token of the model is one lexeme. Names and numbers may also be written as ordinary text (`<left_wrist>`,
`<261>`), which the tokenizer may cut anywhere. Consecutive ordinary tokens are therefore joined first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN
from taihri_ros.skeleton import JOINTS, joint_token

BLOCKS = {
    "box": ("<|box_start|>", "<|box_end|>"),
    "2d": ("<|kpt2d_start|>", "<|kpt2d_end|>"),
    "3d": ("<|kpt3d_start|>", "<|kpt3d_end|>"),
}
"""Start and end token of every block of an answer, in the order of the blocks."""

END_OF_ANSWER = ("<|im_end|>", "<|endoftext|>")
"""Tokens that end an answer."""

SEPARATORS = ", \t\r\n"
"""Characters that may separate any two tokens of an answer."""

_DELIMITERS = {token for block in BLOCKS.values() for token in block} | set(END_OF_ANSWER)
_JOINT_TOKENS = {joint_token(joint): joint for joint in JOINTS}
_JOINT_TEXTS = {f"<{joint}>": joint for joint in JOINTS}
_NUMBER = re.compile(r"<(0|[1-9][0-9]{0,11})>")


class LexemeKind(Enum):
    """The kind of a lexeme."""

    DELIMITER = "delimiter"
    JOINT = "joint"
    COORDINATE = "coordinate"
    ABSENT = "absent"
    SEPARATOR = "separator"
    OTHER = "other"


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
    lexemes: list[Lexeme] = []
    ordinary: list[tuple[int, str]] = []
    for index, token in enumerate(tokens):
        special = _special(index, token)
        if special is None:
            ordinary.append((index, token))
            continue
        if ordinary:
            lexemes += _lex_text(ordinary)
            ordinary = []
        lexemes.append(special)
    return lexemes + list(_lex_text(ordinary))


def _special(index: int, token: str) -> Lexeme | None:
    found = _meaning(token)
    if found is None:
        return None
    kind, joint, number = found
    return Lexeme(kind, token, index, joint, number)


@lru_cache(4096)
def _meaning(token: str) -> tuple[LexemeKind, str, int] | None:
    """Return kind, joint and number of a token that is one lexeme, else None; cached, because tokens repeat often."""
    if token in _DELIMITERS:
        return LexemeKind.DELIMITER, "", -1
    if token in _JOINT_TOKENS:
        return LexemeKind.JOINT, _JOINT_TOKENS[token], -1
    if token == ABSENT_TOKEN:
        return LexemeKind.ABSENT, "", ABSENT
    if (number := _number(token)) is not None:
        return LexemeKind.COORDINATE, "", number
    return None


def _number(text: str) -> int | None:
    """Return the number of a token such as `<261>`; None if it is written in any other way, such as `<0261>`."""
    match = _NUMBER.fullmatch(text)
    return int(match[1]) if match else None


def _lex_text(pieces: list[tuple[int, str]]) -> Iterator[Lexeme]:
    """Split consecutive ordinary tokens into separators, words in angle brackets, and other text."""
    text = "".join(piece for _, piece in pieces)
    token_of = [index for index, piece in pieces for _ in piece]
    start = 0
    while start < len(text):
        end = start + 1
        if text[start] in SEPARATORS:
            while end < len(text) and text[end] in SEPARATORS:
                end += 1
            yield Lexeme(LexemeKind.SEPARATOR, text[start:end], token_of[start])
        else:
            while end < len(text) and text[end] not in SEPARATORS and text[end] != "<" and text[end - 1] != ">":
                end += 1
            yield _word(text[start:end], token_of[start])
        start = end


def _word(text: str, token: int) -> Lexeme:
    if text in _JOINT_TEXTS:
        return Lexeme(LexemeKind.JOINT, text, token, joint=_JOINT_TEXTS[text])
    return _special(token, text) or Lexeme(LexemeKind.OTHER, text, token)
