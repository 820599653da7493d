"""Metrics of the joints that were chosen for free commands, by the model or by the task table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.commands.tasks import Tasks
from taihri_ros.evaluation.metrics import precision_recall_f1, share_with_interval
from taihri_ros.evaluation.question_plan import Question, spoken_question
from taihri_ros.evaluation.spoken_commands import read_spoken_commands

Choice = tuple[Question, Collection[str]]
"""A free command, and the joints that were chosen for it."""


def selection_metrics(choices: Iterable[Choice]) -> dict[str, Any]:
    """Compute the metrics of the joint selection.

    Args:
        choices: The free commands with the chosen joints; commands whose right joints are unknown are left out.

    Returns:
        `questions`, `precision`, `recall`, `f1`, `exact_share` and `exact_interval` (95 %) in total, `by_phrasing` (see
        `Question`) and `by_task`; precision, recall and F1 are None where no joint is needed.
    """
    judged = [(question, chosen) for question, chosen in choices if question.needed is not None]
    phrasings = dict.fromkeys(question.phrasing for question, _ in judged)
    tasks = sorted({question.task for question, _ in judged if question.task})
    return _group_metrics(judged) | {
        "by_phrasing": {name: _group_metrics([c for c in judged if c[0].phrasing == name]) for name in phrasings},
        "by_task": {name: _group_metrics([c for c in judged if c[0].task == name]) for name in tasks},
    }


def task_table_metrics(tasks: Tasks | None = None) -> dict[str, Any]:
    """Measure the choice of the task table for the spoken commands; it needs neither a model nor an image.

    Args:
        tasks: The task table; by default the one of the package.

    Returns:
        The metrics of `selection_metrics`.
    """
    selection = JointSelection(tasks or Tasks.load())
    commands = read_spoken_commands()
    return selection_metrics(
        (spoken_question(spoken, 0, ""), selection.current(spoken.command).joints) for spoken in commands
    )


def _group_metrics(choices: Sequence[Choice]) -> dict[str, Any]:
    right = [question.right_joints(chosen) for question, chosen in choices]
    chosen_joints = [(str(number), joint) for number, (_, chosen) in enumerate(choices) for joint in chosen]
    right_joints = [(str(number), joint) for number, joints in enumerate(right) for joint in joints]
    exact = sum(set(chosen) == joints for (_, chosen), joints in zip(choices, right, strict=True))
    share = share_with_interval(exact, len(choices))
    scores = precision_recall_f1(chosen_joints, right_joints) if right_joints else _NO_SCORES
    return {"questions": len(choices), **scores, "exact_share": share["share"], "exact_interval": share["interval"]}


_NO_SCORES = {"precision": None, "recall": None, "f1": None}
