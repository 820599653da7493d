"""Messages of one or two frames on a connected Unix socket.

Each message starts with a magic number and the lengths of its frames. Data of another protocol is recognised by its
first bytes, before memory is allocated for it, and memory for a large frame is allocated as its data arrive. A message
is read on the thread that waits for it, so that no other thread has to be woken.
"""

from __future__ import annotations

import select
import socket as sockets
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeAlias

import numpy as np

from taihri_ros.inference.process.fields import ProtocolError

MAX_FRAME_BYTES = 64 << 20
"""Largest accepted second frame, enough for an image of 4700 x 4700 px."""

MAX_HEADER_BYTES = 1 << 20
"""Largest accepted first frame."""

Frame: TypeAlias = "bytes | bytearray | memoryview"

_PREFIX = struct.Struct("<4sIQ")
_MAGIC = b"TAIH"
_NO_BLOB = 2**64 - 1
"""Length of the second frame of a message that has only one."""

_POLL_S = 0.05

_FIRST_BYTES = 8 << 20
"""Largest allocation for a frame before its data arrive: every picture of a usual view fits, so it is never moved."""


class StreamCancelledError(Exception):
    """`MessageStream.send` or `receive` was cancelled by its caller."""


class MemoryBudget:
    """Memory that the messages of several streams may take together. It may be used from several threads."""

    def __init__(self, most_bytes: int) -> None:
        """Create the budget; `most_bytes` is what all messages may take."""
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._taken = 0

    @contextmanager
    def lease(self) -> Iterator[Callable[[int], None]]:
        """Return a function that takes a number of bytes, which are given back at the end of the `with` block.

        It raises ProtocolError if they are not left.
        """
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            with self._lock:
                if self._taken + count > self._most_bytes:
                    raise ProtocolError(
                        f"the messages of all peers have at most {self._most_bytes} bytes together: try again later"
                    )
                self._taken += count
                taken += count

        try:
            yield take
        finally:
            with self._lock:
                self._taken -= taken


def _take_any(_: int) -> None:
    """Take any number of bytes."""


class MessageStream:
    """One end of a connection. One thread may use it at a time; any thread may call `shut_down`."""

    def __init__(self, connected: sockets.socket) -> None:
        """Create the stream.

        Args:
            connected: A connected stream socket, which `close` closes.
        """
        self._socket = connected

    def send(self, frames: Sequence[Frame], timeout_s: float, is_cancelled: Callable[[], bool] = lambda: False) -> None:
        """Send one message.

        Args:
            frames: One or two frames, which are not copied.
            timeout_s: Longest time to send, in s.
            is_cancelled: Checked every 50 ms while waiting; True ends the wait.

        Raises:
            TimeoutError: The peer does not receive the message in time.
            StreamCancelledError: `is_cancelled` returned True.
            OSError: The peer has closed the connection.
        """
        header, *blob = frames
        prefix = _PREFIX.pack(_MAGIC, len(header), len(blob[0]) if blob else _NO_BLOB)
        deadline = time.monotonic() + timeout_s
        rest = [memoryview(part) for part in (prefix, *frames)]
        self._socket.settimeout(_POLL_S)
        while rest:
            try:
                sent = self._socket.sendmsg(rest)
            except TimeoutError:
                if is_cancelled():
                    raise StreamCancelledError from None
                sent = 0
            if time.monotonic() > deadline:  # also while the peer takes a little at a time
                raise TimeoutError
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if rest:
                rest[0] = rest[0][sent:]

    def receive(
        self,
        timeout_s: float | None = None,
        is_cancelled: Callable[[], bool] = lambda: False,
        max_blob_bytes: int = MAX_FRAME_BYTES,
        *,
        rest_timeout_s: float | None = None,
        take: Callable[[int], None] = _take_any,
    ) -> list[Frame]:
        """Wait for a message.

        Args:
            timeout_s: Longest time to wait, in s; None to wait forever.
            is_cancelled: Checked every 50 ms while waiting with a timeout; True ends the wait.
            max_blob_bytes: Largest accepted second frame.
            rest_timeout_s: Longest time from the first bytes of a message to its end, in s; None for `timeout_s`.
            take: Called with a number of bytes before they are allocated; see `MemoryBudget.lease`.

        Returns:
            The frames of the message.

        Raises:
            TimeoutError: No whole message arrived in time.
            EOFError: The peer has closed the connection.
            StreamCancelledError: `is_cancelled` returned True.
            ProtocolError: The received data is not a message, or `take` has refused it; the stream cannot be used any
                more.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        prefix = self._read(_PREFIX.size, deadline, is_cancelled, take)
        if rest_timeout_s is not None:
            deadline = time.monotonic() + rest_timeout_s
        magic, header_bytes, blob_bytes = _PREFIX.unpack(prefix)
        if magic != _MAGIC:
            raise ProtocolError(
                f"the peer does not use the engine protocol, its first bytes are {magic!r}: "
                "install the same release of taihri_ros for the node and the engine"
            )
        if header_bytes > MAX_HEADER_BYTES:
            raise ProtocolError(f"a header has at most {MAX_HEADER_BYTES} bytes, not {header_bytes}")
        lengths = [header_bytes] if blob_bytes == _NO_BLOB else [header_bytes, blob_bytes]
        if lengths[1:] and blob_bytes > max_blob_bytes:
            raise ProtocolError(f"a second frame has at most {max_blob_bytes} bytes, not {blob_bytes}")
        return [self._read(length, deadline, is_cancelled, take) for length in lengths]

    def is_finished(self) -> bool:
        """Check whether the peer has closed the connection or has sent unrequested data."""
        self._socket.settimeout(0.0)
        try:
            self._socket.recv(1, sockets.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def has_hung_up(self) -> bool:
        """Check whether the peer has closed the connection or has ended; another thread may use the stream meanwhile.

        A peer that only has stopped to send still waits for its answer, and has not hung up.
        """
        poll = select.poll()
        poll.register(self._socket, 0)
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))

    def shut_down(self) -> None:
        """Shut the connection down in both directions; calls that wait on either end return with an error."""
        with suppress(OSError):
            self._socket.shutdown(sockets.SHUT_RDWR)

    def close(self) -> None:
        """Release the socket; a second call does nothing."""
        self._socket.close()

    def _read(
        self, count: int, deadline: float | None, is_cancelled: Callable[[], bool], take: Callable[[int], None]
    ) -> memoryview:
        allocated = min(count, _FIRST_BYTES)
        take(allocated)
        whole, filled = np.empty(allocated, np.uint8), 0
        self._socket.settimeout(None if deadline is None else _POLL_S)
        while filled < count:
            if deadline is not None and time.monotonic() > deadline:  # also while data trickle or pour in
                raise TimeoutError
            if is_cancelled():
                raise StreamCancelledError
            if filled == allocated:
                grown = min(count, 2 * allocated)
                take(grown - allocated)
                whole, allocated = np.concatenate([whole, np.empty(grown - allocated, np.uint8)]), grown
            try:
                read = self._socket.recv_into(whole.data[filled:])
                if not read:
                    raise EOFError
                filled += read
            except TimeoutError:
                continue
            except OSError as error:
                raise EOFError from error
        return whole.data
