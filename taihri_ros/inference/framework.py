"""Imports of what only an engine environment has."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from taihri_ros.inference.engine import EngineError


def require(module: str, engine: str) -> Any:
    """Import a module of an engine's framework.

    Args:
        module: Its name, such as `torch`.
        engine: The engine that needs it, as `taihri engine install` names it.

    Returns:
        The module.

    Raises:
        EngineError: It is not installed here, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EngineError(
            f"{module} cannot be imported by {sys.executable} ({error}): run `taihri engine install --engine {engine}` "
            "and use the environment that it makes"
        ) from error
