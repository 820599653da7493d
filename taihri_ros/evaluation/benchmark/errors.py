"""The error class of the benchmarks."""

from __future__ import annotations

from taihri_ros.errors import TaihriError


class BenchError(TaihriError):
    """The benchmark does not support the requested configuration."""
