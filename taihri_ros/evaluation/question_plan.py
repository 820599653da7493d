"""What is asked about an image: named joints, in one request or by part, and free commands."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from taihri_ros.commands.command import Command, CommandError, joint_command, parse_command
from taihri_ros.commands.tasks import Tasks
from taihri_ros.evaluation.datasets.items import DataError, Truth
from taihri_ros.skeleton import JOINTS, PARTS

Phrasings = Literal["none", "held-out", "all"]
"""Which sentences of the task table are said: none, one that training has not seen, or one of these and one it has."""

QUESTION = "question"
"""Stands for the task of a sentence that asks where certain joints are."""

_STAND_ALONE = ("in-image", "all", "none")


@dataclass(frozen=True)
class Question:
    """One command for one image.

    Attributes:
        index: The image's number in its data set.
        source: The image's name.
        command: What is asked.
        part: The part set that the command names; empty for others.
        task: The task that a sentence of the task table asks for; empty for other commands.
        held_out: The sentence is one that training has not seen.
        needed: The joints that the answer to a free command should have; None where that is not known.
    """

    index: int
    source: str
    command: Command
    part: str = ""
    task: str = ""
    held_out: bool = False
    needed: tuple[str, ...] | None = None

    @property
    def key(self) -> tuple[int, str]:
        """Tells it from the other questions of a run."""
        return self.index, self.command.text

    @property
    def is_free(self) -> bool:
        """Whether the model chooses the joints."""
        return not self.command.joints


@dataclass(frozen=True)
class Plan:
    """What to ask about every image.

    Attributes:
        joints: As `parse_joints` gives it.
        phrasings: Which sentences of the task table to say.
    """

    joints: tuple[str, ...] = ("in-image",)
    phrasings: Phrasings = "none"


def parse_joints(text: str) -> tuple[str, ...]:
    """Read which joints to ask for.

    Args:
        text: `in-image`, `all` or `none`, or names of part sets with commas between them.

    Returns:
        Those names.

    Raises:
        CommandError: A name is unknown.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if len(names) == 1 and names[0] in _STAND_ALONE:
        return names
    if unknown := [name for name in names if name not in PARTS]:
        raise CommandError(
            f"joints can be {', '.join(_STAND_ALONE)}, or part sets ({', '.join(PARTS)}), not {unknown[0]!r}"
        )
    return names


def questions(truth: Truth, index: int, plan: Plan, tasks: Tasks | None = None) -> Iterator[Question]:
    """Choose what to ask about an image; the same index gets the same questions.

    Args:
        truth: Its labels; only labelled joints are asked for.
        index: Its number in the data set.
        plan: What to ask. A part set is one question about its joints that are in the image.
        tasks: The task table, needed where the plan has phrasings.

    Yields:
        The questions.

    Raises:
        DataError: The image's own command cannot be put to the model.
    """
    for name in plan.joints:
        members = PARTS.get(name, () if name == "none" else JOINTS)
        choice = truth.labelled if name == "all" else truth.in_image
        if asked := [joint for joint, known in zip(JOINTS, choice, strict=True) if known and joint in members]:
            yield Question(index, truth.source, joint_command(asked), part=name if name in PARTS else "")
    if truth.command:
        try:
            own = parse_command(truth.command)
        except CommandError as error:
            raise DataError(f"{truth.source}: {error}") from error
        if own is None:
            raise DataError(f"{truth.source}: its command is 'stop', which finds nothing")
        yield Question(index, truth.source, own, needed=own.joints or truth.command_joints)
    if tasks is not None and plan.phrasings != "none":
        yield _said(truth, index, tasks, held_out=True)
        if plan.phrasings == "all":
            yield _said(truth, index, tasks, held_out=False)


def _said(truth: Truth, index: int, tasks: Tasks, *, held_out: bool) -> Question:
    """Say one sentence of the task table: the tasks, and questions about joints, take turns."""
    rng = random.Random(f"{index} {held_out}")
    turn = index % (len(tasks.tasks) + 1)
    while True:
        if turn < len(tasks.tasks):
            task = tasks.tasks[turn]
            name, text, joints = task.name, tasks.sample_phrasing(rng, task, held_out=held_out), task.joints
        else:
            name, (text, joints) = QUESTION, tasks.sample_question(rng, held_out=held_out)
        command = parse_command(text)
        if command is not None and not command.joints:
            return Question(index, truth.source, command, task=name, held_out=held_out, needed=tuple(joints))


def needed_joints(question: Question) -> Collection[str]:
    """Give the joints that the answer should have: those that were named, or those that the free command needs."""
    return question.command.joints or question.needed or ()
