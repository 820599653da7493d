"""The answer format of a checkpoint: bounding box, form of joint names, separators, and the token for absent joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from taihri_ros.errors import TaihriError
from taihri_ros.model.lexer import BLOCKS, SEPARATORS, Lexeme, LexemeKind, lex
from taihri_ros.model.quantization import BINS
from taihri_ros.skeleton import joint_token
from taihri_ros.validation import check_value

_ANSWERED_JOINT = (LexemeKind.JOINT, LexemeKind.COORDINATE, LexemeKind.COORDINATE)


@dataclass(frozen=True)
class AnswerFormat:
    """The answer format of a checkpoint.

    A grammar with another format than the one that the model has learned makes the answers worse. Every separator
    between two tokens is therefore a field.

    Attributes:
        box: Whether an answer starts with a bounding box of the person.
        joint: Form of a joint name: `token` for `<|left_wrist|>`, `text` for `<left_wrist>`.
        after_joint: Separator between the name of a joint and its first coordinate.
        between_coordinates: Separator between two coordinates of a joint or box.
        between_joints: Separator between the last coordinate of a joint and the name of the next joint.
        between_blocks: Separator between the end of a block and the start of the next.
        absent: Whether `<absent>` may stand for any coordinate of a joint that is not there. It is never inferred from
            an answer.
    """

    box: bool = True
    joint: Literal["token", "text"] = "token"
    after_joint: str = ""
    between_coordinates: str = ""
    between_joints: str = ""
    between_blocks: str = ""
    absent: bool = False

    def __post_init__(self) -> None:
        check_value(self.joint, Literal["token", "text"], "joint")
        check_value(self.box, bool, "box")
        check_value(self.absent, bool, "absent")
        for name in ("after_joint", "between_coordinates", "between_joints", "between_blocks"):
            gap = check_value(getattr(self, name), str, name)
            if gap.strip(SEPARATORS):
                raise TaihriError(f"{name} may contain only commas and white space, not {gap!r}")

    @property
    def coordinate_tokens(self) -> int:
        """Number of coordinate tokens: those of the bins, and `<absent>` if the format has it."""
        return BINS + self.absent

    def joint_text(self, joint: str) -> str:
        """Return the name of a joint in this format."""
        return joint_token(joint) if self.joint == "token" else f"<{joint}>"


def infer_answer_format(tokens: tuple[str, ...]) -> AnswerFormat | None:
    """Infer the answer format from one unconstrained answer.

    Args:
        tokens: Tokens of the answer as text.

    Returns:
        The format, with the most frequent separators of the answer; None if the answer has no joint with two
        coordinates.
    """
    lexemes = lex(tokens)
    kinds = [lexeme.kind for lexeme in lexemes if lexeme.kind is not LexemeKind.SEPARATOR]
    if not any(tuple(kinds[index : index + 3]) == _ANSWERED_JOINT for index in range(len(kinds))):
        return None
    gaps: dict[str, list[str]] = {
        "after_joint": [],
        "between_coordinates": [],
        "between_joints": [],
        "between_blocks": [],
    }
    joint_forms: list[str] = []
    gap = ""
    previous: Lexeme | None = None
    for lexeme in lexemes:
        if lexeme.kind is LexemeKind.SEPARATOR:
            gap += lexeme.text
            continue
        if lexeme.kind is LexemeKind.JOINT:
            joint_forms.append("token" if lexeme.text.startswith("<|") else "text")
        if previous is not None and (field := _field_of_gap(previous, lexeme)) is not None:
            gaps[field].append(gap)
        gap, previous = "", lexeme
    return AnswerFormat(
        box=any(lexeme.kind is LexemeKind.DELIMITER and lexeme.text == BLOCKS["box"][0] for lexeme in lexemes),
        joint="token" if _most_frequent(joint_forms) == "token" else "text",
        absent=False,
        **{field: _most_frequent(found) if found else "" for field, found in gaps.items()},
    )


def _field_of_gap(left: Lexeme, right: Lexeme) -> str | None:
    """Return the name of the `AnswerFormat` field for the separator between two lexemes, or None if there is none."""
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
