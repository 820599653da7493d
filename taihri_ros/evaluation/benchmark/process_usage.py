"""Processor time and memory of another process, from Linux's /proc, and a description of this machine."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the processor time that all threads of a process have used, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # utime and stime (proc(5))


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process, MB."""
    return _status_mb(pid, "VmRSS")


def peak_resident_mb(pid: int) -> float:
    """Return the largest resident memory that a process has had, MB."""
    return _status_mb(pid, "VmHWM")


def _status_mb(pid: int, field: str) -> float:
    match = re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return round(int(match[1]) / 1024, 1)


def machine() -> str:
    """Return architecture, number of cores and Python version of this machine."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
