"""Answer tokens to lexemes: delimiters, joint names, coordinates, separators, and whatever else the model wrote.

The model's added tokens arrive whole. Names and numbers may also come spelled out in ordinary text (`<left_wrist>`,
`<261>`), cut into tokens anywhere, so runs of ordinary text are joined before they are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from taihri_ros.skeleton import JOINTS, joint_token

BLOCKS = {
    "box": ("<|box_start|>", "<|box_end|>"),
    "2d": ("<|kpt2d_start|>", "<|kpt2d_end|>"),
    "3d": ("<|kpt3d_start|>", "<|kpt3d_end|>"),
}
"""Start and end token of every block of an answer, in the order of the blocks."""

END_OF_ANSWER = ("<|im_end|>", "<|endoftext|>")

SEPARATORS = ", \t\r\n"
"""Characters that may stand between any two tokens of an answer."""

_DELIMITERS = {token for block in BLOCKS.values() for token in block} | set(END_OF_ANSWER)
_JOINT_TOKENS = {joint_token(joint): joint for joint in JOINTS}
_JOINT_TEXTS = {f"<{joint}>": joint for joint in JOINTS}
_LONGEST_NUMBER = 12


class LexemeKind(Enum):
    """What a lexeme is."""

    DELIMITER = "delimiter"
    JOINT = "joint"
    COORDINATE = "coordinate"
    SEPARATOR = "separator"
    OTHER = "other"


class Lexeme(NamedTuple):
    """One unit of an answer.

    Attributes:
        kind: What it is.
        text: How the model spelled it.
        token: Index of the token in which it starts.
        joint: The joint's name, of a `JOINT`.
        number: The number, of a `COORDINATE`; it is not yet checked against the range of the bins.
    """

    kind: LexemeKind
    text: str
    token: int
    joint: str = ""
    number: int = -1


def lex(tokens: tuple[str, ...]) -> list[Lexeme]:
    """Cut an answer into lexemes; no input is an error here.

    Args:
        tokens: The answer's tokens as text, special tokens kept.

    Returns:
        The lexemes in order. Their texts joined are the tokens' texts joined.
    """
    lexemes: list[Lexeme] = []
    run: list[tuple[int, str]] = []
    for index, token in enumerate(tokens):
        whole = _special(index, token)
        if whole is None:
            run.append((index, token))
            continue
        if run:
            lexemes += _lex_text(run)
            run = []
        lexemes.append(whole)
    return lexemes + list(_lex_text(run))


def _special(index: int, token: str) -> Lexeme | None:
    found = _meaning(token)
    if found is None:
        return None
    kind, joint, number = found
    return Lexeme(kind, token, index, joint, number)


@lru_cache(4096)
def _meaning(token: str) -> tuple[LexemeKind, str, int] | None:
    """Give kind, joint and number of a token that is a lexeme by itself; the same ones come in every answer."""
    if token in _DELIMITERS:
        return LexemeKind.DELIMITER, "", -1
    if token in _JOINT_TOKENS:
        return LexemeKind.JOINT, _JOINT_TOKENS[token], -1
    if (number := _number(token)) is not None:
        return LexemeKind.COORDINATE, "", number
    return None


def _number(text: str) -> int | None:
    digits = text[1:-1]
    if (
        text[:1] == "<"
        and text[-1:] == ">"
        and digits.isascii()
        and digits.isdigit()
        and len(digits) <= _LONGEST_NUMBER
    ):
        return int(digits)
    return None


def _lex_text(run: list[tuple[int, str]]) -> Iterator[Lexeme]:
    """Cut a run of ordinary text: separators, anything in angle brackets, and the rest up to either of them."""
    text = "".join(piece for _, piece in run)
    owner = [index for index, piece in run for _ in piece]
    start = 0
    while start < len(text):
        end = start + 1
        if text[start] in SEPARATORS:
            while end < len(text) and text[end] in SEPARATORS:
                end += 1
            yield Lexeme(LexemeKind.SEPARATOR, text[start:end], owner[start])
        else:
            while end < len(text) and text[end] not in SEPARATORS and text[end] != "<" and text[end - 1] != ">":
                end += 1
            yield _word(text[start:end], owner[start])
        start = end


def _word(text: str, token: int) -> Lexeme:
    if text in _JOINT_TEXTS:
        return Lexeme(LexemeKind.JOINT, text, token, joint=_JOINT_TEXTS[text])
    return _special(token, text) or Lexeme(LexemeKind.OTHER, text, token)
