"""Import of what a subcommand needs beside the packages of the node: the packages of an extra."""

from __future__ import annotations

import importlib
from typing import Any

from taihri_ros.errors import imports_of


def import_from(room: str, name: str, *, extra: str) -> Any:
    """Import a module of a room whose packages an extra installs.

    Args:
        room: The room, such as `synthetic`.
        name: Name of the module in it, such as `data.picture_shards`.
        extra: The extra in `setup.cfg`.

    Returns:
        The module.

    Raises:
        TaihriError: A package of the extra is not installed.
    """
    with imports_of(extra):
        return importlib.import_module(f"taihri_ros.{room}.{name}")
