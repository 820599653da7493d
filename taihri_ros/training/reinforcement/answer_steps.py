"""The steps of an answer within its grammar: tokens that the grammar determines, and the decisions between them.

A decision is either a coordinate, among all bins and `<absent>` where the checkpoint has it, or one of several other
tokens: in the answer to a free command the name of the next joint, or the end of the block.
"""

from __future__ import annotations

from dataclasses import dataclass

from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.constrained.automaton import Automaton, State
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Grammar
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.skeleton import INDEX, JOINTS

COLUMNS = {"2d": 0, "3d": 2}
"""First column of the coordinates (u, v, x, y, z) of a block."""

NOT_A_COORDINATE = -1
"""In place of a joint and of a column where the model decides on something else."""


@dataclass(frozen=True)
class Step:
    """A place in an answer where the model decides, or its end.

    Attributes:
        forced: Ids of the tokens that the grammar determines, between the previous decision and this one.
        options: Ids that are allowed here, in ascending order; empty for a coordinate, and at the end of the answer.
        joint: Index of the joint whose coordinate is decided; NOT_A_COORDINATE otherwise.
        column: Which of u, v, x, y, z is decided; NOT_A_COORDINATE otherwise.
        state: State of the automaton.
        name: Ids since the last coordinate or delimiter, which begin a joint name.
        block: First column of the current block.
        coordinate: Joint and column of the last coordinate.
    """

    forced: tuple[int, ...]
    options: tuple[int, ...]
    joint: int
    column: int
    state: State
    name: tuple[int, ...]
    block: int
    coordinate: tuple[int, int]

    @property
    def ended(self) -> bool:
        """Whether the answer ends after the forced tokens."""
        return not self.options and self.joint == NOT_A_COORDINATE


class AnswerSteps:
    """The steps of all answers of a grammar.

    Attributes:
        start: The first step.
    """

    def __init__(self, grammar: Grammar, vocabulary: Vocabulary, answer_format: AnswerFormat) -> None:
        """Compile a grammar.

        Args:
            grammar: The grammar, of an answer without separators.
            vocabulary: Tokens of the checkpoint.
            answer_format: The answer format of the checkpoint.
        """
        self._automaton = Automaton(grammar, vocabulary.ids, vocabulary.coordinates)
        self._names = {vocabulary.ids(answer_format.joint_text(joint)): INDEX[joint] for joint in JOINTS}
        self._starts = {vocabulary.ids(BLOCKS[block][0])[0]: column for block, column in COLUMNS.items()}
        self._ends = {vocabulary.ids(BLOCKS[block][1])[0] for block in COLUMNS}
        self._coordinates = vocabulary.coordinates
        self._after: dict[tuple[State, int], Step] = {}
        self.start = self._follow(self._automaton.start, (), 0, (NOT_A_COORDINATE, NOT_A_COORDINATE))

    def after(self, step: Step, token: int) -> Step:
        """Return the step after a decision.

        Args:
            step: The step where the decision was made.
            token: The id that was decided.

        Returns:
            The next step.
        """
        key = step.state, step.joint if step.joint != NOT_A_COORDINATE else -2 - token
        if key not in self._after:
            state = self._automaton.advance(step.state, token)
            if step.joint != NOT_A_COORDINATE:
                self._after[key] = self._follow(state, (), step.block, (step.joint, step.column))
            else:
                name, block = self._read(token, step.name, step.block)
                self._after[key] = self._follow(state, name, block, step.coordinate)
        return self._after[key]

    def _follow(self, state: State, name: tuple[int, ...], block: int, coordinate: tuple[int, int]) -> Step:
        """Take the tokens that the grammar determines, up to the next decision."""
        forced: list[int] = []
        while True:
            allowed = self._automaton.allowed(state)
            if allowed.coordinates:
                joint, column = (self._names[name], block) if name else (coordinate[0], coordinate[1] + 1)
                return Step(tuple(forced), (), joint, column, state, name, block, coordinate)
            if len(allowed.ids) != 1:
                options = tuple(sorted(allowed.ids))
                return Step(tuple(forced), options, NOT_A_COORDINATE, NOT_A_COORDINATE, state, name, block, coordinate)
            (token,) = allowed.ids
            forced.append(token)
            name, block = self._read(token, name, block)
            state = self._automaton.advance(state, token)

    def _read(self, token: int, name: tuple[int, ...], block: int) -> tuple[tuple[int, ...], int]:
        """Return the beginning of a joint name and the block after a token that is no coordinate."""
        if token in self._starts or token in self._ends:
            return (), self._starts.get(token, block)
        return (*name, token), block
