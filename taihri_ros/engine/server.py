"""The engine process: one Unix socket that answers at any time, in front of one engine.

The main thread does nothing but move messages, so that the state can be asked and a request be aborted while the engine
is loading or generating on its worker's thread.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import socket as sockets
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
import zmq

from taihri_ros.engine import guard as guards
from taihri_ros.engine import protocol
from taihri_ros.engine.fields import ProtocolError
from taihri_ros.engine.interface import EngineError
from taihri_ros.engine.opening import EngineKind, open_engine
from taihri_ros.engine.protocol import EXIT_FAILED, EXIT_PERMANENT, Kind, Message, State
from taihri_ros.engine.worker import AbortableEngine, EngineWorker, Job
from taihri_ros.errors import TaihriError

_logger = logging.getLogger(__name__)

_TICK_MS = 50
_FAREWELL_S = 2.0
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
    answers: queue.SimpleQueue[tuple[bytes, Message]] = queue.SimpleQueue()
    with zmq.Context() as context, _bound(context, socket) as router, _bell(context) as (ring, rung):

        def answer(peer: bytes, message: Message) -> None:
            if not stop.is_set():
                answers.put((peer, message))
                ring()

        worker = EngineWorker(opener, answer)
        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        poller.register(rung, zmq.POLLIN)
        farewell = float("inf")
        while not stop.is_set():
            ready = dict(poller.poll(_TICK_MS))
            if rung in ready:
                rung.recv()
                peer, message = answers.get()
                _send(router, peer, message)
            told = router in ready and _receive(router, worker)
            if worker.status().state is State.FAILED and answers.empty():
                farewell = min(farewell, time.monotonic() + _FAREWELL_S)
                if told or time.monotonic() > farewell:
                    return EXIT_PERMANENT if worker.status().permanent else EXIT_FAILED
        if not worker.stop(timeout_s=0.5):
            _logger.warning("the engine does not end by itself")
        return 0


def _receive(router: zmq.Socket[bytes], worker: EngineWorker) -> bool:
    """Handle one message of a peer.

    Returns:
        Whether the peer was told that the engine has failed.
    """
    peer, *frames = router.recv_multipart(copy=False)
    identifier = 0
    try:
        message = protocol.unpack([frame.buffer for frame in frames])
        identifier = message.id
        if message.kind is Kind.STATUS:
            status = worker.status()
            _send(router, peer.bytes, protocol.encode_status(status, identifier))
            return status.state is State.FAILED
        if message.kind is Kind.GENERATE:
            worker.submit(Job(peer.bytes, identifier, protocol.decode_request(message)))
        elif message.kind is Kind.ABORT:
            worker.abort(identifier)
        else:
            raise ProtocolError(f"an engine is not sent a message of kind {message.kind.value}")
    except EngineError as error:
        if isinstance(error, ProtocolError):
            _logger.warning("refused a message: %s", error)
        _send(router, peer.bytes, protocol.encode_error(error, identifier))
    return False


def _send(router: zmq.Socket[bytes], peer: bytes, message: Message) -> None:
    router.send_multipart([peer, *protocol.pack(message)])


@contextmanager
def _bound(context: zmq.Context[zmq.Socket[bytes]], path: Path) -> Iterator[zmq.Socket[bytes]]:
    """Bind the socket so that only this user can reach it, and remove it in the end."""
    _check_place(path)
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.LINGER, 500)
    router.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_FRAME_BYTES)
    mask = os.umask(0o177)
    try:
        router.bind(f"ipc://{path}")
    except zmq.ZMQError as error:
        router.close()
        raise EngineError(f"the engine's socket {path} cannot be made: {error}") from error
    finally:
        os.umask(mask)
    try:
        yield router
    finally:
        router.close()
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


@contextmanager
def _bell(context: zmq.Context[zmq.Socket[bytes]]) -> Iterator[tuple[Callable[[], None], zmq.Socket[bytes]]]:
    """Make what wakes the loop from the worker's threads: a function to ring, and the socket that it makes readable."""
    rung, bell = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    rung.bind("inproc://bell")
    bell.connect("inproc://bell")
    bell.setsockopt(zmq.LINGER, 0)
    ringing = threading.Lock()  # a socket is for one thread at a time

    def ring() -> None:
        with ringing:
            bell.send(b"")

    try:
        yield ring, rung
    finally:
        bell.close()
        rung.close()


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
