"""Recordings of Rerun: streams with the viewer's layout, and .rrd files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rerun as rr

from taihri_ros.errors import TaihriError
from taihri_ros.viewer.blueprint import blueprint

APPLICATION = "taihri"
ENDING = ".rrd"


def check_name(path: Path) -> None:
    """Check that a recording can be written under a name, before the work that it will show.

    Raises:
        TaihriError: Its name does not end in .rrd, or its directory does not exist.
    """
    if path.suffix != ENDING:
        raise TaihriError(f"{path} is not a name for a recording of Rerun: choose one that ends with {ENDING}")
    if not path.absolute().parent.is_dir():
        raise TaihriError(f"{path} cannot be written: its directory does not exist")


def live_stream() -> rr.RecordingStream:
    """Return a stream whose viewer follows the newest message."""
    stream = rr.RecordingStream(APPLICATION)
    stream.send_blueprint(blueprint(live=True))
    return stream


@contextmanager
def written_recording(path: Path) -> Iterator[rr.RecordingStream]:
    """Write what is logged to a file.

    Args:
        path: The .rrd file.

    Yields:
        The stream to log to. The file is complete at the end of the block.

    Raises:
        TaihriError: The file cannot be written.
    """
    check_name(path)
    stream = rr.RecordingStream(APPLICATION)
    try:
        stream.save(path, default_blueprint=blueprint())
    except RuntimeError as error:
        raise TaihriError(f"{path} cannot be written: {error}") from error
    try:
        yield stream
    finally:
        stream.disconnect()
