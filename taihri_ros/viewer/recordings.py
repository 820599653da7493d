"""Recordings of Rerun: streams with the viewer's layout, and .rrd files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rerun as rr

from taihri_ros.errors import TaihriError
from taihri_ros.viewer.blueprint import blueprint

APPLICATION = "taihri"
ENDING = ".rrd"

_LEAST_BYTES = 1 << 20
"""Least space that is free at the beginning: Rerun waits forever for a layout that it cannot write."""

_END, _END_BYTES = b"RRF2FOOT", 12
"""What stands in the last bytes of a whole file. Rerun only logs that it could not write."""


def check_name(path: Path) -> None:
    """Check that a recording can be written under a name, before the work that it will show.

    Raises:
        TaihriError: Its name does not end in .rrd, its directory does not exist, or its disk is full.
    """
    if path.suffix != ENDING:
        raise TaihriError(f"{path} is not a name for a recording of Rerun: choose one that ends with {ENDING}")
    if not path.absolute().parent.is_dir():
        raise TaihriError(f"{path} cannot be written: its directory does not exist")
    if shutil.disk_usage(path.absolute().parent).free < _LEAST_BYTES:
        raise TaihriError(f"{path} cannot be written: less than {_LEAST_BYTES >> 20} MiB are free there")


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
        TaihriError: The file cannot be written, or not to its end.
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
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END_BYTES))
        is_whole = _END in file.read()
    if not is_whole:
        raise TaihriError(f"{path} is cut off: is the disk full?")
