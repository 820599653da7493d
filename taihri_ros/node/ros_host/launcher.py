"""The launch that started the node: `ros2 launch` leaves its processes behind when it gets SIGTERM or is killed."""

from __future__ import annotations

import os
from collections.abc import Callable


def launch_ended(pid: int | None) -> Callable[[], bool]:
    """Return a function that tells whether the launch of this process has ended.

    Args:
        pid: Process id of the launch; None if there is none, which never ends.

    Returns:
        The function. Between the launch and this process there may be another one, such as a debugger: then it
        tells whether that one has ended.
    """
    if pid is None:
        return lambda: False
    parent = os.getppid()
    ended_before = parent != pid and not _runs(pid)
    return lambda: ended_before or os.getppid() != parent


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
