"""A private directory for the socket of an engine process."""

from __future__ import annotations

import logging
import os
import shutil
import socket as sockets
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import taihri_ros
from taihri_ros.inference.engine import EngineError

SOCKET = "engine.sock"
"""Name of the socket in the directory."""

_LINK = "taihri_ros"
_FURTHER_PLACES = ("/tmp", "/var/tmp", "/dev/shm")

_logger = logging.getLogger(__name__)


class PrivateDirectory:
    """A directory for this user only, until it is cleaned up, deleted as an object, or the process ends.

    Use it as a context manager, or call `cleanup`. The end of a process that was forked does not remove it, as it would
    one of `tempfile.TemporaryDirectory`.

    Attributes:
        name: Its path.
        cleanup: Removes it with all that is in it.
    """

    def __init__(self, place: str) -> None:
        """Make the directory.

        Args:
            place: The directory in which it is made.

        Raises:
            OSError: It cannot be made.
        """
        self.name = tempfile.mkdtemp(prefix="taihri-engine-", dir=place)
        self.cleanup = weakref.finalize(self, _remove, self.name, os.getpid())

    def __enter__(self) -> str:
        """Return its path."""
        return self.name

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self.cleanup()


def _remove(name: str, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(name, ignore_errors=True)


def make_private_directory() -> PrivateDirectory:
    """Make a directory for this user only, in which a Unix socket can be bound.

    It is made in the directory for temporary files (TMPDIR); where this fails, in XDG_RUNTIME_DIR or one of the usual
    places. It fails where the path would be too long for a socket (107 bytes), or on a file system that is full, is
    read-only or has no sockets.

    Returns:
        The directory. It contains a link to this package, which is the only import path that is added to the engine's
        interpreter.

    Raises:
        EngineError: There is no such place.
    """
    faults: dict[str, str] = {}
    for place in _places():
        try:
            directory = PrivateDirectory(place)
        except OSError as error:
            faults[place] = error.strerror or str(error)
            continue
        try:
            _prepare(Path(directory.name))
        except OSError as error:
            directory.cleanup()
            faults[place] = error.strerror or str(error)
            continue
        if faults:
            _logger.info("the engine's socket is in %s, because %s", place, _listed(faults))
        return directory
    raise EngineError(
        f"no directory can hold the engine's socket ({_listed(faults)}): set TMPDIR or XDG_RUNTIME_DIR to a directory "
        "with a short path in which you can write"
    )


def _places() -> Iterator[str]:
    seen = {""}
    for place in (_temporary(), os.environ.get("XDG_RUNTIME_DIR", ""), *_FURTHER_PLACES):
        if place not in seen and Path(place).is_absolute():
            seen.add(place)
            yield place


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:  # neither TMPDIR nor any of the usual places can be written to
        return os.environ.get("TMPDIR", "")


def _prepare(directory: Path) -> None:
    """Link the package into the directory, and bind a socket there to find out whether it is possible."""
    (directory / _LINK).symlink_to(Path(taihri_ros.__file__).resolve().parent)
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        probe.bind(str(directory / SOCKET))
    (directory / SOCKET).unlink()


def _listed(faults: dict[str, str]) -> str:
    return "; ".join(f"{place}: {fault}" for place, fault in faults.items())
