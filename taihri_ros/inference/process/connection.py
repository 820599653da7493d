"""A connection to an engine process: one message, then its answer, within a time."""

from __future__ import annotations

import itertools
import secrets
import socket as sockets
import time
from collections.abc import Callable
from pathlib import Path

from taihri_ros.inference.engine import EngineUnavailableError
from taihri_ros.inference.process import protocol
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.message_stream import MessageStream, StreamCancelledError
from taihri_ros.inference.process.protocol import EngineStatus, Kind, Message

STATUS_TIMEOUT_S = 2.0
"""Longest time in s for a status of the engine process, where a separate thread answers such requests."""

_RETRY_S = 0.02
"""Pause in s between two attempts to connect to a process that does not listen yet."""


class EngineLostError(EngineUnavailableError):
    """The engine process has ended or does not respond."""


class EngineTimeoutError(EngineLostError):
    """The engine process did not answer in time."""


class GarbledAnswerError(ProtocolError):
    """The engine process has sent data that is no message."""


class Connection:
    """A connection to an engine process for one thread and one request at a time."""

    _identifiers = itertools.count(secrets.randbits(62))

    def __init__(self, path: Path, connect_timeout_s: float) -> None:
        """Create the connection; the first message connects it unless `connect` was called before.

        Args:
            path: The engine's socket.
            connect_timeout_s: Longest time in s to wait until an engine process listens there.
        """
        self._path = path
        self._connect_timeout_s = connect_timeout_s
        self._stream: MessageStream | None = None

    @classmethod
    def new_id(cls) -> int:
        """Return a unique number for a new request."""
        return next(cls._identifiers)

    def connect(self) -> MessageStream:
        """Connect as soon as an engine process listens, unless the connection exists already.

        Returns:
            The connection's stream.

        Raises:
            EngineLostError: No engine process listens.
        """
        deadline = time.monotonic() + self._connect_timeout_s
        while self._stream is None:
            connecting = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
            try:
                connecting.settimeout(max(deadline - time.monotonic(), _RETRY_S))
                connecting.connect(str(self._path))
                self._stream = MessageStream(connecting)
            except OSError as error:
                connecting.close()
                if time.monotonic() > deadline:
                    raise EngineLostError(f"no engine listens on {self._path}: is it running?") from error
                time.sleep(_RETRY_S)
        return self._stream

    def is_connected(self) -> bool:
        """Check whether the connection is open, and close it if the peer has closed it or has sent unrequested data.

        A closed connection means that another engine process may have replaced the previous one.
        """
        if self._stream is not None and self._stream.is_finished():
            self.close()
        return self._stream is not None

    def send(
        self, message: Message, timeout_s: float, is_cancelled: Callable[[], bool] = lambda: False
    ) -> MessageStream:
        """Send a message.

        Args:
            message: The message.
            timeout_s: Longest time in s until the engine process has received it.
            is_cancelled: Checked every 50 ms while it is not received; True ends the wait.

        Returns:
            The stream from which to receive the answer.

        Raises:
            EngineLostError: No engine process listens, or it does not receive the message.
            EngineUnavailableError: The wait was cancelled.
        """
        stream = self.connect()
        try:
            stream.send(protocol.pack(message), timeout_s, is_cancelled)
        except StreamCancelledError:
            self.close()
            raise EngineUnavailableError("the connection to the engine was closed") from None
        except TimeoutError:
            self.close()
            raise EngineTimeoutError(f"the engine has not accepted a message for {timeout_s:.3g} s") from None
        except OSError:
            self.close()
            raise EngineLostError("the engine process ended during a request") from None
        return stream

    def exchange(self, message: Message, timeout_s: float, is_cancelled: Callable[[], bool] = lambda: False) -> Message:
        """Send a message and wait for its answer; answers to earlier messages are ignored.

        Args:
            message: The message.
            timeout_s: Longest time to wait for the answer, in s.
            is_cancelled: Checked every 50 ms; True ends the wait.

        Returns:
            The answer.

        Raises:
            EngineLostError: No engine process listens, it has ended, or it did not answer in time.
            EngineUnavailableError: The wait was cancelled.
            EngineError: The engine answered with an error or with an invalid message.
        """
        started = time.monotonic()
        stream = self.send(message, timeout_s, is_cancelled)
        answer = None
        try:
            while answer is None or answer.id != message.id:
                left_s = timeout_s - (time.monotonic() - started)
                answer = _receive(stream, left_s, is_cancelled)
                if answer.kind is Kind.ERROR and answer.id in (message.id, protocol.NO_ID):
                    protocol.raise_error(answer)
            return answer
        except TimeoutError:
            raise EngineTimeoutError(f"the engine has not answered for {timeout_s:.3g} s") from None
        except EOFError:
            raise EngineLostError("the engine process ended during a request") from None
        except StreamCancelledError:
            raise EngineUnavailableError("the connection to the engine was closed") from None
        finally:
            if answer is None or answer.id != message.id:  # a late answer must not be read as the next one
                self.close()

    def close(self) -> None:
        """Disconnect; the next message connects again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def request_status(
    connection: Connection, is_cancelled: Callable[[], bool] = lambda: False, timeout_s: float = STATUS_TIMEOUT_S
) -> EngineStatus:
    """Return the status of an engine process.

    Args:
        connection: A free connection to it.
        is_cancelled: Checked every 50 ms; True ends the wait.
        timeout_s: Longest time to wait, in s.

    Returns:
        The status.

    Raises:
        EngineUnavailableError: The engine process cannot be reached.
        EngineError: The engine process uses another version of the protocol.
    """
    if not connection.is_connected():
        connection.connect()
    answer = connection.exchange(Message(Kind.STATUS, Connection.new_id()), timeout_s, is_cancelled)
    if answer.kind is not Kind.STATE:
        raise ProtocolError(f"the engine answered a status request with {answer.kind.value}")
    return protocol.decode_status(answer)


def _receive(stream: MessageStream, timeout_s: float, is_cancelled: Callable[[], bool]) -> Message:
    try:
        return protocol.unpack(stream.receive(timeout_s, is_cancelled, max_blob_bytes=0))
    except ProtocolError as error:
        raise GarbledAnswerError(str(error)) from error
