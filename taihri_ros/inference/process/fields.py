"""Fields of a mapping that came from another process, each checked before it is used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import EngineError


class ProtocolError(EngineError):
    """A message breaks the protocol."""


class Fields:
    """A mapping whose values are trusted only after they were checked.

    Every method raises ProtocolError where the field is missing or holds something else than the method's name says.
    """

    def __init__(self, values: object, what: str) -> None:
        """Create the reader.

        Args:
            values: The mapping, of msgpack's types.
            what: What it is, for the errors.

        Raises:
            ProtocolError: It is no mapping with names.
        """
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise ProtocolError(f"{what}: must be a mapping with names")
        self._values: dict[str, Any] = values
        self._what = what

    def text(self, name: str, longest: int) -> str:
        """Give a text of at most `longest` characters."""
        value = self._get(name)
        if not isinstance(value, str) or len(value) > longest:
            raise self._error(name, f"must be a text of at most {longest} characters", value)
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Give one of several texts."""
        value = self._get(name)
        if not isinstance(value, str) or value not in choices:
            raise self._error(name, f"must be one of {', '.join(choices)}", value)
        return value

    def truth(self, name: str) -> bool:
        """Give true or false."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise self._error(name, "must be true or false", value)
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """Give a whole number within [low, high]."""
        value = self._get(name)
        if type(value) is not int or not low <= value <= high:
            raise self._error(name, f"must be a whole number from {low} to {high}", value)
        return value

    @overload
    def number(self, name: str, low: float, high: float) -> float: ...
    @overload
    def number(self, name: str, low: float, high: float, *, optional: Literal[True]) -> float | None: ...

    def number(self, name: str, low: float, high: float, *, optional: bool = False) -> float | None:
        """Give a number within [low, high], or None where that is allowed."""
        value = self._get(name)
        if optional and value is None:
            return None
        if type(value) not in (int, float) or not low <= value <= high:
            raise self._error(name, f"must be a number from {low} to {high}", value)
        return float(value)

    def numbers(self, name: str) -> dict[str, float]:
        """Give finite numbers by name."""
        values = self.mapping(name)
        for key, value in values.items():
            if not isinstance(key, str) or type(value) not in (int, float) or not math.isfinite(value):
                raise self._error(name, "must hold finite numbers by name", value)
        return {key: float(value) for key, value in values.items()}

    @overload
    def mapping(self, name: str) -> dict[str, Any]: ...
    @overload
    def mapping(self, name: str, *, optional: Literal[True]) -> dict[str, Any] | None: ...

    def mapping(self, name: str, *, optional: bool = False) -> dict[str, Any] | None:
        """Give a mapping, or None where that is allowed."""
        value = self._get(name)
        if value is None and optional:
            return None
        if not isinstance(value, dict):
            raise self._error(name, "must be a mapping", value)
        return value

    @overload
    def items(self, name: str, count: int | None = None) -> list[Any]: ...
    @overload
    def items(self, name: str, count: int | None = None, *, optional: Literal[True]) -> list[Any] | None: ...

    def items(self, name: str, count: int | None = None, *, optional: bool = False) -> list[Any] | None:
        """Give a list, of `count` items where that is given, or None where that is allowed."""
        value = self._get(name)
        if value is None and optional:
            return None
        if not isinstance(value, list) or count not in (None, len(value)):
            raise self._error(name, "must be a list" if count is None else f"must be a list of {count}", value)
        return value

    @overload
    def data(self, name: str) -> bytes: ...
    @overload
    def data(self, name: str, *, optional: Literal[True]) -> bytes | None: ...

    def data(self, name: str, *, optional: bool = False) -> bytes | None:
        """Give bytes, or None where that is allowed."""
        value = self._get(name)
        if value is None and optional:
            return None
        if not isinstance(value, bytes):
            raise self._error(name, "must be bytes", value)
        return value

    def array(self, name: str, dtype: str) -> NDArray[Any]:
        """Give the numbers whose bytes the field holds, (n,) of the dtype."""
        value = self.data(name)
        if len(value) % np.dtype(dtype).itemsize:
            raise self._error(name, f"must be the bytes of an array of {dtype}", value)
        return np.frombuffer(value, dtype)

    def _get(self, name: str) -> Any:
        if name not in self._values:
            raise ProtocolError(f"{self._what}: {name} is missing")
        return self._values[name]

    def _error(self, name: str, rule: str, value: object) -> ProtocolError:
        return ProtocolError(f"{self._what}: {name} {rule}, not {repr(value)[:60]}")
