"""The client of an engine process, on the node's side of the socket."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
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
from taihri_ros.inference.process.connection import STATUS_TIMEOUT_S, Connection, EngineTimeoutError, request_status
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.protocol import MAX_IN_FLIGHT, EngineStatus, Kind, Message, State

_ABORT_S = 0.2
"""Longest time in s for the connection that ends a request, which must not delay whoever ends it."""


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
