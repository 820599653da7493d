"""Messages of one or two frames on a connected Unix socket.

Before a message go its mark and the lengths of its frames, so that whatever else speaks on the socket is told apart by
its first bytes, and nothing is allocated for it. Whoever waits for a message reads it on its own thread: on the way
between the node and the engine nobody is woken but the two of them.
"""

from __future__ import annotations

import socket as sockets
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from taihri_ros.inference.process.fields import ProtocolError

MAX_FRAME_BYTES = 64 << 20
"""Largest second frame that is accepted, an image of 4700 x 4700 px."""

MAX_HEADER_BYTES = 1 << 20
"""Largest first frame that is accepted."""

Frame: TypeAlias = "bytes | bytearray | memoryview"

_PREFIX = struct.Struct("<4sIQ")
_MARK = b"TAIH"
_NO_BLOB = 2**64 - 1
_SLICE_S = 0.05


class GivenUpError(Exception):
    """Nobody wants what was waited for any more."""


class MessageStream:
    """One end of a connection. For one thread at a time; `hang_up` may be called from any."""

    def __init__(self, connected: sockets.socket) -> None:
        """Take over a socket.

        Args:
            connected: A connected stream socket.
        """
        self._socket = connected

    def send(self, frames: Sequence[Frame], timeout_s: float) -> None:
        """Send one message.

        Args:
            frames: Its one or two frames, which are not copied.
            timeout_s: How long it may take.

        Raises:
            TimeoutError: The other side does not take it.
            OSError: The other side is gone.
        """
        header, *blob = frames
        prefix = _PREFIX.pack(_MARK, len(header), len(blob[0]) if blob else _NO_BLOB)
        deadline = time.monotonic() + timeout_s
        rest = [memoryview(part) for part in (prefix, *frames)]
        while rest:
            self._socket.settimeout(max(deadline - time.monotonic(), 1e-3))
            sent = self._socket.sendmsg(rest)
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if rest:
                rest[0] = rest[0][sent:]

    def receive(self, timeout_s: float | None = None, given_up: Callable[[], bool] = lambda: False) -> list[Frame]:
        """Wait for a message.

        Args:
            timeout_s: How long; None for ever.
            given_up: Asked from time to time whether nobody wants it any more, where there is a timeout.

        Returns:
            Its frames.

        Raises:
            TimeoutError: It has not come, or not whole.
            EOFError: The other side is gone.
            GivenUpError: It was given up.
            ProtocolError: What comes is no message; the stream cannot be used any more.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        mark, header_bytes, blob_bytes = _PREFIX.unpack(self._read(_PREFIX.size, deadline, given_up))
        if mark != _MARK:
            raise ProtocolError(
                f"the peer does not speak the engine protocol, it began with {mark!r}: "
                "install the same release of taihri_ros for the node and the engine"
            )
        if header_bytes > MAX_HEADER_BYTES:
            raise ProtocolError(f"a header has at most {MAX_HEADER_BYTES} bytes, not {header_bytes}")
        lengths = [header_bytes] if blob_bytes == _NO_BLOB else [header_bytes, blob_bytes]
        if max(lengths) > MAX_FRAME_BYTES:
            raise ProtocolError(f"a frame has at most {MAX_FRAME_BYTES} bytes, not {max(lengths)}")
        return [self._read(length, deadline, given_up) for length in lengths]

    def is_over(self) -> bool:
        """Tell whether the other side has gone, or has sent what nobody waited for."""
        self._socket.settimeout(0.0)
        try:
            self._socket.recv(1, sockets.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def hang_up(self) -> None:
        """End the connection for both sides; whoever waits on it is woken."""
        with suppress(OSError):
            self._socket.shutdown(sockets.SHUT_RDWR)

    def close(self) -> None:
        """Release the socket; a second call does nothing."""
        self._socket.close()

    def _read(self, count: int, deadline: float | None, given_up: Callable[[], bool]) -> bytearray:
        whole = bytearray(count)
        missing = memoryview(whole)
        self._socket.settimeout(None if deadline is None else _SLICE_S)
        while missing:
            try:
                read = self._socket.recv_into(missing)
            except TimeoutError:
                if given_up():
                    raise GivenUpError from None
                if deadline is not None and time.monotonic() > deadline:
                    raise
                continue
            except OSError as error:
                raise EOFError from error
            if not read:
                raise EOFError
            missing = missing[read:]
        return whole
