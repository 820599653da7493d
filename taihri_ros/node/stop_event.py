"""The signals that end a node, on both hosts. Standard library only: a node handles them before its slow imports."""

from __future__ import annotations

import signal
from threading import Event

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def set_by_signals(event: Event) -> Event:
    """Let SIGINT, SIGTERM and SIGHUP set an event from now on, and return it.

    SIGHUP, which comes when the terminal closes, stays ignored where it is, as under nohup.
    """
    for number in _SIGNALS:
        signal.signal(number, lambda *_: event.set())
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: event.set())
    return event


def ignore_signals() -> None:
    """Ignore the signals: nothing is left to be ended, and Python's own shutdown must not be interrupted."""
    for number in (*_SIGNALS, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
