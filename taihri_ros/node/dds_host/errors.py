"""The error of the DDS host."""

from __future__ import annotations

from taihri_ros.errors import TaihriError


class DdsError(TaihriError):
    """The ROS 2 wire could not do what was asked: a bad name, type or setting, or a failure of DDS itself."""
