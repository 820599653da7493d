"""Task files: what can be asked of the robot, how it is said, and the joints that it needs (see docs/commands.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from taihri_ros.errors import TaihriError
from taihri_ros.skeleton import INDEX, in_order

SIDES = ("left", "right")
SENTENCE_ENDS = (".", "?", "!")

_SECTIONS = ("persons", "prefixes", "suffixes", "tasks", "questions")
_TASK_FIELDS = ("joints", "unsided", "gesture", "phrasings", "held_out")
_LISTS_REPLACED = ("joints", "groups")


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
class Wrapping:
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
    manners: tuple[str, ...]
    owners: tuple[str, ...]


@dataclass(frozen=True)
class TaskTable:
    """All that task files say."""

    tasks: tuple[Task, ...]
    questions: Questions
    wrapping: Wrapping


def read_task_files(files: Iterable[Path]) -> TaskTable:
    """Read task files, later ones over earlier ones.

    Args:
        files: YAML files.

    Returns:
        What they say together: a mapping is merged by key, a list of sentences is added to, `joints` and any single
        value is replaced, and what is set to null is left out.

    Raises:
        TaskError: A file is not readable or not in the layout.
    """
    merged: dict[str, Any] = {}
    said_in: dict[str, Path] = {}
    for file in files:
        content = _read(file)
        said_in |= dict.fromkeys(content.get("tasks") or {}, file)
        merged = _merge(merged, content)
    try:
        persons = merged["persons"]
        questions = merged["questions"]
        return TaskTable(
            tasks=tuple(
                task
                for name, entry in merged["tasks"].items()
                for task in _tasks(name, entry, persons, f"{said_in[name]}: task {name}")
            ),
            questions=Questions(_spoken_names(questions), tuple(questions["phrasings"]), tuple(questions["held_out"])),
            wrapping=Wrapping(
                openings=tuple(merged["prefixes"]["any"]),
                requests=tuple(merged["prefixes"]["order"]),
                closings=tuple(merged["suffixes"]["any"]),
                manners=tuple(merged["suffixes"]["order"]),
                owners=tuple(person["my"] for person in persons),
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise TaskError(f"the task files lack {error}, or have something else there: see docs/commands.md") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"task file {file} is not readable: {error}") from error
    except yaml.YAMLError as error:
        raise TaskError(f"task file {file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or (unknown := sorted(set(content) - set(_SECTIONS))):
        found = repr(unknown[0]) if isinstance(content, dict) else "no section"
        raise TaskError(f"task file {file} has {found} where one of {', '.join(_SECTIONS)} should stand")
    return content


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and key not in _LISTS_REPLACED:
            merged[key] = _merge(merged.get(key) or {}, value)
        elif isinstance(value, Mapping):
            merged[key] = (merged.get(key) or {}) | value
        elif isinstance(value, list) and key not in _LISTS_REPLACED:
            merged[key] = [*(merged.get(key) or []), *value]
        else:
            merged[key] = value
    return merged


def _tasks(name: str, entry: Any, persons: list[Mapping[str, str]], where: str) -> list[Task]:
    """Make the task of an entry; or three, if its joints have sides."""
    _check_entry(entry, where)
    trained, held_out = entry["phrasings"], entry.get("held_out", [])
    gesture = entry.get("gesture")

    def task(full_name: str, joints: list[str], trained: list[str], held_out: list[str]) -> Task:
        if unknown := [joint for joint in joints if joint not in INDEX]:
            raise TaskError(f"{where}: {unknown[0]!r} is not a joint; the joints are {', '.join(INDEX)}")
        said = (_said(sentences, persons, where) for sentences in (trained, held_out))
        return Task(full_name, in_order(frozenset(joints)), *said, gesture=gesture)

    if not any("{side}" in joint for joint in entry["joints"]):
        return [task(name, entry["joints"], trained, held_out)]
    joints_of = {side: [joint.replace("{side}", side) for joint in entry["joints"]] for side in SIDES}
    meant = entry.get("unsided")
    sided = [
        task(
            f"{name}_{side}",
            joints_of[side],
            [line.replace("{side}", side) for line in trained if "{side}" in line],
            [line.replace("{side}", side) for line in held_out if "{side}" in line],
        )
        for side in SIDES
    ]
    unsided = [[line.replace("{side} ", "") for line in lines] for lines in (trained, held_out)]
    return [*sided, task(name, joints_of[meant] if meant else [*joints_of["left"], *joints_of["right"]], *unsided)]


def _check_entry(entry: Any, where: str) -> None:
    if not isinstance(entry, Mapping):
        raise TaskError(f"{where} must have the fields joints and phrasings, not {entry!r}")
    if unknown := sorted(set(entry) - set(_TASK_FIELDS)):
        raise TaskError(f"{where} has the unknown field {unknown[0]!r}; a task has {', '.join(_TASK_FIELDS)}")
    for field in ("joints", "phrasings"):
        if not entry.get(field):
            raise TaskError(f"{where} lacks {field}: list at least one")
    for field in ("joints", "phrasings", "held_out"):
        texts = entry.get(field, [])
        if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
            raise TaskError(f"{where}: {field} must be a list of texts; put a text that YAML misreads in quotes")
    if entry.get("unsided") not in (None, *SIDES):
        raise TaskError(f"{where}: unsided must be left or right, or be left out for both; not {entry['unsided']!r}")


def _said(lines: Iterable[str], persons: list[Mapping[str, str]], where: str) -> tuple[str, ...]:
    """Say every line of each person, and every sentence that comes of it once."""
    try:
        said = [line.format_map(person) for line, person in itertools.product(lines, persons)]
    except (KeyError, ValueError, IndexError) as error:
        raise TaskError(f"{where}: a phrasing may hold {{me}}, {{my}} and {{side}} only, not {error}") from error
    return tuple(dict.fromkeys(said))


def _spoken_names(questions: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    names = {
        spoken.replace("{side}", side): (joint.replace("{side}", side),)
        for joint, spoken_names in questions["names"].items()
        for spoken in spoken_names
        for side in (SIDES if "{side}" in joint else ("",))
    }
    names |= {spoken: in_order(frozenset(joints)) for spoken, joints in questions["groups"].items()}
    for spoken, joints in names.items():
        if unknown := [joint for joint in joints if joint not in INDEX]:
            raise TaskError(f"the task files let {spoken!r} mean {unknown[0]!r}, which is not a joint")
    return names
