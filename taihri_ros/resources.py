"""Where the files that are not Python live: message definitions, configuration, launch and RViz files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from taihri_ros.errors import TaihriError

PACKAGE = Path(__file__).resolve().parent
"""The directory of the Python package."""

NANO = PACKAGE / "models" / "nano"
"""The checkpoint that ships with the package: small, and trained on nothing but synthetic people."""


def share_directory() -> Path:
    """Find the directory that holds `msg/`, `srv/`, `config/`, `launch/` and `rviz/`.

    That is the source tree itself, the environment that pip installed the package into, or the share directory of an
    ament workspace, whichever is there first.

    Returns:
        The directory.

    Raises:
        TaihriError: None of the places has the message definitions.
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
