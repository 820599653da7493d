"""The demo as a recording that `taihri view` shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taihri_ros.errors import TaihriError
from taihri_ros.node.parameters import Parameters


@contextmanager
def recorded_view(path: Path) -> Iterator[bool]:
    """Record what the robot sees and what the node makes of it, if the viewer is installed.

    Args:
        path: The .rrd file to write, which is complete at the end of the block.

    Yields:
        Whether it is recorded.
    """
    try:
        from taihri_ros.viewer.recordings import written_recording
        from taihri_ros.viewer.scene import Scene
        from taihri_ros.viewer.sources import LiveSource
    except TaihriError:  # the extra `viewer` is not installed
        yield False
        return
    with written_recording(path) as stream, LiveSource(Scene(stream), Parameters()):
        yield True


def how_to_view(path: Path) -> str:
    """Return the command that shows a recording, with the `taihri` that runs this program."""
    program = Path(sys.argv[0])
    return f"{program if program.name == 'taihri' else 'taihri'} view {path}"
