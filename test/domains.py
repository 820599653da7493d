"""Domain ids that no other test process of this machine uses, so that tests do not receive each other's messages."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from pathlib import Path

_NUMBERS = range(1, 101)
"""Domains whose ports are not ephemeral ports on Linux."""

_locks: list[int] = []
"""Open files; the lock of a domain ends with the process."""


def new_domain() -> int:
    """Return a domain id that is locked until the process ends."""
    directory = Path(tempfile.gettempdir(), f"taihri-test-domains-{os.getuid()}")
    directory.mkdir(exist_ok=True)
    for number in random.sample(_NUMBERS, len(_NUMBERS)):
        file = os.open(directory / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        _locks.append(file)
        return number
    raise RuntimeError(f"all {len(_NUMBERS)} DDS domains are used by running tests")
