"""The grammar of an answer, in the words of no engine.

A grammar is a tuple of elements, one after the other. Each engine turns it into what its own constrained decoding
takes: a Lark grammar over token ids for vLLM, a walk over an automaton for transformers. The end-of-answer token
follows implicitly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.skeleton import JOINTS


@dataclass(frozen=True)
class Text:
    """Text that must stand here: a special token, a joint's name, or separators."""

    text: str


@dataclass(frozen=True)
class Coordinate:
    """Any one of the 1000 coordinate tokens."""


@dataclass(frozen=True)
class Choice:
    """Any one of several branches, of which one may be empty."""

    branches: tuple[Grammar, ...]


Element: TypeAlias = "Text | Coordinate | Choice"
Grammar: TypeAlias = "tuple[Element, ...]"


def named_grammar(joints: Iterable[str], answer_format: AnswerFormat) -> Grammar:
    """Give the grammar of an answer for given joints: every one of them, in the order given, in 2D and then in 3D.

    Args:
        joints: Joint names.
        answer_format: The checkpoint's spelling.

    Returns:
        The grammar.
    """
    names = tuple(joints)
    return _answer(answer_format, *(_listing(answer_format, names, count) for count in (2, 3)))


def free_grammar(answer_format: AnswerFormat) -> Grammar:
    """Give the grammar of an answer whose joints the model chooses.

    Any subset of the joints may stand in a block, each at most once and in the skeleton's order; a repetition without
    bound would let a model loop. That both blocks hold the same joints is for the parser to check.

    Args:
        answer_format: The checkpoint's spelling.

    Returns:
        The grammar.
    """
    return _answer(answer_format, *(_choice(answer_format, count) for count in (2, 3)))


def literals(grammar: Grammar) -> set[str]:
    """Collect every text of a grammar, which an engine has to turn into token ids.

    Args:
        grammar: The grammar.

    Returns:
        The texts.
    """
    found: set[str] = set()
    for element in grammar:
        if isinstance(element, Text):
            found.add(element.text)
        elif isinstance(element, Choice):
            found.update(*(literals(branch) for branch in element.branches))
    return found


def max_length(grammar: Grammar) -> int:
    """Count the elements of the longest answer; a text that takes several tokens counts once."""
    return sum(max(map(max_length, element.branches)) if isinstance(element, Choice) else 1 for element in grammar)


def _answer(answer_format: AnswerFormat, points_2d: Grammar, points_3d: Grammar) -> Grammar:
    blocks = [_block("box", _coordinates(answer_format, 4))] if answer_format.box else []
    blocks += [_block("2d", points_2d), _block("3d", points_3d)]
    return _joined(blocks, answer_format.between_blocks)


def _block(name: str, body: Grammar) -> Grammar:
    start, end = BLOCKS[name]
    return (Text(start), *body, Text(end))


def _listing(answer_format: AnswerFormat, joints: tuple[str, ...], count: int) -> Grammar:
    return _joined([_point(answer_format, joint, count) for joint in joints], answer_format.between_joints)


def _choice(answer_format: AnswerFormat, count: int) -> Grammar:
    """Let every joint be left out; where joints are separated, choose the first one apart from the others."""
    points = [_point(answer_format, joint, count) for joint in JOINTS]
    if not answer_format.between_joints:
        return tuple(_maybe(point) for point in points)
    separated = [_maybe((Text(answer_format.between_joints), *point)) for point in points]
    return (Choice(((), *((*point, *separated[place + 1 :]) for place, point in enumerate(points)))),)


def _maybe(grammar: Grammar) -> Choice:
    return Choice(((), grammar))


def _point(answer_format: AnswerFormat, joint: str, count: int) -> Grammar:
    gap = (Text(answer_format.after_joint),) if answer_format.after_joint else ()
    return (Text(answer_format.joint_text(joint)), *gap, *_coordinates(answer_format, count))


def _coordinates(answer_format: AnswerFormat, count: int) -> Grammar:
    return _joined([(Coordinate(),)] * count, answer_format.between_coordinates)


def _joined(parts: list[Grammar], separator: str) -> Grammar:
    gap = (Text(separator),) if separator else ()
    joined: Grammar = ()
    for index, part in enumerate(parts):
        joined += part if index == 0 else (*gap, *part)
    return joined
