"""Import of packages that only an engine environment contains."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
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
    except Exception as error:  # a module of another version or with missing libraries raises any kind of error
        raise EngineError(
            f"{module} cannot be imported by {sys.executable} ({type(error).__name__}: {error}): "
            f"{environment_advice(engine)}"
        ) from error


def check_installed(modules: Sequence[str], engine: str) -> None:
    """Check that packages are installed, without importing them.

    Args:
        modules: Names of packages.
        engine: Name of the engine that needs them, as in `taihri engine install --engine`.

    Raises:
        EngineError: A package is not installed.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise EngineError(f"{sys.executable} has no package {module}: {environment_advice(engine)}")


def environment_advice(engine: str) -> str:
    """Return what to do about an environment that lacks what an engine needs.

    Args:
        engine: Name of the engine, as in `taihri engine install --engine`.

    Returns:
        A part of an error message.
    """
    return f"run `taihri engine install --engine {engine}` and use the environment that it creates"
