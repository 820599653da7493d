"""The server of an engine process: one engine behind one Unix socket.

Each connection has its own thread, which receives a message, waits for the answer and sends it. Other connections can
therefore request the status and abort requests while the engine loads or generates.
"""

from __future__ import annotations

import logging
import os
import socket as sockets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.process import protocol
from taihri_ros.inference.process.exit_status import EXIT_FAILED, EXIT_PERMANENT, report_fault
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.message_stream import Frame, MemoryBudget, MessageStream
from taihri_ros.inference.process.protocol import Kind, Message, State
from taihri_ros.inference.process.worker import AbortableEngine, EngineWorker, Job

_logger = logging.getLogger(__name__)

_TICK_S = 0.05
_FAILURE_REPORT_S = 2.0
_SEND_S = 10.0
_MAX_PEERS = 64

_REST_S = 10.0
"""Longest time in s from the first bytes of a message to its end."""

_MAX_BYTES = 256 << 20
"""Memory for the messages of all peers; the node's own take some 20 MB."""

_MAX_PATH = 107
"""Longest path of a Unix socket on Linux, bytes."""


def serve(socket: Path, factory: Callable[[], AbortableEngine], stop: threading.Event | None = None) -> int:
    """Load an engine and serve it until `stop` is set or the engine has failed.

    Args:
        socket: Path of the Unix socket. Its directory is created if it is missing, and must not be writable by others.
        factory: Function that loads the engine and sends it the warm-up request.
        stop: Ends the server when it is set.

    Returns:
        The exit status: 0, `EXIT_FAILED` or `EXIT_PERMANENT`.

    Raises:
        EngineError: The socket cannot be created.
    """
    stop = stop or threading.Event()
    with ExitStack() as stack:
        listener = stack.enter_context(_listening(socket))
        worker = EngineWorker(factory)
        peers = stack.enter_context(_Peers(worker))
        deadline = float("inf")
        while not stop.is_set():
            with suppress(TimeoutError):
                peers.add(listener.accept()[0])
            peers.abort_abandoned()
            if worker.status().state is State.FAILED:
                deadline = min(deadline, time.monotonic() + _FAILURE_REPORT_S)
                if peers.failure_sent.is_set() or time.monotonic() > deadline:
                    if not worker.status().permanent:
                        return EXIT_FAILED
                    report_fault(worker.status().message)
                    return EXIT_PERMANENT
        if not worker.stop(timeout_s=0.5):
            _logger.warning("the engine was not closed in time")
        return 0


class _Peers:
    """The connections to the peers; leaving the `with` block shuts them down.

    Attributes:
        failure_sent: Set when a peer has received the status of a failed engine.
    """

    def __init__(self, worker: EngineWorker) -> None:
        self.failure_sent = threading.Event()
        self._worker = worker
        self._change = threading.Lock()
        self._budget = MemoryBudget(_MAX_BYTES)
        self._streams: set[MessageStream] = set()
        self._jobs: dict[MessageStream, Job] = {}

    def add(self, connected: sockets.socket) -> None:
        """Start to answer the messages of a new connection."""
        stream = MessageStream(connected)
        with self._change:
            full = len(self._streams) >= _MAX_PEERS
            if not full:
                self._streams.add(stream)
        if full:
            _logger.warning("refused a connection: %d are already open", _MAX_PEERS)
            stream.close()
            return
        threading.Thread(target=self._serve, args=[stream], name="engine peer", daemon=True).start()

    def abort_abandoned(self) -> None:
        """Abort the requests whose peer has closed its connection or has ended: nobody waits for their answers."""
        with self._change:
            abandoned = [job for stream, job in self._jobs.items() if stream.has_hung_up()]
        for job in abandoned:
            self._worker.abort(job)

    def _serve(self, stream: MessageStream) -> None:
        try:
            while True:
                with self._budget.lease() as take:
                    answer = self._answer(stream, stream.receive(rest_timeout_s=_REST_S, take=take))
                if answer is not None:
                    stream.send(protocol.pack(answer), _SEND_S)
                    self._note(answer)
        except ProtocolError as error:
            _logger.warning("closed a connection: %s", error)
            with suppress(OSError):
                stream.send(protocol.pack(protocol.encode_error(error, protocol.NO_ID)), _SEND_S)
        except (EOFError, OSError):
            pass
        finally:
            with self._change:
                self._streams.discard(stream)
            stream.close()

    def _answer(self, stream: MessageStream, frames: list[Frame]) -> Message | None:
        """Answer one message of a peer; an abort has no answer."""
        identifier = protocol.NO_ID
        try:
            message = protocol.unpack(frames)
            identifier = message.id
            if message.kind is Kind.STATUS:
                return protocol.encode_status(self._worker.status(), identifier)
            if message.kind is Kind.GENERATE:
                return self._answer_request(stream, Job(identifier, protocol.decode_request(message)))
            if message.kind is Kind.ABORT:
                self._worker.abort_id(identifier)
                return None
            raise ProtocolError(f"an engine process does not accept a message of kind {message.kind.value}")
        except ProtocolError as error:
            _logger.warning("refused a message: %s", error)
            return protocol.encode_error(error, identifier)

    def _answer_request(self, stream: MessageStream, job: Job) -> Message:
        with self._change:
            self._jobs[stream] = job
        try:
            return self._worker.answer(job)
        finally:
            with self._change:
                del self._jobs[stream]

    def _note(self, sent: Message) -> None:
        if sent.kind is Kind.STATE and sent.body["state"] == State.FAILED.value:
            self.failure_sent.set()

    def __enter__(self) -> _Peers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._change:
            for stream in self._streams:
                stream.shut_down()


@contextmanager
def _listening(path: Path) -> Iterator[sockets.socket]:
    """Bind the socket so that only this user can connect, and remove it at the end."""
    _check_path(path)
    if path.is_socket():
        path.unlink()
    listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # Linux creates the file with this mode; a umask would hold for all threads
        listener.bind(str(path))
        listener.listen(_MAX_PEERS)
        listener.settimeout(_TICK_S)
    except OSError as error:
        listener.close()
        raise EngineError(f"the engine's socket {path} cannot be created: {error}") from error
    try:
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def _check_path(path: Path) -> None:
    if len(os.fsencode(path)) > _MAX_PATH:
        raise EngineError(f"the engine's socket {path} has a path of more than {_MAX_PATH} bytes: choose a shorter one")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = path.parent.stat()
    except OSError as error:
        raise EngineError(f"the directory of the engine's socket {path} cannot be created: {error}") from error
    if directory.st_uid != os.geteuid() or directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EngineError(
            f"others can write to {path.parent} and could replace the engine's socket: "
            "choose a directory of your own (chmod 700)"
        )
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise EngineError(f"another engine process uses {path}: stop it, or choose another socket")
