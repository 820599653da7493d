"""The signals that end `taihri run`: from its first moment to its last, however often they come, with exit code 0.

This module is the first that the command imports. It needs none but the standard library, so that a signal during the
slower imports is handled, too. Of the other subcommands it lets SIGINT end the imports without a traceback.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
