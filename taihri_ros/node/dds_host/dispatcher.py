"""The thread that waits for DDS events."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from cyclonedds.core import GuardCondition, WaitSet
from cyclonedds.util import duration

from taihri_ros.node.dds_host.domain import delete

if TYPE_CHECKING:
    from cyclonedds.core import Entity
    from cyclonedds.domain import DomainParticipant


class Source(Protocol):
    """A source of DDS events."""

    triggers: tuple[Entity, ...]
    """The entities to wait for."""

    def dispatch(self) -> None:
        """Handle pending events, if any. Must not raise."""


class Dispatcher:
    """One thread that waits for any of its sources and calls their `dispatch`.

    It uses a wait set instead of a listener: listeners run on the threads of DDS and would block them while they
    wait for the GIL.
    """

    def __init__(self, participant: DomainParticipant) -> None:
        """Start the thread.

        Args:
            participant: The participant that owns the entities to wait for.
        """
        self._waitset = WaitSet(participant)
        self._wake = GuardCondition(participant)
        self._waitset.attach(self._wake)
        self._lock = threading.Lock()
        self._sources: tuple[Source, ...] = ()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="dds", daemon=True)
        self._thread.start()

    def add(self, source: Source) -> None:
        """Wait for the events of a source.

        Args:
            source: The source. Its triggers must exist until it is removed.
        """
        with self._lock:
            self._sources = (*self._sources, source)
            for trigger in source.triggers:
                self._waitset.attach(trigger)
            self._wake.set(True)

    def remove(self, source: Source) -> None:
        """Stop waiting for the events of a source.

        Args:
            source: A source that was added. A running call of its `dispatch` finishes.
        """
        with self._lock:
            self._sources = tuple(other for other in self._sources if other is not source)
            for trigger in source.triggers:
                self._waitset.detach(trigger)

    def close(self) -> None:
        """Stop the thread, and join it unless called from it."""
        self._closing = True
        self._wake.set(True)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        delete(self._waitset, self._wake)

    def _run(self) -> None:
        while not self._closing:
            self._waitset.wait(duration(infinite=True))
            self._wake.take()
            for source in self._sources:
                source.dispatch()
