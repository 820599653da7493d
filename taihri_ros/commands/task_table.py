"""What task files say, made into values: tasks with their sentences, spoken names of joints, polite words."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taihri_ros.errors import TaihriError
from taihri_ros.skeleton import INDEX, in_order

SIDES = ("left", "right")
SENTENCE_ENDS = (".", "?", "!")


class TaskError(TaihriError):
    """A task file cannot be used."""


@dataclass(frozen=True)
class Task:
    """Something that the robot is asked to do, and the joints that it needs for it.

    Attributes:
        name: Its name, such as `hand_over_left`.
        joints: Joint names, in the skeleton's order; left and right are the person's own.
        phrasings: Sentences that ask for it and may be trained on. One that does not end with `.`, `?` or `!` is an
            order, which may follow "could you".
        held_out: Sentences to test with, in the same form; never trained on.
        gesture: What the person does meanwhile, such as `hand_held_out`; None for nothing special.
    """

    name: str
    joints: tuple[str, ...]
    phrasings: tuple[str, ...]
    held_out: tuple[str, ...]
    gesture: str | None = None


@dataclass(frozen=True)
class Questions:
    """Sentences about any joints.

    Attributes:
        names: The joints that a spoken name means: one, or all of a group such as "both wrists".
        phrasings, held_out: As those of `Task`, with `{joints}` where names go, and `{is}` for "is" or "are".
    """

    names: Mapping[str, tuple[str, ...]]
    phrasings: tuple[str, ...]
    held_out: tuple[str, ...]


@dataclass(frozen=True)
class Affixes:
    """What may stand around a sentence.

    Attributes:
        openings: May stand before every sentence: "hey robot,".
        requests: May stand before an order: "could you".
        closings: May stand after every sentence: "please".
        manners: May stand after an order: "slowly".
        owners: Whose joints they are: "my", "the person's".
    """

    openings: tuple[str, ...]
    requests: tuple[str, ...]
    closings: tuple[str, ...]
    adverbials: tuple[str, ...]
    possessives: tuple[str, ...]


@dataclass(frozen=True)
class TaskTable:
    """All that task files say."""

    tasks: tuple[Task, ...]
    questions: Questions
    affixes: Affixes


def make_tasks(name: str, entry: Mapping[str, Any], persons: Sequence[Mapping[str, str]], where: str) -> list[Task]:
    """Make the task of an entry under `tasks`; or three, if its joints have sides.

    Args:
        name: Its name.
        entry: Its fields.
        persons: The forms of `{me}` and `{my}`.
        where: The file and the task, for messages.

    Returns:
        The task; or the left one, the right one, and the one for sentences that name no side.

    Raises:
        TaskError: A name is not a joint, or a sentence has an unknown placeholder or lacks `{side}`.
    """
    gesture = entry.get("gesture")
    lists = (entry["phrasings"], entry.get("held_out", []))

    def task(full_name: str, joints: Iterable[str], lines: Iterable[list[str]]) -> Task:
        trained, held_out = (_said(part, persons, where) for part in lines)
        return Task(full_name, in_order(frozenset(known_joints(joints, where))), trained, held_out, gesture)

    if not any("{side}" in joint for joint in entry["joints"]):
        return [task(name, entry["joints"], lists)]
    joints_of = {side: [joint.replace("{side}", side) for joint in entry["joints"]] for side in SIDES}
    sided = [
        task(
            f"{name}_{side}",
            joints_of[side],
            [[line.replace("{side}", side) for line in part if "{side}" in line] for part in lists],
        )
        for side in SIDES
    ]
    if not sided[0].phrasings:
        raise TaskError(f"{where}: its joints have sides, but no phrasing has: write {{side}} before a word of some")
    meant = [entry["unsided"]] if entry.get("unsided") else SIDES
    unsided = [[line.replace("{side} ", "") for line in part] for part in lists]
    return [*sided, task(name, itertools.chain(*(joints_of[side] for side in meant)), unsided)]


def spoken_names(
    names: Mapping[str, list[str]], groups: Mapping[str, list[str]], where: str
) -> dict[str, tuple[str, ...]]:
    """Give the joints that each spoken name means.

    Args:
        names: Spoken names by joint; `{side}` in both stands for left and right.
        groups: Joints by the spoken name of several.
        where: For messages.

    Returns:
        Joints in the skeleton's order, by spoken name.

    Raises:
        TaskError: A name is not a joint.
    """
    meant = {
        spoken.replace("{side}", side): (joint.replace("{side}", side),)
        for joint, said in names.items()
        for spoken in said
        for side in (SIDES if "{side}" in joint else ("",))
    } | {spoken: tuple(joints) for spoken, joints in groups.items()}
    return {
        spoken: in_order(frozenset(known_joints(joints, f"{where}: {spoken!r}"))) for spoken, joints in meant.items()
    }


def known_joints(names: Iterable[str], where: str) -> list[str]:
    """Check joint names.

    Args:
        names: The names.
        where: For messages.

    Returns:
        The same names.

    Raises:
        TaskError: One is not a joint.
    """
    checked = list(names)
    if unknown := [name for name in checked if name not in INDEX]:
        raise TaskError(f"{where}: {unknown[0]!r} is not a joint; the joints are {', '.join(INDEX)}")
    return checked


def _said(lines: Iterable[str], persons: Sequence[Mapping[str, str]], where: str) -> tuple[str, ...]:
    """Say every line of each person, and every sentence that comes of it once."""
    try:
        said = [line.format_map(person) for line, person in itertools.product(lines, persons)]
    except (KeyError, ValueError, IndexError) as error:
        raise TaskError(
            f"{where}: a sentence may hold {{me}} and {{my}}, and {{side}} if its joints do: {error}"
        ) from error
    return tuple(dict.fromkeys(said))
