"""How a checkpoint spells its answers: with or without a box, which separators, which joint names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from taihri_ros.errors import TaihriError
from taihri_ros.model.lexer import BLOCKS, SEPARATORS, Lexeme, LexemeKind, lex
from taihri_ros.skeleton import joint_token

_ANSWERED_JOINT = (LexemeKind.JOINT, LexemeKind.COORDINATE, LexemeKind.COORDINATE)


@dataclass(frozen=True)
class AnswerFormat:
    """The spelling of an answer, data of the checkpoint.

    A grammar that forces a spelling that the model has not learned works against the model, so every gap between two
    tokens is a field here.

    Attributes:
        box: Whether a bounding box of the person comes first.
        joint: `token` for `<|left_wrist|>`, `text` for `<left_wrist>`.
        after_joint: Text between a joint's name and its first coordinate.
        between_coordinates: Text between two coordinates of one joint or box.
        between_joints: Text between one joint's last coordinate and the next joint's name.
        between_blocks: Text between the end of a block and the start of the next.
    """

    box: bool = True
    joint: Literal["token", "text"] = "token"
    after_joint: str = ""
    between_coordinates: str = ""
    between_joints: str = ""
    between_blocks: str = ""

    def __post_init__(self) -> None:
        if self.joint not in ("token", "text"):
            raise TaihriError(f"answer.joint must be 'token' or 'text', not {self.joint!r}")
        if not isinstance(self.box, bool):
            raise TaihriError(f"answer.box must be true or false, not {self.box!r}")
        for name in ("after_joint", "between_coordinates", "between_joints", "between_blocks"):
            gap = getattr(self, name)
            if not isinstance(gap, str) or gap.strip(SEPARATORS):
                raise TaihriError(f"answer.{name} must hold nothing but commas and white space, not {gap!r}")

    def joint_text(self, joint: str) -> str:
        """Write a joint's name as the checkpoint does."""
        return joint_token(joint) if self.joint == "token" else f"<{joint}>"


def infer_answer_format(tokens: tuple[str, ...]) -> AnswerFormat | None:
    """Learn the spelling from one unconstrained answer.

    Args:
        tokens: The answer's tokens as text.

    Returns:
        The style in which most of the answer is written, or None where the answer has no joint with two coordinates
        to learn from.
    """
    lexemes = lex(tokens)
    kinds = [lexeme.kind for lexeme in lexemes if lexeme.kind is not LexemeKind.SEPARATOR]
    if not any(tuple(kinds[place : place + 3]) == _ANSWERED_JOINT for place in range(len(kinds))):
        return None
    gaps: dict[str, list[str]] = {
        "after_joint": [],
        "between_coordinates": [],
        "between_joints": [],
        "between_blocks": [],
    }
    spellings: list[str] = []
    gap = ""
    previous: Lexeme | None = None
    for lexeme in lexemes:
        if lexeme.kind is LexemeKind.SEPARATOR:
            gap += lexeme.text
            continue
        if lexeme.kind is LexemeKind.JOINT:
            spellings.append("token" if lexeme.text.startswith("<|") else "text")
        if previous is not None and (place := _place(previous, lexeme)) is not None:
            gaps[place].append(gap)
        gap, previous = "", lexeme
    return AnswerFormat(
        box=any(lexeme.kind is LexemeKind.DELIMITER and lexeme.text == BLOCKS["box"][0] for lexeme in lexemes),
        joint="token" if _most_frequent(spellings) == "token" else "text",
        **{place: _most_frequent(found) if found else "" for place, found in gaps.items()},
    )


def _place(left: Lexeme, right: Lexeme) -> str | None:
    starts = {start for start, _ in BLOCKS.values()}
    match (left.kind, right.kind):
        case (LexemeKind.JOINT, LexemeKind.COORDINATE):
            return "after_joint"
        case (LexemeKind.COORDINATE, LexemeKind.COORDINATE):
            return "between_coordinates"
        case (LexemeKind.COORDINATE, LexemeKind.JOINT):
            return "between_joints"
        case (LexemeKind.DELIMITER, LexemeKind.DELIMITER) if left.text not in starts and right.text in starts:
            return "between_blocks"
    return None


def _most_frequent(values: list[str]) -> str:
    return max(values, key=values.count)
