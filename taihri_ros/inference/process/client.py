"""The node's side of the socket to an engine process."""

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
from types import TracebackType

from taihri_ros.inference.engine import (
    EngineInfo,
    EngineUnavailableError,
    Generation,
    GenerationRequest,
)
from taihri_ros.inference.process import protocol
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.message_stream import GivenUpError, MessageStream
from taihri_ros.inference.process.protocol import AT_ONCE, EngineStatus, Kind, Message, State

STATUS_TIMEOUT_S = 2.0
"""How long the engine process may take to tell its state; a thread of its own does nothing else."""

_RETRY_S = 0.02
_ABORT_S = 0.2


class EngineLostError(EngineUnavailableError):
    """The engine is gone, or as good as gone."""


class EngineTimeoutError(EngineLostError):
    """The engine did not answer in time."""


class Connection:
    """A connection to an engine process that carries one request at a time; for one thread."""

    _identifiers = itertools.count(secrets.randbits(62))

    def __init__(self, path: Path, connect_timeout_s: float) -> None:
        """Prepare a connection; a message makes it, if `connect` does not before.

        Args:
            path: The engine's socket.
            connect_timeout_s: How long a message waits for someone who listens there.
        """
        self._path = path
        self._connect_timeout_s = connect_timeout_s
        self._stream: MessageStream | None = None

    @classmethod
    def new_id(cls) -> int:
        """Give the number of a new request, which no other one has."""
        return next(cls._identifiers)

    def connect(self) -> MessageStream:
        """Connect as soon as somebody listens, if that has not been done.

        Returns:
            The connection's stream.

        Raises:
            EngineLostError: Nobody listens.
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
        """Tell whether the engine of the last message is still there; if not, another one may have taken its place.

        An answer that nobody waited for ends a connection, too.
        """
        if self._stream is not None and self._stream.is_over():
            self.close()
        return self._stream is not None

    def send(self, message: Message, timeout_s: float) -> MessageStream:
        """Send a message.

        Args:
            message: The message.
            timeout_s: How long the engine may take to accept it.

        Returns:
            Where its answer comes.

        Raises:
            EngineLostError: Nobody listens, or the engine does not accept it.
        """
        stream = self.connect()
        try:
            stream.send(protocol.pack(message), timeout_s)
        except TimeoutError:
            self.close()
            raise EngineTimeoutError(f"the engine has not accepted a message for {timeout_s:.3g} s") from None
        except OSError:
            self.close()
            raise EngineLostError("the engine process ended while it was asked") from None
        return stream

    def exchange(self, message: Message, timeout_s: float, given_up: Callable[[], bool] = lambda: False) -> Message:
        """Send a message and wait for its answer; answers to earlier messages are passed over.

        Args:
            message: The message.
            timeout_s: How long to wait for the answer.
            given_up: Asked from time to time whether nobody wants the answer any more.

        Returns:
            The answer.

        Raises:
            EngineLostError: Nobody listens, the engine is gone, or it did not answer in time.
            EngineUnavailableError: It was given up.
            EngineError: The engine answered with an error, or with nonsense.
        """
        started = time.monotonic()
        stream = self.send(message, timeout_s)
        answer = None
        try:
            while answer is None or answer.id != message.id:
                left_s = timeout_s - (time.monotonic() - started)
                answer = protocol.unpack(stream.receive(left_s, given_up))
                if answer.kind is Kind.ERROR and answer.id in (message.id, protocol.NO_ID):
                    protocol.raise_error(answer)
            return answer
        except TimeoutError:
            raise EngineTimeoutError(f"the engine has not answered for {timeout_s:.3g} s") from None
        except EOFError:
            raise EngineLostError("the engine process ended while it was asked") from None
        except GivenUpError:
            raise EngineUnavailableError("the connection to the engine was closed") from None
        finally:
            if answer is None or answer.id != message.id:  # what comes of it later must not be taken for another answer
                self.close()

    def close(self) -> None:
        """Disconnect; a further message connects again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class EngineClient:
    """An engine in another process, on the same machine; an `Engine` for those who use it."""

    def __init__(self, socket: Path, *, connect_timeout_s: float = 5.0, request_timeout_s: float = 30.0) -> None:
        """Connect to an engine process that is ready.

        Args:
            socket: Its Unix socket.
            connect_timeout_s: How long to wait for someone who listens there.
            request_timeout_s: How long an answer may take.

        Raises:
            EngineUnavailableError: Nobody listens, or the engine is not ready.
            EngineError: The engine speaks another version of the protocol.
        """
        self._path = socket
        self._request_timeout_s = request_timeout_s
        self._closed = threading.Event()
        self._closing = threading.Lock()
        self._asking = threading.Lock()
        self._current: set[int] = set()
        self._last_success: float | None = None
        self._connections = [Connection(socket, connect_timeout_s) for _ in range(AT_ONCE)]
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
        """What this engine is."""
        return self._info

    def status(self) -> EngineStatus:
        """Ask the engine process what it is doing; it answers while it loads and while it generates.

        Returns:
            Its status.

        Raises:
            EngineUnavailableError: It cannot be reached.
        """
        with self._asking:
            if self._closed.is_set():
                raise EngineUnavailableError("the connection to the engine is closed")
            return ask_status(self._control, self._closed.is_set)

    def generate(self, request: GenerationRequest) -> Generation:
        """Answer one request; see `Engine.generate`."""
        with self._connection() as connection:
            if self._closed.is_set():
                raise EngineUnavailableError("the connection to the engine is closed")
            if not connection.is_connected():
                with self._asking:
                    self._info = self._handshake()
            identifier = Connection.new_id()
            self._current.add(identifier)
            try:
                message = protocol.encode_request(request, identifier)
                answer = connection.exchange(message, self._request_timeout_s, self._closed.is_set)
                if answer.kind is not Kind.GENERATION:
                    raise ProtocolError(f"the engine answered a request with {answer.kind.value}")
                generation = protocol.decode_generation(answer)
                if len(generation.answers) != len(request.questions):
                    raise ProtocolError(
                        f"the engine gave {len(generation.answers)} answers to {len(request.questions)} questions"
                    )
            except EngineTimeoutError as error:
                self._end(identifier)
                raise EngineTimeoutError(f"{error}; {self._age()}") from None
            finally:
                self._current.discard(identifier)
            self._last_success = time.monotonic()
            return generation

    def abort(self) -> None:
        """End the requests that are under way, if any, as soon as possible. Returns at once."""
        for identifier in self._current.copy():
            self._end(identifier)

    def close(self) -> None:
        """Disconnect from the engine process, which goes on; requests that are under way are ended."""
        with self._closing:
            if self._closed.is_set():
                return
            self.abort()
            self._closed.set()
            for _ in self._connections:
                self._free.get()
            with self._asking:
                for connection in (*self._connections, self._control):
                    connection.close()
            for connection in self._connections:
                self._free.put(connection)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """Take a connection that carries no request now."""
        connection = self._free.get()
        try:
            yield connection
        finally:
            self._free.put(connection)

    def _end(self, identifier: int) -> None:
        if self._closed.is_set():
            return
        with closing(Connection(self._path, connect_timeout_s=_ABORT_S)) as ending, suppress(EngineUnavailableError):
            ending.send(Message(Kind.ABORT, identifier), _ABORT_S)

    def __enter__(self) -> EngineClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _handshake(self) -> EngineInfo:
        status = ask_status(self._control)
        if status.info is None or status.state is State.FAILED:
            raise EngineUnavailableError(f"the engine on {self._path} is {status.state.value}: {status.message}")
        return status.info

    def _age(self) -> str:
        if self._last_success is None:
            return "it has not answered any request yet"
        return f"its last answer came {time.monotonic() - self._last_success:.1f} s ago"


def ask_status(connection: Connection, given_up: Callable[[], bool] = lambda: False) -> EngineStatus:
    """Ask an engine process what it is doing.

    Args:
        connection: A connection to it that nobody else uses now.
        given_up: Asked from time to time whether nobody wants the answer any more.

    Returns:
        Its status.

    Raises:
        EngineUnavailableError: It cannot be reached.
        EngineError: It speaks another version of the protocol.
    """
    if not connection.is_connected():
        connection.connect()
    answer = connection.exchange(Message(Kind.STATUS, Connection.new_id()), STATUS_TIMEOUT_S, given_up)
    if answer.kind is not Kind.STATE:
        raise ProtocolError(f"the engine answered a question for its state with {answer.kind.value}")
    return protocol.decode_status(answer)
