"""The answer format of a checkpoint: label, box, form of joint names, separators, and the token for absent joints."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from taihri_ros.errors import TaihriError
from taihri_ros.model.lexer import BLOCKS, LABEL, SEPARATORS, Lexeme, LexemeKind, lex
from taihri_ros.model.quantization import BINS
from taihri_ros.skeleton import joint_token
from taihri_ros.validation import check_value

_ANSWERED_JOINT = (LexemeKind.JOINT, LexemeKind.COORDINATE, LexemeKind.COORDINATE)
_LABEL = re.compile(r"[\w \-]{0,100}")

JointForm = Literal["token", "text", "name", "words"]
"""Form of a joint name: `<|left_wrist|>`, `<left_wrist>`, `left_wrist` or `left wrist`."""


@dataclass(frozen=True)
class AnswerFormat:
    """The answer format of a checkpoint.

    A grammar with another format than the one that the model has learned makes the answers worse. Every separator
    between two tokens is therefore a field.

    Attributes:
        box: Whether an answer starts with a bounding box of the person.
        joint: Form of a joint name: `token` for `<|left_wrist|>`, `text` for `<left_wrist>`, `name` for `left_wrist`,
            `words` for `left wrist`.
        after_joint: Separator between the name of a joint and its first coordinate; it may contain a colon.
        between_coordinates: Separator between two coordinates of a joint or box.
        between_joints: Separator between the last coordinate of a joint and the name of the next joint.
        between_blocks: Separator between the end of a block and the start of the next.
        absent: Whether `<absent>` may stand for any coordinate of a joint that is not there. It is never inferred from
            an answer.
        label: Words in Qwen's label before the box, such as `person`; empty for no label.
    """

    box: bool = True
    joint: JointForm = "token"
    after_joint: str = ""
    between_coordinates: str = ""
    between_joints: str = ""
    between_blocks: str = ""
    absent: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        check_value(self.joint, JointForm, "joint")
        if not _LABEL.fullmatch(check_value(self.label, str, "label")) or (self.label and not self.box):
            raise TaihriError(f"label must be up to 100 letters and spaces before a box, not {self.label!r}")
        check_value(self.box, bool, "box")
        check_value(self.absent, bool, "absent")
        for name in ("after_joint", "between_coordinates", "between_joints", "between_blocks"):
            gap = check_value(getattr(self, name), str, name)
            if (gap.replace(":", "", 1) if name == "after_joint" else gap).strip(SEPARATORS):
                raise TaihriError(f"{name} may contain only commas and white space, not {gap!r}")

    @property
    def coordinate_tokens(self) -> int:
        """Number of coordinate tokens: those of the bins, and `<absent>` if the format has it."""
        return BINS + self.absent

    def joint_text(self, joint: str) -> str:
        """Return the name of a joint in this format."""
        forms = {"token": joint_token(joint), "text": f"<{joint}>", "name": joint, "words": joint.replace("_", " ")}
        return forms[self.joint]


def infer_answer_format(tokens: tuple[str, ...]) -> AnswerFormat | None:
    """Infer the answer format from one unconstrained answer.

    Args:
        tokens: Tokens of the answer as text.

    Returns:
        The format, with the most frequent separators of the answer; None if the answer has no joint with two
        coordinates.
    """
    lexemes = _with_colons_in_gaps(lex(tokens))
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
            joint_forms.append(_form(lexeme))
        if previous is not None and (field := _field_of_gap(previous, lexeme)) is not None:
            gaps[field].append(gap)
        gap, previous = "", lexeme
    return AnswerFormat(
        box=any(lexeme.text == BLOCKS["box"][0] for lexeme in lexemes),
        label=_label(lexemes),
        joint=_most_frequent(joint_forms),  # type: ignore[arg-type]
        absent=False,
        **{field: _most_frequent(found) if found else "" for field, found in gaps.items()},
    )


def _with_colons_in_gaps(lexemes: list[Lexeme]) -> list[Lexeme]:
    """Return the lexemes with a colon after a joint as a separator."""
    found: list[Lexeme] = []
    last = LexemeKind.OTHER
    for lexeme in lexemes:
        if lexeme.text == ":" and last is LexemeKind.JOINT:
            lexeme = lexeme._replace(kind=LexemeKind.SEPARATOR)
        if lexeme.kind is not LexemeKind.SEPARATOR or lexeme.text == ":":
            last = lexeme.kind
        found.append(lexeme)
    return found


def _form(joint: Lexeme) -> JointForm:
    if joint.text.startswith("<"):
        return "token" if joint.text.startswith("<|") else "text"
    return "words" if " " in joint.text else "name"


def _label(lexemes: list[Lexeme]) -> str:
    """Return the words of the first label in an answer with a box; empty if a format cannot have them."""
    texts = [lexeme.text for lexeme in lexemes]
    if not all(token in texts for token in (*LABEL, BLOCKS["box"][0])):
        return ""
    words = "".join(texts[texts.index(LABEL[0]) + 1 : texts.index(LABEL[1])]).strip(SEPARATORS)
    return words if _LABEL.fullmatch(words) else ""


def _field_of_gap(left: Lexeme, right: Lexeme) -> str | None:
    """Return the name of the `AnswerFormat` field for the separator between two lexemes, or None if there is none."""
    starts = {start for start, _ in (*BLOCKS.values(), LABEL)}
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
    return Counter(values).most_common(1)[0][0]
