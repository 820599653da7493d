"""The guard of an engine process: a small second process that kills the engine when the node has ended.

A thread inside the engine process would not be enough: it never runs while a framework holds the interpreter's lock or
while the process is stopped. The guard uses only the standard library and is started as a script.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path


def start(directory: Path) -> subprocess.Popen[bytes]:
    """Start the guard of this process, which must be the leader of its process group.

    Standard input must be a pipe whose other end only the parent process holds: the pipe closes when the parent ends.
    When the parent or this process has ended, the guard removes the directory and kills the process group.

    Args:
        directory: Private directory of this engine.

    Returns:
        The guard's process.
    """
    reading_end, _held_until_this_process_ends = os.pipe()
    with os.fdopen(reading_end):
        return subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).resolve()), str(reading_end), str(directory)],
            pass_fds=[reading_end],
            stdout=subprocess.DEVNULL,
        )


def _watch(engine: int, directory: Path) -> None:
    """Wait until either pipe closes, then remove the directory and kill the process group."""
    select.select([sys.stdin.fileno(), engine], [], [])
    shutil.rmtree(directory, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    _watch(int(sys.argv[1]), Path(sys.argv[2]))
