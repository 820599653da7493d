"""Checks of values from outside the process: messages, YAML and JSON files, parameters.

Every error is one line that names the wrong value and its place. pydantic is not used because ROS distributions ship
versions 1 and 2 of it, which differ, and its messages have several lines.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from taihri_ros.errors import TaihriError
from taihri_ros.resources import expand_home

_T = TypeVar("_T")

_MISSING = object()
_MAX_FLOAT = sys.float_info.max
_MAX_LISTED = 20
_MAX_NAMED = 6
_MAX_REPR = 60
_TERMS = {
    bool: ("true or false", "true or false"),
    int: ("an integer", "integers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
    bytes: ("bytes", "bytes"),
    Path: ("a path", "paths"),
    list: ("a list", "lists"),
    dict: ("a mapping", "mappings"),
}
"""Words of the error messages for one value and for several values of each type."""


class Fields:
    """The fields of a mapping from another process, each checked when it is read.

    Every method raises `error` if the field is missing or its value is not allowed. A subclass sets `error`.

    >>> Fields({"top_k": 5}, "request").get("top_k", int, limits=(0, 20))
    5
    """

    error: ClassVar[type[TaihriError]] = TaihriError

    def __init__(self, values: object, source: str) -> None:
        """Check that the values are a mapping with strings as keys.

        Args:
            values: The mapping, of the types of msgpack or JSON.
            source: Description of the mapping, for error messages.

        Raises:
            TaihriError: The values are not a mapping with strings as keys.
        """
        if not isinstance(values, dict) or not {*map(type, values)} <= {str}:
            raise self.error(f"{source}: must be a mapping with strings as keys")
        self._values: dict[str, Any] = values
        self._source = source

    def get(
        self, name: str, kind: type[_T], *, limits: tuple[float, float] | None = None, length: int | None = None
    ) -> _T:
        """Return a field of one type.

        Args:
            name: Name of the field.
            kind: bool, int, float, str, bytes, list or dict. An integer is also accepted as a float. True and false are
                not accepted as numbers.
            limits: Lowest and highest number, both allowed.
            length: Exact length of a list, or maximum length of a string.

        Returns:
            The value.
        """
        value: Any = self._values.get(name, _MISSING)
        actual: type = type(value)
        if (
            (actual is not kind and (kind is not float or actual is not int))
            or (limits is not None and not limits[0] <= value <= limits[1])
            or (length is not None and (len(value) > length or (kind is list and len(value) < length)))
        ):
            raise self._error(name, _rule(kind, limits, length), value)
        return float(value) if kind is float else value  # type: ignore[return-value]

    def optional(self, name: str, kind: type[_T], *, limits: tuple[float, float] | None = None) -> _T | None:
        """Return a field of one type, or None where the field is None."""
        return None if self._values.get(name, _MISSING) is None else self.get(name, kind, limits=limits)

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return a field that is one of several strings."""
        value: Any = self._values.get(name, _MISSING)
        if not isinstance(value, str) or value not in choices:
            raise self._error(name, f"must be one of {', '.join(choices)}", value)
        return value

    def numbers(self, name: str) -> dict[str, float]:
        """Return a field that maps names to finite numbers."""
        values = self.get(name, dict)
        for key, value in values.items():
            if not isinstance(key, str) or type(value) not in (int, float) or not abs(value) <= _MAX_FLOAT:
                raise self._error(name, "must be a mapping of names to finite numbers", value)
        return {key: float(value) for key, value in values.items()}

    def _error(self, name: str, rule: str, value: object) -> TaihriError:
        if value is _MISSING:
            return self.error(f"{self._source}: {name} is missing")
        return self.error(_complaint(f"{self._source}: {name}", rule, value))


