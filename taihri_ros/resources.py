"""Paths of the data files (messages, configuration, launch and RViz files) and of the small model."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from taihri_ros.errors import TaihriError

PACKAGE = Path(__file__).resolve().parent
"""The directory of the Python package."""

NANO = PACKAGE / "models" / "nano"
"""The small checkpoint that ships with the package; it is trained on synthetic people only."""


def share_directory() -> Path:
    """Return the directory that holds `msg/`, `srv/`, `config/`, `launch/` and `rviz/`.

    The candidates, in this order: the source tree, `share/taihri_ros` of the Python environment, `share/taihri_ros` of
    every prefix in `AMENT_PREFIX_PATH`.

    Returns:
        The directory.

    Raises:
        TaihriError: No candidate has the message definitions.
    """
    prefixes = [sys.prefix, *os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)]
    candidates = [PACKAGE.parent]
    candidates += [Path(prefix) / "share" / "taihri_ros" for prefix in prefixes if prefix]
    for candidate in candidates:
        if (candidate / "msg" / "Keypoint.msg").is_file():
            return candidate
    raise TaihriError(
        "the message definitions of taihri_ros are missing; reinstall the package (looked in "
        + ", ".join(str(candidate) for candidate in candidates)
        + ")"
    )
