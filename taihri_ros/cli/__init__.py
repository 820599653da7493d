"""The `taihri` command."""

from __future__ import annotations

from taihri_ros.cli.main import main

__all__ = ["main"]
