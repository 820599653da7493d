"""The grammar of an answer, independent of the engine.

A grammar is a sequence of elements. Every engine converts it to the input of its constrained decoding: a Lark grammar
over token ids for vLLM, an automaton for transformers. The end-of-answer token follows implicitly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.lexer import BLOCKS, LABEL
from taihri_ros.skeleton import JOINTS


@dataclass(frozen=True)
class Text:
    """A fixed text: a special token, the name of a joint, or a separator."""

    text: str


@dataclass(frozen=True)
class Coordinate:
    """Any coordinate token: one of the 1000 bins, or `<absent>` for a checkpoint that has it."""


@dataclass(frozen=True)
class Choice:
    """Any of several branches, one of which may be empty."""

    branches: tuple[Grammar, ...]


Element: TypeAlias = "Text | Coordinate | Choice"
Grammar: TypeAlias = "tuple[Element, ...]"


def named_grammar(joints: Iterable[str], answer_format: AnswerFormat) -> Grammar:
    """Return the grammar of an answer for named joints: all of them in 2D, then all of them in 3D.

    Args:
        joints: Joint names in the order of the answer.
        answer_format: The answer format of the checkpoint.

    Returns:
        The grammar.
    """
    names = tuple(joints)
    return _answer(answer_format, *(_all_joints(answer_format, names, count) for count in (2, 3)))


def free_grammar(answer_format: AnswerFormat) -> Grammar:
    """Return the grammar of an answer whose joints the model chooses.

    A block may contain any subset of the joints, each at most once and in the skeleton's order. The grammar has no
    unbounded repetition, so that a model cannot loop. The parser checks that both blocks contain the same joints.

    Args:
        answer_format: The answer format of the checkpoint.

    Returns:
        The grammar.
    """
    return _answer(answer_format, *(_any_joints(answer_format, count) for count in (2, 3)))


def literals(grammar: Grammar) -> set[str]:
    """Return every fixed text of a grammar, for which an engine needs the token ids.

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
    """Return the number of elements of the longest answer; a text of several tokens counts once."""
    return sum(max(map(max_length, element.branches)) if isinstance(element, Choice) else 1 for element in grammar)


def _answer(answer_format: AnswerFormat, points_2d: Grammar, points_3d: Grammar) -> Grammar:
    blocks: list[Grammar] = [(Text(LABEL[0]), Text(answer_format.label), Text(LABEL[1]))] if answer_format.label else []
    blocks += [_block("box", _coordinates(answer_format, 4))] if answer_format.box else []
    blocks += [_block("2d", points_2d), _block("3d", points_3d)]
    return _join(blocks, answer_format.between_blocks)


def _block(name: str, body: Grammar) -> Grammar:
    start, end = BLOCKS[name]
    return (Text(start), *body, Text(end))


def _all_joints(answer_format: AnswerFormat, joints: tuple[str, ...], count: int) -> Grammar:
    return _join([_point(answer_format, joint, count) for joint in joints], answer_format.between_joints)


def _any_joints(answer_format: AnswerFormat, count: int) -> Grammar:
    """Return the grammar of any subset of the joints.

    If there is a separator, the grammar is a choice of the first joint, because no separator precedes the first joint.
    """
    points = [_point(answer_format, joint, count) for joint in JOINTS]
    if not answer_format.between_joints:
        return tuple(_optional(point) for point in points)
    separated = [_optional((Text(answer_format.between_joints), *point)) for point in points]
    return (Choice(((), *((*point, *separated[index + 1 :]) for index, point in enumerate(points)))),)


def _optional(grammar: Grammar) -> Choice:
    return Choice(((), grammar))


def _point(answer_format: AnswerFormat, joint: str, count: int) -> Grammar:
    gap = (Text(answer_format.after_joint),) if answer_format.after_joint else ()
    return (Text(answer_format.joint_text(joint)), *gap, *_coordinates(answer_format, count))


def _coordinates(answer_format: AnswerFormat, count: int) -> Grammar:
    return _join([(Coordinate(),)] * count, answer_format.between_coordinates)


def _join(parts: list[Grammar], separator: str) -> Grammar:
    gap = (Text(separator),) if separator else ()
    joined: Grammar = ()
    for index, part in enumerate(parts):
        joined += part if index == 0 else (*gap, *part)
    return joined