def check_value(
    value: Any,
    kind: Any,
    source: str,
    error: type[TaihriError] = TaihriError,
    *,
    limits: tuple[float, float] | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """Check a value and convert it to a type.

    Args:
        value: The value, of the types of YAML or JSON.
        kind: bool, int, float, str, Path, Literal, a dataclass, or a tuple, a mapping with string keys or None
            (`| None`) of these. An integer is also accepted as a float. True and false are not accepted as numbers. A
            mapping becomes a dataclass; fields that are missing in the mapping keep their defaults.
        source: Origin of the value, such as a file, for error messages.
        error: Class of the errors to raise.
        limits: Lowest and highest number, both allowed.
        choices: The allowed strings, also of the elements of a tuple; empty for any.

    Returns:
        The converted value.

    Raises:
        TaihriError: The value has another type, is out of the limits or is not among the choices; a key is unknown or
            missing; or a dataclass refuses its values.
    """
    checked = _Reader(source, error).read(value, kind, "")
    if limits is not None and not limits[0] <= checked <= limits[1]:
        raise error(_complaint(source, f"must be between {limits[0]:g} and {limits[1]:g}", checked))
    for each in checked if isinstance(checked, tuple) else (checked,):
        if choices and each not in choices:
            raise error(_complaint(source, f"must be one of {', '.join(choices)}", each))
    return checked


def unknown_name(noun: str, name: object, known: Iterable[str]) -> str:
    """Return the message for an unknown name, with the most similar known name, else with all if they are few."""
    names = list(known)
    if near := difflib.get_close_matches(str(name), names, 1):
        return f"unknown {noun} {name!r}: did you mean {near[0]!r}?"
    return f"unknown {noun} {name!r}" + (f"; known are {', '.join(names)}" if len(names) <= _MAX_LISTED else "")


class _Reader:
    """Converter of values from one source to types. A key is the path of a value, such as `sft.schedule.steps`."""

    def __init__(self, source: str, error: type[TaihriError]) -> None:
        self._source = source
        self._error = error

    def read(self, value: Any, kind: Any, key: str) -> Any:
        origin, inner = get_origin(kind), get_args(kind)
        if kind is Any:
            return value
        if origin in (Union, types.UnionType):
            return None if value is None else self.read(value, inner[0], key)
        if origin is Literal:
            self._check(value in inner, f"must be one of {', '.join(map(str, inner))}", value, key)
            return value
        if origin is tuple:
            return self._tuple(value, inner, key)
        if origin is not None:
            return self._mapping(value, inner[1], key)
        if dataclasses.is_dataclass(kind):
            return self._instance(value, kind, key)
        expected: Any = {float: (int, float), Path: str}.get(kind, kind)
        is_of_kind = isinstance(value, expected) and (kind is bool or not isinstance(value, bool))
        if kind is float and isinstance(value, int):
            is_of_kind &= abs(value) <= _MAX_FLOAT
        hint = ": put it in quotes" if kind is str and isinstance(value, (bool, int, float)) else ""
        self._check(is_of_kind, _rule(kind), value, key, hint)
        return self._path(value, key) if kind is Path else kind(value)

    def _path(self, value: str, key: str) -> Path:
        try:
            return expand_home(value)
        except TaihriError as error:
            raise self._error(f"{self._place(key)}: {error}") from error

    def _instance(self, value: Any, kind: Any, key: str) -> Any:
        hints, required = _layout(kind)
        names = ", ".join(hints) if len(hints) <= _MAX_NAMED else "strings as keys"
        self._check(isinstance(value, Mapping), f"must be a mapping with {names}", value, key)
        prefix = f"{key}." if key else ""
        for name in value:
            if name not in hints:
                raise self._error(f"{self._place(key)}: {unknown_name('entry', name, hints)}")
        if missing := [name for name in required if name not in value]:
            raise self._error(f"{self._place(prefix + missing[0])} is missing")
        read = {name: self.read(entry, hints[name], prefix + name) for name, entry in value.items()}
        try:
            return kind(**read)
        except TaihriError as error:
            raise self._error(f"{self._place(key)}: {error}") from error

    def _tuple(self, value: Any, inner: tuple[Any, ...], key: str) -> tuple[Any, ...]:
        count = "" if inner[-1] is Ellipsis else f"{len(inner)} "
        is_list = isinstance(value, (list, tuple)) and (not count or len(value) == len(inner))
        self._check(is_list, f"must be a list of {count}{_plural(inner[0])}", value, key)
        kinds = inner if count else inner[:1] * len(value)
        pairs = enumerate(zip(value, kinds, strict=True))
        return tuple(self.read(entry, kind, f"{key}[{index}]") for index, (entry, kind) in pairs)

    def _mapping(self, value: Any, kind: Any, key: str) -> dict[str, Any]:
        is_named = isinstance(value, Mapping) and all(isinstance(name, str) for name in value)
        self._check(is_named, "must be a mapping with strings as keys", value, key)
        return {name: self.read(entry, kind, f"{key}.{name}") for name, entry in value.items()}

    def _check(self, fits: bool, rule: str, value: object, key: str, hint: str = "") -> None:
        if not fits:
            raise self._error(_complaint(self._place(key), rule, value) + hint)

    def _place(self, key: str) -> str:
        separator = ": " if key and not key.startswith("[") else ""
        return f"{self._source}{separator}{key}"


@lru_cache
def _layout(kind: Any) -> tuple[dict[str, Any], list[str]]:
    """Return the type of each field of a dataclass, and the names of the fields without a default."""
    hints = get_type_hints(kind)
    fields = dataclasses.fields(kind)
    missing = dataclasses.MISSING
    required = [field.name for field in fields if field.default is missing and field.default_factory is missing]
    return {field.name: hints[field.name] for field in fields}, required


def _plural(kind: Any) -> str:
    return "mappings" if dataclasses.is_dataclass(kind) else _TERMS.get(kind, _TERMS[list])[1]


def _rule(kind: type, limits: tuple[float, float] | None = None, length: int | None = None) -> str:
    rule = f"must be {_TERMS[kind][0]}"
    if limits is not None:
        return f"{rule} from {limits[0]:.12g} to {limits[1]:.12g}"
    if length is not None:
        return f"{rule} of at most {length} characters" if kind is str else f"{rule} of {length} items"
    return rule


def _complaint(place: str, rule: str, value: object) -> str:
    return f"{place} {rule}, not {repr(value)[:_MAX_REPR]}"
