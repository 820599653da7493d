"""Reader of task files: YAML files with the tasks of the robot, their sentences and joints (see docs/commands.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from taihri_ros.commands.task_table import Affixes, Questions, TaskError, TaskTable, make_tasks, spoken_names
from taihri_ros.resources import read_file
from taihri_ros.validation import check_value

_MOST_BYTES = 10_000_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader of libyaml if PyYAML has it, which is ten times faster."""

_Strings = tuple[str, ...]


@dataclass(frozen=True)
class _Person:
    me: str
    my: str


@dataclass(frozen=True)
class _Affixes:
    any: _Strings = ()
    order: _Strings = ()


@dataclass(frozen=True)
class _TaskEntry:
    joints: _Strings = ()
    unsided: Literal["left", "right"] | None = None
    gesture: str | None = None
    phrasings: _Strings = ()
    held_out: _Strings = ()


@dataclass(frozen=True)
class _QuestionEntry:
    names: Mapping[str, _Strings] = field(default_factory=dict)
    groups: Mapping[str, _Strings] = field(default_factory=dict)
    phrasings: _Strings = ()
    held_out: _Strings = ()


@dataclass(frozen=True)
class _TaskFile:
    """The layout of a task file, used to check each file."""

    persons: tuple[_Person, ...] = ()
    prefixes: _Affixes = field(default_factory=_Affixes)
    suffixes: _Affixes = field(default_factory=_Affixes)
    tasks: Mapping[str, _TaskEntry | None] = field(default_factory=dict)
    questions: _QuestionEntry = field(default_factory=_QuestionEntry)


def read_task_files(files: Iterable[Path]) -> TaskTable:
    """Read and merge task files; later files take precedence.

    Args:
        files: YAML files; the first one has every section.

    Returns:
        The merged contents. Sentences and names are added to those of earlier files. The joints, gesture and side of a
        task replace the earlier ones, and a task with the value null is removed.

    Raises:
        TaskError: A file is not readable or has the wrong layout.
    """
    merged: dict[str, Any] = {}
    file_of: dict[str, Path] = {}
    for file in files:
        content = _read(file)
        file_of |= dict.fromkeys(content.get("tasks", {}), file)
        merged = _merge(merged, content)
    persons, prefixes, suffixes, questions = (merged[key] for key in ("persons", "prefixes", "suffixes", "questions"))
    tasks = []
    for name, entry in merged["tasks"].items():
        where = f"{file_of[name]}: task {name}"
        if missing := [field for field in ("joints", "phrasings") if not entry.get(field)]:
            raise TaskError(f"{where} lacks {missing[0]}: list at least one")
        tasks += make_tasks(name, entry, persons, where)
    return TaskTable(
        tasks=tuple(tasks),
        questions=Questions(
            spoken_names(questions["names"], questions["groups"], "questions"),
            tuple(questions["phrasings"]),
            tuple(questions["held_out"]),
        ),
        affixes=Affixes(
            openings=tuple(prefixes["any"]),
            requests=tuple(prefixes["order"]),
            closings=tuple(suffixes["any"]),
            adverbials=tuple(suffixes["order"]),
            possessives=tuple(person["my"] for person in persons),
        ),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.load(read_file(file, _MOST_BYTES).decode(), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TaskError(f"task file {file} is not readable: {reason}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TaskError(f"task file {file} is not YAML: {' '.join(str(error).split())}") from error
    source = f"task file {file}"
    entries: _TaskFile = check_value(content, _TaskFile, source, TaskError)
    _check_not_blank(content, f"{source}: ")
    if lacking := [text for text in entries.questions.phrasings if "{joints}" not in text]:
        raise TaskError(f"{source}: questions: {lacking[0]!r} must contain {{joints}} in place of the names")
    return dict(content)


def _check_not_blank(content: Any, place: str) -> None:
    for key, entry in content.items() if isinstance(content, Mapping) else enumerate(content):
        if isinstance(entry, str) and not entry.strip():
            raise TaskError(f"{place}{key} is an empty string: remove it, or write a sentence or a name")
        if isinstance(entry, (Mapping, list)):
            _check_not_blank(entry, f"{place}{key}.")


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings by key: lists are extended, joints and single values replaced, and null removes a key."""
    merged = dict(base)
    for key, value in over.items():
        before = merged.pop(key, None)
        if isinstance(value, Mapping):
            merged[key] = _merge(before or {}, value)
        elif isinstance(value, list) and key != "joints":
            merged[key] = [*(before or []), *value]
        elif value is not None:
            merged[key] = value
    return merged
