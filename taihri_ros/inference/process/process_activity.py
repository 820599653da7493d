"""What Linux says of a process: whether it is stopped, and how much it has done."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_LEAST_LOAD = 0.05
"""Share of one core that a process uses at least while it loads something."""

_LEAST_READ_BYTES = 64 << 10


def is_stopped(pid: int) -> bool:
    """Check whether a process is stopped, as by SIGSTOP or a debugger; False where this cannot be seen."""
    fields = _stat(pid)
    return bool(fields) and fields[0] in "Tt"


class Progress:
    """The progress of a process that loads something and may be unable to answer meanwhile."""

    def __init__(self, pid: int) -> None:
        """Start to watch a process; its start counts as progress."""
        self._pid = pid
        self._when = time.monotonic()
        self._cpu_s, self._read_bytes = _work(pid)

    def note(self) -> None:
        """Note a progress that the process has reported itself."""
        self._when = time.monotonic()
        self._cpu_s, self._read_bytes = _work(self._pid)

    def age_s(self) -> float:
        """Return the time in s since the last progress: it has used the processor, or has read files."""
        cpu_s, read_bytes = _work(self._pid)
        age_s = time.monotonic() - self._when
        if cpu_s - self._cpu_s > _LEAST_LOAD * age_s or read_bytes - self._read_bytes > _LEAST_READ_BYTES:
            self.note()
            return 0.0
        return age_s


def _work(pid: int) -> tuple[float, int]:
    """Return the processor time in s and the number of bytes read of a process and its ended subprocesses."""
    fields, read = _stat(pid), 0
    with suppress(OSError, ValueError, IndexError):
        read = int(Path(f"/proc/{pid}/io").read_text(encoding="ascii").split()[1])
    return sum(map(int, fields[11:15])) * _TICK_S, read


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; none where there is no such file."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
