"""Errors of rcl, whose text names a line of its own code."""

from __future__ import annotations

import re

_CODE_PLACE = re.compile(r", at [^ ,]+:[0-9]+")


def rcl_reason(error: Exception) -> str:
    """Return the text of an error of rclpy as one line, without the places in ROS's own code."""
    return " ".join(_CODE_PLACE.sub("", str(error)).split())
