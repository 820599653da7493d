"""The questions about an image: named joints, all together or by part set, and free commands."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from taihri_ros.commands.command import Command, CommandError, joint_command, parse_command, refuse_stop
from taihri_ros.commands.tasks import Tasks
from taihri_ros.evaluation.datasets.items import DataError, Truth
from taihri_ros.evaluation.spoken_commands import RightAnswer, SpokenCommand, read_spoken_commands
from taihri_ros.skeleton import JOINTS, PARTS, in_order

Phrasings = Literal["none", "held-out", "all", "spoken"]
"""Sentences for each image: none, a held-out one of the task table, a held-out one and one of the training data, or one
of the spoken commands."""

QUESTION = "question"
"""Task name of sentences that request the position of joints without a task."""

_GENERAL = ("in-image", "all", "none")


@dataclass(frozen=True)
class Question:
    """One command for one image.

    Attributes:
        index: Number of the image in its data set.
        source: Name of the image.
        command: The command.
        part: Part set that the command names; empty for other commands.
        task: Task of a sentence from the task table; empty for other commands.
        phrasing: Where a free command comes from: `held_out` or `trained` of the task table, `spoken` or
            `asking_for_nothing` (which asks for nothing), or `of_the_data`.
        needed: Joints that a correct answer to a free command contains; None if unknown.
        answers: All right answers, where there are several; `needed` is the first of them.
    """

    index: int
    source: str
    command: Command
    part: str = ""
    task: str = ""
    phrasing: str = "of_the_data"
    needed: tuple[str, ...] | None = None
    answers: tuple[RightAnswer, ...] = ()

    @property
    def key(self) -> tuple[int, str]:
        """The unique key of the question in a run."""
        return self.index, self.command.text

    @property
    def is_free(self) -> bool:
        """Whether the model selects the joints."""
        return not self.command.joints

    def right_joints(self, chosen: Collection[str]) -> frozenset[str]:
        """Return the right answer that differs least from the joints that were chosen for a free command.

        Args:
            chosen: The chosen joints.

        Returns:
            The joints of that answer.
        """
        answers = self.answers or (RightAnswer(frozenset(self.needed or ())),)
        completed = [answer.completed(chosen) for answer in answers]
        return min(completed, key=lambda joints: len(joints.symmetric_difference(chosen)))


@dataclass(frozen=True)
class Plan:
    """The questions for every image.

    Attributes:
        joints: Joints to request by name, from `parse_joints`; and `task`, the joints that the held-out sentence
            needs, and `every`, all joints of the skeleton, whether they are labelled or not.
        phrasings: Free commands.
    """

    joints: tuple[str, ...] = ("in-image",)
    phrasings: Phrasings = "none"


def parse_joints(text: str) -> tuple[str, ...]:
    """Parse the joints to request.

    Args:
        text: `in-image`, `all`, `none`, or comma-separated names of part sets.

    Returns:
        The names.

    Raises:
        CommandError: A name is unknown.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if len(names) == 1 and names[0] in _GENERAL:
        return names
    if unknown := [name for name in names if name not in PARTS]:
        raise CommandError(
            f"joints can be {', '.join(_GENERAL)}, or part sets ({', '.join(PARTS)}), not {unknown[0]!r}"
        )
    return names


def questions(truth: Truth, index: int, plan: Plan, tasks: Tasks | None = None) -> Iterator[Question]:
    """Generate the questions about an image; they are the same in every run.

    Args:
        truth: Labels of the image; only labelled joints are requested.
        index: Number of the image in the data set.
        plan: The questions. A part set is one question for its joints that are in the image.
        tasks: The task table; required if the plan has sentences of it or requests the joints of a task.

    Yields:
        The questions.

    Raises:
        DataError: The command of the image is invalid.
    """
    for name in plan.joints:
        yield from _named_questions(name, truth, index, tasks)
    if truth.command:
        yield _own_question(truth, index)
    if plan.phrasings == "spoken":
        commands = read_spoken_commands()
        yield spoken_question(commands[index % len(commands)], index, truth.source)
    elif tasks is not None and plan.phrasings != "none":
        yield _sample_sentence(truth, index, tasks, held_out=True)
        if plan.phrasings == "all":
            yield _sample_sentence(truth, index, tasks, held_out=False)


def _named_questions(name: str, truth: Truth, index: int, tasks: Tasks | None) -> Iterator[Question]:
    """Generate the question for one name of `Plan.joints`; none if no joint of it can be requested."""
    if name == "every":
        yield Question(index, truth.source, joint_command(JOINTS))
    elif name == "task" and tasks is not None:
        sentence = _sample_sentence(truth, index, tasks, held_out=True)
        yield Question(index, truth.source, joint_command(sentence.needed or ()), task=sentence.task)
    else:
        members = PARTS.get(name, () if name == "none" else JOINTS)
        available = truth.labelled if name == "all" else truth.in_image
        if requested := [joint for joint, known in zip(JOINTS, available, strict=True) if known and joint in members]:
            yield Question(index, truth.source, joint_command(requested), part=name if name in PARTS else "")


def _own_question(truth: Truth, index: int) -> Question:
    """Return the question with the command that the labels of an image have."""
    try:
        command = refuse_stop(parse_command(truth.command))
    except CommandError as error:
        raise DataError(f"{truth.source}: {error}") from error
    return Question(index, truth.source, command, needed=command.joints or truth.command_joints)


def spoken_question(spoken: SpokenCommand, index: int, source: str) -> Question:
    """Return the question of a spoken command.

    Args:
        spoken: The command with its right answers.
        index: Number of the image in the data set.
        source: Name of the image.

    Returns:
        The question.
    """
    phrasing, needed = "spoken" if spoken.asks else "asking_for_nothing", in_order(spoken.answers[0].joints)
    return Question(index, source, spoken.command, phrasing=phrasing, needed=needed, answers=spoken.answers)


def _sample_sentence(truth: Truth, index: int, tasks: Tasks, *, held_out: bool) -> Question:
    """Sample a sentence of the task table, cycling through the tasks and the questions about joints."""
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
            phrasing = "held_out" if held_out else "trained"
            return Question(index, truth.source, command, task=name, phrasing=phrasing, needed=tuple(joints))


def needed_joints(question: Question) -> Collection[str]:
    """Return the joints of a correct answer: the named ones, or those that the free command needs."""
    return question.command.joints or question.needed or ()
