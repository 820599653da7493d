"""The error of the benchmark."""

from __future__ import annotations

from taihri_ros.errors import TaihriError


class BenchError(TaihriError):
    """The benchmark cannot be run as asked."""
