"""The signals that end `taihri run`: from its first moment to its last, however often they come, with exit code 0.

This module is the first that the command imports. It needs little but the standard library, so that a signal during the
slower imports is handled, too. Of the other subcommands it lets SIGINT end the imports without a traceback.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from taihri_ros.node.stop_event import set_by_signals

_stop = Event()


def catch() -> Event:
    """Handle SIGINT, SIGTERM and SIGHUP from now on; a second call does nothing more.

    Returns:
        The event that any of them sets.
    """
    return set_by_signals(_stop)


@contextmanager
def interrupts_raised() -> Iterator[None]:
    """Return a context in which SIGINT raises KeyboardInterrupt also where it ends the process before and after it."""
    ends = signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    if ends:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if ends:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_taihri(arguments: Sequence[str]) -> bool:
    """Check whether the arguments of this process, with its name, are those of the `taihri` command."""
    name = arguments[0] if arguments else ""
    return name == "-m" or Path(name).name == "taihri"


def is_run(arguments: Sequence[str]) -> bool:
    """Check whether the arguments of this process, with its name, are those of `taihri run`."""
    words = [word for word in arguments[1:] if not word.startswith("-")]
    return is_taihri(arguments) and words[:1] == ["run"]


if is_run(sys.argv):
    catch()
elif is_taihri(sys.argv) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
