"""Spoken commands with their right answers, to measure whether the right joints are chosen for real people's words."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import yaml

from taihri_ros.commands.command import Command, CommandError, parse_command

SHIPPED = Path(__file__).with_name("spoken_commands.yaml")
"""60 commands and 20 sentences that ask for nothing; its head says how they were written."""

_IN_PARENTHESES = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True)
class RightAnswer:
    """One of the right answers to a command.

    Attributes:
        joints: Joints that have to be chosen.
        optional: Joints that may be chosen as well.
    """

    joints: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> RightAnswer:
        """Parse an answer: names of joints, with those that are optional in parentheses.

        Args:
            text: The answer.

        Returns:
            The answer.

        Example:
            >>> RightAnswer.parse("neck (left_collar right_collar)").joints
            frozenset({'neck'})
        """
        optional = frozenset(name for group in _IN_PARENTHESES.findall(text) for name in group.split())
        return cls(frozenset(_IN_PARENTHESES.sub(" ", text).split()), optional)

    def completed(self, chosen: Collection[str]) -> frozenset[str]:
        """Return the joints of this answer, with those of the optional ones that were chosen."""
        return self.joints | (self.optional & set(chosen))


@dataclass(frozen=True)
class SpokenCommand:
    """A sentence that somebody says to a robot.

    Attributes:
        command: What the node makes of it.
        answers: The right answers; the empty one for a sentence that asks for nothing.
    """

    command: Command
    answers: tuple[RightAnswer, ...]

    @property
    def asks(self) -> bool:
        """Whether the sentence asks for something."""
        return self.answers != (RightAnswer(),)


@functools.cache
def read_spoken_commands(path: Path = SHIPPED) -> tuple[SpokenCommand, ...]:
    """Read a set of spoken commands.

    Args:
        path: YAML file with `asked`, a list of entries with `say` and `answers`, and `nothing`, a list of sentences.

    Returns:
        The commands that ask for something, then those that do not.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    asked = [(entry["say"], tuple(map(RightAnswer.parse, entry["answers"]))) for entry in content["asked"]]
    nothing = [(sentence, (RightAnswer(),)) for sentence in content["nothing"]]
    return tuple(SpokenCommand(_received(sentence), answers) for sentence, answers in [*asked, *nothing])


def _received(sentence: str) -> Command:
    """Return the command that the node makes of a sentence; one that it refuses or that means `stop` asks for nothing.

    Such a sentence is a negated command here, because neither the model nor the task table chooses joints for it.
    """
    try:
        return parse_command(sentence) or Command(sentence, negation="stop")
    except CommandError as error:
        return Command(sentence, negation=str(error))
