"""The client of an engine process, on the node's side of the socket."""

from __future__ import annotations

import itertools
import queue
import secrets
import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from taihri_ros.inference.engine import (
    Engine,
    EngineInfo,
    EngineUnavailableError,
    Generation,
    GenerationRequest,
)
from taihri_ros.inference.process import protocol
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.message_stream import MessageStream, StreamCancelledError
from taihri_ros.inference.process.protocol import MAX_IN_FLIGHT, EngineStatus, Kind, Message, State

STATUS_TIMEOUT_S = 2.0
"""Longest time in s for a status of the engine process, where a separate thread answers such requests."""

_RETRY_S = 0.02
_ABORT_S = 0.2


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


class EngineClient(Engine):
    """An engine in another process on the same machine.

    >>> with EngineClient(Path("/run/user/1000/taihri/engine.sock")) as engine:  # doctest: +SKIP
    ...     generation = engine.generate(request)
    """

    def __init__(self, socket: Path, *, connect_timeout_s: float = 5.0, request_timeout_s: float = 30.0) -> None:
        """Connect to an engine process that is ready.

        Args:
            socket: Unix socket of the engine process.
            connect_timeout_s: Longest time in s to wait until an engine process listens there.
            request_timeout_s: Longest time for an answer, in s.

        Raises:
            EngineUnavailableError: No engine process listens, or the engine is not ready.
            EngineError: The engine process uses another version of the protocol.
        """
        self._path = socket
        self._request_timeout_s = request_timeout_s
        self._closed = threading.Event()
        self._close_lock = threading.Lock()
        self._status_lock = threading.Lock()
        self._in_flight: set[int] = set()
        self._last_success: float | None = None
        self._connections = [Connection(socket, connect_timeout_s) for _ in range(MAX_IN_FLIGHT)]
        self._free: queue.LifoQueue[Connection] = queue.LifoQueue()
        for connection in reversed(self._connections):
            self._free.put(connection)
        self._control = Connection(socket, connect_timeout_s)
        try:
            self._info = self._handshake()
            for connection in self._connections:
                connection.connect()
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> EngineInfo:
        """Description of the engine."""
        return self._info

    def status(self, timeout_s: float = STATUS_TIMEOUT_S) -> EngineStatus:
        """Return the status of the engine process, which also answers while it loads or generates.

        Args:
            timeout_s: Longest time to wait, in s.

        Returns:
            The status.

        Raises:
            EngineUnavailableError: The engine process cannot be reached.
        """
        with self._status_lock:
            if self._closed.is_set():
                raise EngineUnavailableError("the connection to the engine is closed")
            return request_status(self._control, self._closed.is_set, timeout_s)

    def generate(self, request: GenerationRequest) -> Generation:
        """Answer one request; see `Engine.generate`."""
        with self._connection() as connection:
            if self._closed.is_set():
                raise EngineUnavailableError("the connection to the engine is closed")
            if not connection.is_connected():
                with self._status_lock:
                    self._info = self._handshake()
            identifier = Connection.new_id()
            self._in_flight.add(identifier)
            try:
                message = protocol.encode_request(request, identifier)
                answer = connection.exchange(message, self._request_timeout_s, self._closed.is_set)
                if answer.kind is not Kind.GENERATION:
                    raise ProtocolError(f"the engine answered a request with {answer.kind.value}")
                generation = protocol.decode_generation(answer)
                if len(generation.answers) != len(request.questions):
                    raise ProtocolError(
                        f"the engine returned {len(generation.answers)} answers to {len(request.questions)} questions"
                    )
            except EngineTimeoutError as error:
                self._send_abort(identifier)
                raise EngineTimeoutError(f"{error}; {self._last_answer()}") from None
            finally:
                self._in_flight.discard(identifier)
            self._last_success = time.monotonic()
            return generation

    def abort(self) -> None:
        """Abort the requests in flight as soon as possible, and return without waiting for that."""
        for identifier in self._in_flight.copy():
            self._send_abort(identifier)

    def close(self) -> None:
        """Abort the requests in flight and disconnect. The engine process continues to run."""
        with self._close_lock:
            if self._closed.is_set():
                return
            self.abort()
            self._closed.set()
            for _ in self._connections:
                self._free.get()
            with self._status_lock:
                for connection in (*self._connections, self._control):
                    connection.close()
            for connection in self._connections:
                self._free.put(connection)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Reserve a free connection."""
        connection = self._free.get()
        try:
            yield connection
        finally:
            self._free.put(connection)

    def _send_abort(self, identifier: int) -> None:
        if self._closed.is_set():
            return
        with closing(Connection(self._path, connect_timeout_s=_ABORT_S)) as ending, suppress(EngineUnavailableError):
            ending.send(Message(Kind.ABORT, identifier), _ABORT_S)

    def _handshake(self) -> EngineInfo:
        status = request_status(self._control, self._closed.is_set)
        if status.info is None or status.state is State.FAILED:
            raise EngineUnavailableError(f"the engine on {self._path} is {status.state.value}: {status.message}")
        return status.info

    def _last_answer(self) -> str:
        if self._last_success is None:
            return "it has not answered any request yet"
        return f"its last answer came {time.monotonic() - self._last_success:.1f} s ago"


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
