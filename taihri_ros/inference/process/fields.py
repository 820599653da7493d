"""The fields of a message: every value from the other process is checked before it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros import validation
from taihri_ros.inference.engine import EngineError


class ProtocolError(EngineError):
    """A message that breaks the protocol."""


class Fields(validation.Fields):
    """The fields of a mapping in a message; every method raises ProtocolError when a field breaks its rule."""

    error = ProtocolError

    def array(self, name: str, dtype: str) -> NDArray[Any]:
        """Return the array that a field holds as raw bytes, of shape (n,) and the given dtype."""
        value = self.get(name, bytes)
        if len(value) % np.dtype(dtype).itemsize:
            raise self._error(name, f"must be the bytes of an array of {dtype}", value)
        return np.frombuffer(value, dtype)
