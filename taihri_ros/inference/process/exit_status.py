"""How an engine process reports that it cannot start: an exit status, and the reason as a line of its output.

This module and `entry` also run on older Pythons than the rest of the package, to say that they are too old.
"""

import sys
from typing import NoReturn

EXIT_FAILED = 1
"""Exit status of an engine process whose engine failed; a restart may help."""

EXIT_PERMANENT = 3
"""Exit status of an engine process that cannot start; a restart would end in the same way."""

FIRST_LINE = "taihri_ros engine process"
"""Start of the first line that every engine process prints: its interpreter runs this package."""

FAULT = "taihri_ros engine cannot start: "
"""Start of the line with the reason of `EXIT_PERMANENT`."""


def install_hint(kind: str) -> str:
    """Return what to do about a missing or wrong interpreter of an engine of this kind."""
    option = "" if kind == "vllm" else f" --engine {kind}"
    return f"run: ros2 run taihri_ros install_engine{option} (or: taihri engine install{option})"


def report_fault(reason: str) -> None:
    """Print why this engine process cannot start, in one line that the node finds in the output.

    Args:
        reason: What is wrong and what to do.
    """
    sys.stderr.write(FAULT + " ".join(reason.split()) + "\n")
    sys.stderr.flush()


def end_permanently(reason: str) -> NoReturn:
    """Print why this engine process cannot start, and exit with `EXIT_PERMANENT`; see `report_fault`."""
    report_fault(reason)
    sys.exit(EXIT_PERMANENT)
