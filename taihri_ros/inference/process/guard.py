"""The guard of an engine process: a tiny process of its own that ends the engine when its parent is gone.

It is a process because nothing within a hung engine can be relied on: a framework that holds the interpreter's lock, or
a stopped process, would keep a thread from ever running. It uses the standard library only and is started as a file.
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
    """Start the guard of this process, which must lead a process group of its own.

    Standard input must be a pipe whose other end only the parent holds: its end is how the parent's death shows. When
    the parent or this process is gone, the guard removes the directory and kills the whole group.

    Args:
        directory: The private directory of this engine.

    Returns:
        The guard.
    """
    ending, _held_until_this_process_ends = os.pipe()
    with os.fdopen(ending):
        return subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).resolve()), str(ending), str(directory)],
            pass_fds=[ending],
            stdout=subprocess.DEVNULL,
        )


def _watch(engine: int, directory: Path) -> None:
    """Wait for the end of either pipe; nothing is ever written to them."""
    select.select([sys.stdin.fileno(), engine], [], [])
    shutil.rmtree(directory, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    _watch(int(sys.argv[1]), Path(sys.argv[2]))
