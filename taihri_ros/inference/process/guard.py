"""The guard of an engine process: a small second process that kills the engine when the node has ended.

A thread inside the engine process would not be enough: it never runs while a framework holds the GIL or
while the process is stopped. The guard uses only the standard library and is started as a script. Should the guard
end first, it is started again; where the kernel can do so (Linux), it kills the engine with the node, too.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

NAME = b"taihri-guard"
"""Name of a guard in the list of processes, once it is on guard."""

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_MOST_STARTS = 10
"""Number of guards that an engine process starts at most: it does not fight against whoever kills them."""


def start(directory: Path) -> None:
    """Start the guard of this process, which must be the leader of its process group, and another one if it ends.

    Standard input must be a pipe whose other end only the parent process holds: the pipe closes when the parent ends.
    When the parent or this process has ended, the guard removes the directory and kills the process group.

    Args:
        directory: Private directory of this engine.
    """
    _signal_at_end_of_parent(signal.SIGKILL)
    reading_end, _held_until_this_process_ends = os.pipe()
    first = _start_one(reading_end, directory)
    threading.Thread(target=_replace, args=[first, reading_end, directory], name="guard", daemon=True).start()


def _start_one(reading_end: int, directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).resolve()), str(reading_end), str(directory)],
        pass_fds=[reading_end],
        stdout=subprocess.DEVNULL,
    )


def _replace(guard: subprocess.Popen[bytes], reading_end: int, directory: Path) -> None:
    """Start another guard whenever one has ended, since this process still runs."""
    for _ in range(_MOST_STARTS):
        guard.wait()
        with suppress(OSError):
            guard = _start_one(reading_end, directory)


def _signal_at_end_of_parent(number: int) -> None:
    """Ask the kernel to send this process a signal when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int | bytes) -> None:
    with suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(option, value)


def _watch(engine: int, directory: Path) -> None:
    """Wait until either pipe closes, then remove the directory and kill the process group.

    A guard that is stopped continues when the engine has ended.
    """
    _signal_at_end_of_parent(signal.SIGCONT)
    _prctl(_PR_SET_NAME, NAME)
    select.select([sys.stdin.fileno(), engine], [], [])
    shutil.rmtree(directory, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    _watch(int(sys.argv[1]), Path(sys.argv[2]))
