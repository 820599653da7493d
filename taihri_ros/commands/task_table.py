"""The contents of task files: tasks with their sentences, spoken names of joints, and polite words."""

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
    """An error for a task file that cannot be used."""


@dataclass(frozen=True)
class Task:
    """A task of the robot, with the joints that it needs and sentences that ask for it.

    Attributes:
        name: Name of the task, such as `hand_over_left`.
        joints: Joint names, in the skeleton's order; left and right are those of the person.
        phrasings: Sentences that ask for the task, for training. A sentence without `.`, `?` or `!` at its end is an
            order, which may follow "could you".
        held_out: Sentences for testing, in the same form; never used in training.
        gesture: The person's gesture during the task, such as `hand_held_out`; None for no particular one.
    """

    name: str
    joints: tuple[str, ...]
    phrasings: tuple[str, ...]
    held_out: tuple[str, ...]
    gesture: str | None = None


@dataclass(frozen=True)
class Questions:
    """Questions about named joints.

    Attributes:
        names: Joints by spoken name: one joint, or several for a group such as "both wrists".
        phrasings, held_out: Sentences as in `Task`, with `{joints}` in place of the names and `{is}` for "is" or "are".
    """

    names: Mapping[str, tuple[str, ...]]
    phrasings: tuple[str, ...]
    held_out: tuple[str, ...]


@dataclass(frozen=True)
class Affixes:
    """Polite words around a sentence, and the words before the name of a joint.

    Attributes:
        openings: Words before any sentence, such as "hey robot,".
        requests: Words before an order, such as "could you".
        closings: Words after any sentence, such as "please".
        adverbials: Words after an order, such as "slowly".
        possessives: Words before the name of a joint, such as "my" or "the person's".
    """

    openings: tuple[str, ...]
    requests: tuple[str, ...]
    closings: tuple[str, ...]
    adverbials: tuple[str, ...]
    possessives: tuple[str, ...]


@dataclass(frozen=True)
class TaskTable:
    """The contents of one or more task files."""

    tasks: tuple[Task, ...]
    questions: Questions
    affixes: Affixes


def make_tasks(name: str, entry: Mapping[str, Any], persons: Sequence[Mapping[str, str]], where: str) -> list[Task]:
    """Create the task of an entry under `tasks`, or three tasks if its joints have sides.

    Args:
        name: Name of the entry.
        entry: Fields of the entry.
        persons: The forms of `{me}` and `{my}`.
        where: The file and the task, for error messages.

    Returns:
        The task, or three: for the left side, for the right side, and for sentences without a side.

    Raises:
        TaskError: A name is not a joint, a sentence has an unknown placeholder, or the joints contain `{side}` but no
            sentence does.
    """
    gesture = entry.get("gesture")
    lists = (entry["phrasings"], entry.get("held_out", []))

    def task(full_name: str, joints: Iterable[str], lines: Iterable[list[str]]) -> Task:
        trained, held_out = (_fill_in_persons(part, persons, where) for part in lines)
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
        raise TaskError(f"{where}: its joints contain {{side}}, but no phrasing does: add {{side}} to at least one")
    default_sides = [entry["unsided"]] if entry.get("unsided") else SIDES
    unsided = [[line.replace("{side} ", "") for line in part] for part in lists]
    return [*sided, task(name, itertools.chain(*(joints_of[side] for side in default_sides)), unsided)]


def spoken_names(
    names: Mapping[str, list[str]], groups: Mapping[str, list[str]], where: str
) -> dict[str, tuple[str, ...]]:
    """Return the joints of each spoken name.

    Args:
        names: Spoken names by joint; `{side}` in a joint and its spoken names is replaced by left and by right.
        groups: Joints by the spoken name of a group.
        where: The place in the file, for error messages.

    Returns:
        Joints in the skeleton's order, by spoken name.

    Raises:
        TaskError: A name is not a joint.
    """
    joints_of = {
        spoken.replace("{side}", side): (joint.replace("{side}", side),)
        for joint, spoken_of_joint in names.items()
        for spoken in spoken_of_joint
        for side in (SIDES if "{side}" in joint else ("",))
    } | {spoken: tuple(joints) for spoken, joints in groups.items()}
    return {
        spoken: in_order(frozenset(known_joints(joints, f"{where}: {spoken!r}")))
        for spoken, joints in joints_of.items()
    }


def known_joints(names: Iterable[str], where: str) -> list[str]:
    """Check joint names and return them.

    Args:
        names: The names.
        where: The place in the file, for error messages.

    Returns:
        The same names.

    Raises:
        TaskError: A name is not a joint.
    """
    checked = list(names)
    if unknown := [name for name in checked if name not in INDEX]:
        raise TaskError(f"{where}: {unknown[0]!r} is not a joint; the joints are {', '.join(INDEX)}")
    return checked


def _fill_in_persons(lines: Iterable[str], persons: Sequence[Mapping[str, str]], where: str) -> tuple[str, ...]:
    """Return every line for every person, without duplicates."""
    try:
        sentences = [line.format_map(person) for line, person in itertools.product(lines, persons)]
    except (KeyError, ValueError, IndexError) as error:
        raise TaskError(
            f"{where}: a sentence may contain {{me}} and {{my}}, and {{side}} if the joints contain it, not {error}"
        ) from error
    return tuple(dict.fromkeys(sentences))
