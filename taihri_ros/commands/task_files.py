"""Task files: YAML that says what can be asked of the robot, and the joints that it needs (see docs/commands.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from taihri_ros.commands.task_table import SIDES, Affixes, Questions, TaskError, TaskTable, make_tasks, spoken_names

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML has it: ten times faster."""

_SECTIONS = ("persons", "prefixes", "suffixes", "tasks", "questions")
_PLACES = ("any", "order")
_TASK_FIELDS = ("joints", "unsided", "gesture", "phrasings", "held_out")
_QUESTION_FIELDS = ("names", "groups", "phrasings", "held_out")


def read_task_files(files: Iterable[Path]) -> TaskTable:
    """Read task files, later ones over earlier ones.

    Args:
        files: YAML files; the first one has every section.

    Returns:
        What they say together. Sentences and names are added to those of earlier files; the joints, gesture and
        side of a task replace the earlier ones, and a task that is null is left out.

    Raises:
        TaskError: A file is not readable or not in the layout.
    """
    merged: dict[str, Any] = {}
    said_in: dict[str, Path] = {}
    for file in files:
        content = _read(file)
        said_in |= dict.fromkeys(content.get("tasks", {}), file)
        merged = _merge(merged, content)
    persons, prefixes, suffixes, questions = (merged[key] for key in ("persons", "prefixes", "suffixes", "questions"))
    tasks = []
    for name, entry in merged["tasks"].items():
        where = f"{said_in[name]}: task {name}"
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
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"task file {file} is not readable: {error}") from error
    except yaml.YAMLError as error:
        raise TaskError(f"task file {file} is not YAML: {' '.join(str(error).split())}") from error
    for section, entry in _mapping(content, f"task file {file}", _SECTIONS).items():
        where = f"{file}: {section}"
        if section == "persons":
            _check_persons(entry, where)
        elif section == "tasks":
            for name, fields in _mapping(entry, where).items():
                if fields is not None:
                    _check_task(fields, f"{file}: task {name}")
        elif section == "questions":
            _check_questions(entry, where)
        else:
            _check_lists(_mapping(entry, where, _PLACES), where)
    return dict(content)


def _mapping(value: Any, where: str, keys: tuple[str, ...] = ()) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        wanted = f"have the fields {', '.join(keys)}" if keys else "hold names, each with what it stands for"
        raise TaskError(f"{where} must {wanted}; it is {str(value)[:40]!r}")
    if unknown := [key for key in value if keys and key not in keys]:
        raise TaskError(f"{where} has the unknown field {unknown[0]!r}: it may have {', '.join(keys)}")
    return value


def _check_texts(entry: Any, where: str) -> None:
    if not isinstance(entry, list) or not all(isinstance(text, str) and text.strip() for text in entry):
        raise TaskError(f"{where} must be a list of texts; put a text that YAML misreads in quotes")


def _check_lists(entry: Mapping[str, Any], where: str) -> None:
    for key, texts in entry.items():
        _check_texts(texts, f"{where}: {key}")


def _check_persons(entry: Any, where: str) -> None:
    if not isinstance(entry, list):
        raise TaskError(f"{where} must be a list of pairs such as {{me: her, my: her}}")
    for person in entry:
        if not isinstance(person, Mapping) or sorted(person) != ["me", "my"]:
            raise TaskError(f"{where}: {person!r} must be a pair such as {{me: her, my: her}}")
        _check_texts(list(person.values()), where)


def _check_questions(entry: Any, where: str) -> None:
    for field, value in _mapping(entry, where, _QUESTION_FIELDS).items():
        if field in ("names", "groups"):
            _check_lists(_mapping(value, f"{where}: {field}"), f"{where}: {field}")
            continue
        _check_texts(value, f"{where}: {field}")
        if lacking := [text for text in value if "{joints}" not in text]:
            raise TaskError(f"{where}: {lacking[0]!r} must hold {{joints}}, where the names go")


def _check_task(fields: Any, where: str) -> None:
    for field, value in _mapping(fields, where, _TASK_FIELDS).items():
        if field == "unsided" and value not in (None, *SIDES):
            raise TaskError(f"{where}: unsided must be left or right, or be left out for both sides; not {value!r}")
        if field == "gesture" and not isinstance(value, (str, type(None))):
            raise TaskError(f"{where}: gesture must be a text, not {value!r}")
        if field in ("joints", "phrasings", "held_out"):
            _check_texts(value, f"{where}: {field}")


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings by key; lists of texts are added to, joints and single values replaced, null takes a key out."""
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
