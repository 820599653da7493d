"""The environment variables with which the engine's own interpreter is started."""

from __future__ import annotations

from collections.abc import Mapping

_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")


def without_python(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would point the engine's interpreter at the node's modules, ROS's among them.

    Args:
        environment: Environment variables.

    Returns:
        The others.
    """
    return {name: value for name, value in environment.items() if name not in _PYTHON}
