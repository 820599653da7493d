"""Signals that end a subcommand early, but not in the middle of what must be finished."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import click

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """A signal asks the subcommand to end. Like KeyboardInterrupt, it is not an Exception.

    Attributes:
        status: The exit status of a process that ended by the signal.
    """

    def __init__(self, number: int) -> None:
        """Create it for a signal.

        Args:
            number: Number of the signal.
        """
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


def exit_stopped(request: StopRequested, summary: str) -> NoReturn:
    """Report that a signal ended the subcommand, and exit with its status.

    Args:
        request: The signal.
        summary: What has been done until then.
    """
    with suppress(OSError):  # after SIGHUP there may be no terminal to write to
        click.echo(f"taihri: stopped by {request}: {summary}", err=True)
    raise SystemExit(request.status) from None


class StopSignals:
    """A context in which SIGINT, SIGTERM and SIGHUP raise `StopRequested` once, in the main thread.

    Signals that the process ignores, as SIGHUP under nohup, stay ignored.
    """

    def __init__(self) -> None:
        """Create the context; nothing changes before it is entered."""
        self._previous: dict[int, Any] = {}
        self._received: int | None = None
        self._raised = False
        self._deferred = 0

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Return a context at whose end a signal is raised that came within it."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1
        self._raise()

    def __enter__(self) -> StopSignals:
        """Handle the signals."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._received = self._received or number
        self._raise()

    def _raise(self) -> None:
        if self._received is not None and not self._raised and not self._deferred:
            self._raised = True
            raise StopRequested(self._received)
