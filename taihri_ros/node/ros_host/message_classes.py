"""ROS message classes, and the conversion of arrays to their sequence fields."""

from __future__ import annotations

from array import array
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError


class MessagePackageError(TaihriError):
    """A ROS package with messages is not installed."""


@cache
def message_class(name: str) -> Any:
    """Return the class of a message type.

    Args:
        name: Full name, such as `geometry_msgs/msg/PoseArray`.

    Returns:
        The class that rosidl generated.

    Raises:
        MessagePackageError: The package of the message is not installed.
    """
    module, _, class_name = name.replace("/", ".").rpartition(".")
    try:
        return getattr(import_module(module), class_name)
    except ModuleNotFoundError as error:
        package = name.partition("/")[0]
        raise MessagePackageError(
            f"{package} is not installed: apt install ros-$ROS_DISTRO-{package.replace('_', '-')}, or build it from "
            "source"
        ) from error


def sequence(values: NDArray[Any]) -> array[Any]:
    """Convert numbers to the array.array in which rosidl's classes store sequences without a fixed length.

    Args:
        values: (n,) of any numeric dtype.

    Returns:
        The same values, of the same type.
    """
    numbers: array[Any] = array(np.dtype(values.dtype).char)
    numbers.frombytes(values.tobytes())
    return numbers
