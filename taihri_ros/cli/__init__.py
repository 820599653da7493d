"""The `taihri` command."""

from __future__ import annotations

from taihri_ros.cli import run_signals  # noqa: F401 - handles the signals of `taihri run` before the slower imports
from taihri_ros.cli.main import main

__all__ = ["main"]
