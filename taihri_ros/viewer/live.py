"""A recording that grows while browsers read it, within a limit of memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition, Event, Thread

import rerun as rr

_PERIOD_S = 0.1
"""Period in which what was logged is handed to the browsers, seconds."""

LIMIT_BYTES = 512 * 2**20
"""Largest size of what a browser that opens the page late still receives."""


class LiveRecording:
    """The bytes of a recording stream. Use it as a context manager, or call `close`."""

    def __init__(self, stream: rr.RecordingStream, *, limit_bytes: int = LIMIT_BYTES) -> None:
        """Begin to take what the stream logs; call `start` to offer it.

        Args:
            stream: The stream. What it logs before `start`, such as its blueprint, is the beginning of every page.
            limit_bytes: Limit of what is kept for pages that are opened late; the oldest is forgotten first.
        """
        self._bytes = stream.binary_stream()
        self._limit_bytes = limit_bytes
        self._head = b""
        self._recent: deque[bytes] = deque()
        self._forgotten = self._size = 0
        self._changed, self._ended = Condition(), Event()
        self._thread = Thread(target=self._run, name="live recording", daemon=True)

    def start(self) -> None:
        """Keep what was logged until now as the beginning of every page, and offer what follows."""
        self._head = self._bytes.read() or b""
        self._thread.start()

    def chunks(self) -> Iterator[bytes]:
        """Yield the recording from its beginning, or from the oldest part that is kept, as it comes."""
        yield self._head
        following = 0
        while new := self._after(following):
            following = new[0]
            yield new[1]

    def close(self) -> None:
        """End the recording, and with it the pages' downloads."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._changed:
            self._changed.notify_all()

    def __enter__(self) -> LiveRecording:
        """Return the recording itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the recording."""
        self.close()

    def _after(self, following: int) -> tuple[int, bytes] | None:
        """Wait for what follows the first chunks, and return it with the number of all chunks; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended.is_set() or self._forgotten + len(self._recent) > following)
            new = list(self._recent)[max(0, following - self._forgotten) :]
            return (self._forgotten + len(self._recent), b"".join(new)) if new else None

    def _run(self) -> None:
        while not self._ended.wait(_PERIOD_S):
            self._take()
        self._take()

    def _take(self) -> None:
        chunk = self._bytes.read()
        if not chunk:
            return
        with self._changed:
            self._recent.append(chunk)
            self._size += len(chunk)
            while self._size > self._limit_bytes:
                self._size -= len(self._recent.popleft())
                self._forgotten += 1
            self._changed.notify_all()
