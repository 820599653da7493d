"""ROS message classes and what their fields take."""

from __future__ import annotations

from array import array
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray


@cache
def message_class(name: str) -> Any:
    """Find the class of a message type.

    Args:
        name: Full name, such as `geometry_msgs/msg/PoseArray`.

    Returns:
        The class that rosidl generated.
    """
    module, _, class_name = name.replace("/", ".").rpartition(".")
    return getattr(import_module(module), class_name)


def sequence(values: NDArray[Any]) -> array[Any]:
    """Make the array.array that rosidl's classes keep numbers in when a sequence has no fixed length.

    Args:
        values: (n,) of any number type.

    Returns:
        The same values in the same type.
    """
    numbers: array[Any] = array(np.dtype(values.dtype).char)
    numbers.frombytes(values.tobytes())
    return numbers
