"""The engine process: one Unix socket that answers at any time, in front of one engine.

Every connection has a thread, which reads a message, has it answered and sends the answer. So the state can be asked
and a request be aborted, over other connections, while the engine is loading or generating.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket as sockets
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn

import click

from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.factory import EngineKind, open_engine
from taihri_ros.inference.process import guard as guards
from taihri_ros.inference.process import protocol
from taihri_ros.inference.process.fields import ProtocolError
from taihri_ros.inference.process.message_stream import Frame, MessageStream
from taihri_ros.inference.process.protocol import EXIT_FAILED, EXIT_PERMANENT, Kind, Message, State
from taihri_ros.inference.process.worker import AbortableEngine, EngineWorker, Job

_logger = logging.getLogger(__name__)

_TICK_S = 0.05
_FAREWELL_S = 2.0
_SEND_S = 10.0
_MOST_PEERS = 64
_MAX_PATH = 107


def serve(socket: Path, opener: Callable[[], AbortableEngine], stop: threading.Event | None = None) -> int:
    """Load an engine and serve it until `stop` is set or the engine has failed.

    Args:
        socket: Path of the Unix socket; its directory is made where it is missing, and must be closed to others.
        opener: Loads the engine, canary included.
        stop: Set by someone else to end.

    Returns:
        The exit status: 0, `EXIT_FAILED` or `EXIT_PERMANENT`.

    Raises:
        EngineError: The socket cannot be made.
    """
    stop = stop or threading.Event()
    worker = EngineWorker(opener)
    with _listening(socket) as listener, _Peers(worker) as peers:
        farewell = float("inf")
        while not stop.is_set():
            with suppress(TimeoutError):
                peers.welcome(listener.accept()[0])
            if worker.status().state is State.FAILED:
                farewell = min(farewell, time.monotonic() + _FAREWELL_S)
                if peers.told.is_set() or time.monotonic() > farewell:
                    return EXIT_PERMANENT if worker.status().permanent else EXIT_FAILED
        if not worker.stop(timeout_s=0.5):
            _logger.warning("the engine does not end by itself")
        return 0


class _Peers:
    """The connections; all are cut on leaving the `with` statement.

    Attributes:
        told: Set once a peer was told that the engine has failed.
    """

    def __init__(self, worker: EngineWorker) -> None:
        self.told = threading.Event()
        self._worker = worker
        self._change = threading.Lock()
        self._streams: set[MessageStream] = set()

    def welcome(self, connected: sockets.socket) -> None:
        """Answer a new connection from now on."""
        stream = MessageStream(connected)
        with self._change:
            full = len(self._streams) >= _MOST_PEERS
            if not full:
                self._streams.add(stream)
        if full:
            _logger.warning("refused a connection: %d are open already", _MOST_PEERS)
            stream.close()
            return
        threading.Thread(target=self._attend, args=[stream], name="engine peer", daemon=True).start()

    def _attend(self, stream: MessageStream) -> None:
        try:
            while True:
                answer = self._answer(stream.receive())
                if answer is not None:
                    stream.send(protocol.pack(answer), _SEND_S)
                    self._note(answer)
        except ProtocolError as error:
            _logger.warning("cut a connection: %s", error)
            with suppress(OSError):
                stream.send(protocol.pack(protocol.encode_error(error, protocol.NO_ID)), _SEND_S)
        except (EOFError, OSError):
            pass
        finally:
            with self._change:
                self._streams.discard(stream)
            stream.close()

    def _answer(self, frames: list[Frame]) -> Message | None:
        """Answer one message of a peer; an abort has no answer of its own."""
        identifier = protocol.NO_ID
        try:
            message = protocol.unpack(frames)
            identifier = message.id
            if message.kind is Kind.STATUS:
                return protocol.encode_status(self._worker.status(), identifier)
            if message.kind is Kind.GENERATE:
                return self._worker.answer(Job(identifier, protocol.decode_request(message)))
            if message.kind is Kind.ABORT:
                self._worker.abort(identifier)
                return None
            raise ProtocolError(f"an engine is not sent a message of kind {message.kind.value}")
        except ProtocolError as error:
            _logger.warning("refused a message: %s", error)
            return protocol.encode_error(error, identifier)

    def _note(self, sent: Message) -> None:
        if sent.kind is Kind.STATE and sent.body["state"] == State.FAILED.value:
            self.told.set()

    def __enter__(self) -> _Peers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._change:
            for stream in self._streams:
                stream.hang_up()


@contextmanager
def _listening(path: Path) -> Iterator[sockets.socket]:
    """Bind the socket so that only this user can reach it, and remove it in the end."""
    _check_place(path)
    if path.is_socket():
        path.unlink()
    mask = os.umask(0o177)
    listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(_MOST_PEERS)
        listener.settimeout(_TICK_S)
    except OSError as error:
        listener.close()
        raise EngineError(f"the engine's socket {path} cannot be made: {error}") from error
    finally:
        os.umask(mask)
    try:
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def _check_place(path: Path) -> None:
    if len(os.fsencode(path)) > _MAX_PATH:
        raise EngineError(f"the engine's socket {path} has a path of more than {_MAX_PATH} bytes: choose a shorter one")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = path.parent.stat()
    if place.st_uid != os.geteuid() or place.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EngineError(
            f"others can write to {path.parent}, so they could take the engine's socket over: "
            "choose a directory of your own (chmod 700)"
        )
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise EngineError(f"another engine serves {path} already: end it, or choose another socket")


def run_engine(kind: EngineKind, model: str, socket: Path, options: Mapping[str, object]) -> NoReturn:
    """Be an engine process: serve the engine until SIGTERM or Ctrl-C, and end with the exit status of `serve`.

    Whatever is printed goes to standard error.

    Args:
        kind: `vllm` or `transformers`.
        model: The checkpoint's directory.
        socket: Path of the Unix socket.
        options: Settings of the engine.

    Raises:
        EngineError: The socket cannot be made.
    """
    os.dup2(sys.stderr.fileno(), 1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    status = serve(socket, lambda: open_engine(kind, model, options=options), stop)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)


@click.command()
@click.option("--kind", required=True, help="vllm or transformers")
@click.option("--model", required=True, help="Directory of the checkpoint")
@click.option("--socket", required=True, type=click.Path(path_type=Path), help="Path of the Unix socket")
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Setting of the engine; the value in JSON or a text"
)
@click.option("--guard", is_flag=True, help="End when standard input ends, and remove the socket's directory")
def main(kind: EngineKind, model: str, socket: Path, options: tuple[str, ...], guard: bool) -> None:
    """Serve an engine on a Unix socket, as the node starts it."""
    if guard:
        guards.start(socket.parent)
    try:
        run_engine(kind, model, socket, dict(map(read_option, options)))
    except TaihriError as error:
        raise click.ClickException(str(error)) from error


def read_option(text: str) -> tuple[str, object]:
    """Read an engine's option from a command line.

    Args:
        text: `key=value`, the value in JSON or a plain text.

    Returns:
        Key and value.

    Raises:
        click.BadParameter: There is no key or no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not of the form key=value")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


if __name__ == "__main__":
    main()
