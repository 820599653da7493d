"""The strict parser of answers: converts tokens to bins, with an outcome for every joint."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from taihri_ros.errors import TaihriError
from taihri_ros.model.lexer import BLOCKS, END_OF_ANSWER, Lexeme, LexemeKind, lex
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
        point: The three coordinates (x, y, z) of the 3D block; empty unless the outcome is `ANSWERED` or `ABSENT`.
            An absent joint may lack either.
    """

    joint: str
    outcome: Outcome
    pixel: tuple[CoordinateToken, ...] = ()
    point: tuple[CoordinateToken, ...] = ()


@dataclass(frozen=True)
class Answer:
    """A well-formed answer.

    Attributes:
        box: Bounding box of the person as x0, y0, x1, y1; None if it is missing or out of range.
        joints: One entry for every joint that was requested or mentioned, in the skeleton's order.
        root: The answer for the root, if it was asked for in addition to the joints of the command (`model/zoom.py`).
    """

    box: tuple[CoordinateToken, ...] | None
    joints: tuple[JointAnswer, ...]
    root: JointAnswer | None = None


def parse(tokens: tuple[str, ...], requested: Collection[str] | None, *, first_token: int = 0) -> Answer:
    """Parse an answer.

    Commas and white space may separate any two tokens, and joints and numbers may consist of one token or of several.
    Any other deviation from the format makes the whole answer malformed.

    Args:
        tokens: Tokens of the answer as text, special tokens included, with or without the end token.
        requested: The requested joints; None if the model chose the joints.
        first_token: Index of the first token, if the tokens of several answers have consecutive indices.

    Returns:
        The answer.

    Raises:
        MalformedAnswerError: The answer is truncated or has another format.
    """
    reader = _BlockReader(tokens, first_token)
    box = reader.box()
    pixels = reader.points("2d", 2)
    points = reader.points("3d", 3)
    reader.finish()
    mentioned = set(pixels) | set(points)
    listed = mentioned if requested is None else mentioned | set(requested)
    return Answer(
        box=box if box and all(_in_range(coordinate) for coordinate in box) else None,
        joints=tuple(
            _joint_answer(joint, requested, pixels.get(joint, []), points.get(joint, [])) for joint in in_order(listed)
        ),
    )


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


_Found = list[tuple[CoordinateToken, ...]]


def _joint_answer(joint: str, requested: Collection[str] | None, pixels: _Found, points: _Found) -> JointAnswer:
    """Return the answer for one joint, from all its coordinates in both blocks."""
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
    if not pixels:
        return JointAnswer(joint, Outcome.NO_2D)
    if not all(_in_range(coordinate) for coordinate in (*pixel, *point)):
        return JointAnswer(joint, Outcome.OUT_OF_RANGE)
    return JointAnswer(joint, Outcome.ANSWERED, pixel, point)


def _in_range(coordinate: CoordinateToken) -> bool:
    return 0 <= coordinate.bin < BINS


class _BlockReader:
    """A reader of the blocks of an answer, in their order."""

    def __init__(self, tokens: tuple[str, ...], first_token: int) -> None:
        self._first_token = first_token
        self._raw = "".join(tokens)
        self._lexemes = [lexeme for lexeme in lex(tokens) if lexeme.kind is not LexemeKind.SEPARATOR]
        self._next = 0

    def box(self) -> tuple[CoordinateToken, ...] | None:
        start, end = BLOCKS["box"]
        if not self._accept(start):
            return None
        coordinates = self._coordinates(4, "the box")
        self._expect(end)
        return coordinates

    def points(self, block: str, count: int) -> dict[str, _Found]:
        start, end = BLOCKS[block]
        found: dict[str, _Found] = {}
        self._expect(start)
        while not self._accept(end):
            lexeme = self._take(f"a joint or {end}")
            if lexeme.kind is not LexemeKind.JOINT:
                raise self._unexpected(lexeme, f"a joint or {end}")
            found.setdefault(lexeme.joint, []).append(self._coordinates(count, lexeme.joint))
        return found

    def finish(self) -> None:
        while self._next < len(self._lexemes):
            lexeme = self._take("the end")
            if lexeme.text not in END_OF_ANSWER:
                raise self._unexpected(lexeme, "the end")

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

    def _accept(self, text: str) -> bool:
        if self._next < len(self._lexemes) and self._lexemes[self._next].text == text:
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
