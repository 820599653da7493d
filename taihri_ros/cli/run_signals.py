"""The signals that end `taihri run`: from its first moment to its last, however often they come, with exit code 0.

This module is the first that the command imports. It needs none but the standard library, so that a signal during the
slower imports is handled, too.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_stop = Event()


def set_by_signals(event: Event) -> Event:
    """Let SIGINT and SIGTERM set an event from now on, and return it."""
    for number in _SIGNALS:
        signal.signal(number, lambda *_: event.set())
    return event


def catch() -> Event:
    """Handle SIGINT and SIGTERM from now on; a second call does nothing more.

    Returns:
        The event that either signal sets.
    """
    return set_by_signals(_stop)


def ignore() -> None:
    """Ignore the signals: nothing is left to be ended, and Python's own shutdown must not be interrupted."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def is_run(arguments: Sequence[str]) -> bool:
    """Check whether the arguments of this process, with its name, are those of `taihri run`."""
    name, *others = arguments or [""]
    words = [word for word in others if not word.startswith("-")]
    return (name == "-m" or Path(name).name == "taihri") and words[:1] == ["run"]


if is_run(sys.argv):
    catch()
