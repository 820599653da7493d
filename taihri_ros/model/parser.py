"""The strict parser of answers: converts tokens to bins, with an outcome for every joint.

An answer has one of two forms. In blocks, a person is an optional label, any number of boxes, the joints in 2D and the
joints in 3D. In JSON, `{"keypoints": {"left_wrist": "<841><424><697>"}}`, the joints are in 3D only; other text may
stand around it. What is written in any other way is malformed as a whole, such as a joint without coordinates (`null`).
So is a form that was cut off, whose last number may lack digits or its joint's other coordinates: its joints before the
cut are not kept, in blocks or in JSON.

A robot needs one person. Of several, each with a label or a box before the joints or in a list of JSON, the first one
is taken, as in the official code. Of several boxes before the same joints, the one that contains all their pixels is
taken, if there is exactly one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from taihri_ros.errors import TaihriError
from taihri_ros.model.lexer import BLOCKS, END_OF_ANSWER, LABEL, Lexeme, LexemeKind, lex
from taihri_ros.model.quantization import BINS
from taihri_ros.skeleton import in_order


class MalformedAnswerError(TaihriError):
    """An error for an answer with invalid syntax, of which no part can be trusted.

    Attributes:
        raw: The whole answer as text.
    """

    def __init__(self, what: str, raw: str) -> None:
        """Create the error.

        Args:
            what: What is wrong, and at which token, for the error message.
            raw: The whole answer as text.
        """
        super().__init__(f"malformed answer: {what}")
        self.raw = raw


class Outcome(Enum):
    """The outcome of parsing for one joint; the value is the reason in words."""

    ANSWERED = "answered"
    NOT_ANSWERED = "not answered"
    NOT_ASKED = "not requested"
    OUT_OF_RANGE = "a coordinate is out of range"
    DUPLICATE = "answered twice"
    ABSENT = "the model answered that it is not there"
    NO_3D = "answered in 2D only"
    NO_2D = "answered in 3D only"


class CoordinateToken(NamedTuple):
    """One coordinate of an answer.

    Attributes:
        bin: Number of the token; within [0, 999] if the outcome of the joint is `ANSWERED`, `quantization.ABSENT` for
            `<absent>`.
        token: Index of the token in the answer and in the answer's top-k log-probabilities.
        absent: Whether the token is `<absent>`; the text `<1000>` has the same number, but is out of range.
    """

    bin: int
    token: int
    absent: bool = False


class JointAnswer(NamedTuple):
    """The answer for one joint.

    Attributes:
        joint: Joint name.
        outcome: Outcome of parsing.
        pixel: The two coordinates (u, v) of the 2D block; empty unless the outcome is `ANSWERED` or `ABSENT`.
        point: The three coordinates (x, y, z) of the 3D block; empty unless the outcome is `ANSWERED` or `ABSENT`, or
            `NO_2D` because the form of the answer has no 2D block. An absent joint may lack either.
    """

    joint: str
    outcome: Outcome
    pixel: tuple[CoordinateToken, ...] = ()
    point: tuple[CoordinateToken, ...] = ()


@dataclass(frozen=True)
class Answer:
    """A well-formed answer.

    Attributes:
        box: Bounding box of the person as x0, y0, x1, y1; None if it is missing, out of range, or not known among
            several.
        joints: One entry for every joint that was requested or mentioned, in the skeleton's order.
        root: The answer for the root, if it was asked for in addition to the joints of the command (`model/zoom.py`).
    """

    box: tuple[CoordinateToken, ...] | None
    joints: tuple[JointAnswer, ...]
    root: JointAnswer | None = None


def parse(tokens: tuple[str, ...], requested: Collection[str] | None, *, first_token: int = 0) -> Answer:
    """Parse an answer.

    Commas and white space may separate any two tokens, a colon may follow the name of a joint, and joints and numbers
    may consist of one token or of several. Any other deviation from the form makes the whole answer malformed. The
    time is proportional to the length of the answer.

    Args:
        tokens: Tokens of the answer as text, special tokens included, with or without the end token.
        requested: The requested joints; None if the model chose the joints.
        first_token: Index of the first token, if the tokens of several answers have consecutive indices.

    Returns:
        The answer.

    Raises:
        MalformedAnswerError: The answer is truncated or has another format.
    """
    reader = _Reader(tokens, first_token)
    if reader.is_json:
        return Answer(None, _joint_answers(requested, None, reader.json_points()))
    boxes, pixels, points = reader.person()
    while reader.begins_person:
        reader.person()
    reader.finish()
    joints = _joint_answers(requested, pixels, points)
    return Answer(_box_of(boxes, joints), joints)


def merge_answers(answers: Sequence[Answer]) -> Answer:
    """Merge the answers to several prompts about the same person.

    Args:
        answers: The answers, at least one; every joint was requested by one prompt only.

    Returns:
        One answer with all joints, in the skeleton's order, and the first box.
    """
    found: dict[str, JointAnswer] = {}
    for answer in answers:
        for joint in answer.joints:
            if joint.outcome is not Outcome.NOT_ASKED or joint.joint not in found:
                found[joint.joint] = joint
    boxes = [answer.box for answer in answers if answer.box is not None]
    return Answer(boxes[0] if boxes else None, tuple(found[name] for name in in_order(set(found))))


_Box = tuple[CoordinateToken, ...]
_Found = list[tuple[CoordinateToken, ...]]


def _joint_answers(
    requested: Collection[str] | None, pixels: dict[str, _Found] | None, points: dict[str, _Found]
) -> tuple[JointAnswer, ...]:
    """Return the answers for all joints, from the coordinates of each; `pixels` is None if the form has no 2D block."""
    mentioned = set(pixels or ()) | set(points)
    listed = mentioned if requested is None else mentioned | set(requested)
    return tuple(
        _joint_answer(joint, requested, None if pixels is None else pixels.get(joint, []), points.get(joint, []))
        for joint in in_order(listed)
    )


def _joint_answer(joint: str, requested: Collection[str] | None, pixels: _Found | None, points: _Found) -> JointAnswer:
    """Return the answer for one joint, from all its coordinates in both blocks."""
    has_2d, pixels = pixels is not None, pixels or []
    if requested is not None and joint not in requested:
        return JointAnswer(joint, Outcome.NOT_ASKED)
    if not pixels and not points:
        return JointAnswer(joint, Outcome.NOT_ANSWERED)
    if len(pixels) > 1 or len(points) > 1:
        return JointAnswer(joint, Outcome.DUPLICATE)
    pixel, point = (found[0] if found else () for found in (pixels, points))
    if any(coordinate.absent for coordinate in (*pixel, *point)):
        return JointAnswer(joint, Outcome.ABSENT, pixel, point)
    if not points:
        return JointAnswer(joint, Outcome.NO_3D)
    if not pixels and has_2d:
        return JointAnswer(joint, Outcome.NO_2D)
    if not all(_in_range(coordinate) for coordinate in (*pixel, *point)):
        return JointAnswer(joint, Outcome.OUT_OF_RANGE)
    if not pixels:
        return JointAnswer(joint, Outcome.NO_2D, point=point)
    return JointAnswer(joint, Outcome.ANSWERED, pixel, point)


def _in_range(coordinate: CoordinateToken) -> bool:
    return 0 <= coordinate.bin < BINS


def _box_of(boxes: list[_Box], joints: tuple[JointAnswer, ...]) -> _Box | None:
    """Return the box of the person: the only one, or the only one that contains every pixel of the joints."""
    known = [box for box in boxes if all(map(_in_range, box))]
    if len(boxes) > 1:
        pixels = [joint.pixel for joint in joints if joint.outcome is Outcome.ANSWERED]
        known = [box for box in known if pixels and all(_contains(box, pixel) for pixel in pixels)]
    return known[0] if len(known) == 1 else None


def _contains(box: _Box, pixel: tuple[CoordinateToken, ...]) -> bool:
    left, top, right, bottom = (coordinate.bin for coordinate in box)
    return left <= pixel[0].bin <= right and top <= pixel[1].bin <= bottom


class _Reader:
    """A reader of the lexemes of an answer, in their order."""

    def __init__(self, tokens: tuple[str, ...], first_token: int) -> None:
        self._first_token = first_token
        self._raw = "".join(tokens)
        self._lexemes = [lexeme for lexeme in lex(tokens) if lexeme.kind is not LexemeKind.SEPARATOR]
        self._next = 0

    @property
    def is_json(self) -> bool:
        """Whether the answer is in JSON: a brace comes before the first delimiter."""
        either = (one.text for one in self._lexemes if one.text == "{" or one.kind is LexemeKind.DELIMITER)
        return next(either, "") == "{"

    @property
    def begins_person(self) -> bool:
        """Whether a label or a box follows, with which a person begins; joints without either may be a repetition."""
        return self._follows(LABEL[0], BLOCKS["box"][0])

    def person(self) -> tuple[list[_Box], dict[str, _Found], dict[str, _Found]]:
        """Read one person: the boxes, and the coordinates of each joint in 2D and in 3D."""
        boxes: list[_Box] = []
        while self.begins_person:
            if self._accept(LABEL[0]):
                self._label()
            boxes += self._boxes()
        return boxes, self._points("2d", 2), self._points("3d", 3)

    def json_points(self) -> dict[str, _Found]:
        """Read the JSON of the 3D-only task, and the text around it: the first person's coordinates of each joint."""
        self._prose()
        is_list = self._next > 0 and self._lexemes[self._next - 1].text == "["
        found = self._json_person()
        while is_list and not self._accept("]"):
            self._json_person()
        self._prose()
        self.finish()
        return found

    def _json_person(self) -> dict[str, _Found]:
        for text in ("{", '"', "keypoints", '"', ":", "{"):
            self._expect(text)
        found: dict[str, _Found] = {}
        while not self._accept("}"):
            self._expect('"')
            joint = self._joint('a joint or "}"')
            for text in ('"', ":", '"'):
                self._expect(text)
            found.setdefault(joint, []).append(self._coordinates(3, joint))
            self._expect('"')
        self._expect("}")
        return found

    def finish(self) -> None:
        """Read the end tokens."""
        while self._ahead:
            lexeme = self._take("the end")
            if lexeme.text not in END_OF_ANSWER:
                raise self._unexpected(lexeme, "the end")

    def _prose(self) -> None:
        """Skip text around JSON. It may name joints, but coordinates, braces and delimiters belong to an answer."""
        of_answer = (LexemeKind.COORDINATE, LexemeKind.ABSENT, LexemeKind.DELIMITER)
        while (lexeme := self._ahead) and lexeme.kind not in of_answer and lexeme.text not in ("{", "}"):
            self._next += 1

    def _label(self) -> None:
        """Read the words of a label and its end."""
        while not self._accept(LABEL[1]):
            lexeme = self._take(LABEL[1])
            if lexeme.kind not in (LexemeKind.OTHER, LexemeKind.JOINT) or lexeme.text.startswith("<"):
                raise self._unexpected(lexeme, f"words or {LABEL[1]}")

    def _boxes(self) -> list[_Box]:
        """Read a block of one or more boxes."""
        start, end = BLOCKS["box"]
        self._expect(start)
        boxes = [self._coordinates(4, "the box")]
        while (lexeme := self._ahead) and lexeme.kind is LexemeKind.COORDINATE:
            boxes.append(self._coordinates(4, "a box"))
        self._expect(end)
        return boxes

    def _points(self, block: str, count: int) -> dict[str, _Found]:
        start, end = BLOCKS[block]
        found: dict[str, _Found] = {}
        self._expect(start)
        while not self._accept(end):
            joint = self._joint(f"a joint or {end}")
            self._accept(":")
            found.setdefault(joint, []).append(self._coordinates(count, joint))
        return found

    def _joint(self, expected: str) -> str:
        lexeme = self._take(expected)
        if lexeme.kind is not LexemeKind.JOINT:
            raise self._unexpected(lexeme, expected)
        return lexeme.joint

    def _coordinates(self, count: int, owner: str) -> tuple[CoordinateToken, ...]:
        expected = f"{count} coordinates of {owner}"
        coordinates = []
        for _ in range(count):
            lexeme = self._take(expected)
            absent = lexeme.kind is LexemeKind.ABSENT
            if not absent and lexeme.kind is not LexemeKind.COORDINATE:
                raise self._unexpected(lexeme, expected)
            coordinates.append(CoordinateToken(lexeme.number, self._first_token + lexeme.token, absent))
        return tuple(coordinates)

    @property
    def _ahead(self) -> Lexeme | None:
        """The next lexeme; None at the end."""
        return self._lexemes[self._next] if self._next < len(self._lexemes) else None

    def _follows(self, *texts: str) -> bool:
        return self._ahead is not None and self._ahead.text in texts

    def _accept(self, text: str) -> bool:
        if self._follows(text):
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        lexeme = self._take(text)
        if lexeme.text != text:
            raise self._unexpected(lexeme, text)

    def _take(self, expected: str) -> Lexeme:
        if self._next >= len(self._lexemes):
            raise MalformedAnswerError(f"it ends where {expected} should follow", self._raw)
        self._next += 1
        return self._lexemes[self._next - 1]

    def _unexpected(self, lexeme: Lexeme, expected: str) -> MalformedAnswerError:
        if lexeme.text in END_OF_ANSWER:
            return MalformedAnswerError(f"it ends where {expected} should follow", self._raw)
        return MalformedAnswerError(f"{lexeme.text[:40]!r} at token {lexeme.token} instead of {expected}", self._raw)
