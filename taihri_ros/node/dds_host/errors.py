"""The error of the embedded host's DDS node."""

from __future__ import annotations

from taihri_ros.errors import TaihriError


class DdsError(TaihriError):
    """A name, type or setting is not valid for ROS 2 on DDS, or DDS itself failed."""
