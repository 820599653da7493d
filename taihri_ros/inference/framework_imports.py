"""Import of packages that only an engine environment contains."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from taihri_ros.inference.engine import EngineError


def require(module: str, engine: str) -> Any:
    """Import a module of an engine's framework.

    Args:
        module: Module name, such as `torch`.
        engine: Name of the engine that needs it, as in `taihri engine install --engine`.

    Returns:
        The module.

    Raises:
        EngineError: The module is not installed or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EngineError(
            f"{module} cannot be imported by {sys.executable} ({error}): run `taihri engine install --engine {engine}` "
            "and use the environment that it creates"
        ) from error
