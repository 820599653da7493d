"""The program of an engine process: its options, its signals, and the server until its end."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from taihri_ros.errors import TaihriError
from taihri_ros.inference.environment import EngineKind
from taihri_ros.inference.factory import check_engine, open_engine
from taihri_ros.inference.process import guard as guards
from taihri_ros.inference.process.exit_status import end_permanently
from taihri_ros.inference.process.server import serve


def run_engine(kind: EngineKind, model: str, socket: Path, options: Mapping[str, object]) -> NoReturn:
    """Serve an engine until SIGTERM or Ctrl-C, and exit the process with the status that `serve` returns.

    All output goes to standard error.

    Args:
        kind: `vllm`, `transformers` or `mediapipe`.
        model: Directory of the checkpoint.
        socket: Path of the Unix socket.
        options: Options of the engine.

    Raises:
        EngineError: The socket cannot be created.
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
@click.option("--kind", required=True, help="vllm, transformers or mediapipe")
@click.option("--model", required=True, help="Directory of the checkpoint")
@click.option("--socket", required=True, type=click.Path(path_type=Path), help="Path of the Unix socket")
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Option of the engine; VALUE is JSON or text"
)
@click.option("--guard", is_flag=True, help="When standard input closes, remove the socket's directory and exit")
@click.option("--check", is_flag=True, help="Check what the engine needs, without loading it, and exit")
def main(kind: EngineKind, model: str, socket: Path, options: tuple[str, ...], guard: bool, check: bool) -> None:
    """Serve an engine on a Unix socket. The node starts engine processes with this command."""
    chosen = dict(map(parse_option, options))
    try:
        if check:
            adapter = chosen.get("adapter")
            check_engine(kind, model, None if adapter is None else str(adapter))
            return
        if guard:
            guards.start(socket.parent)
        run_engine(kind, model, socket, chosen)
    except TaihriError as error:
        end_permanently(str(error))


def parse_option(text: str) -> tuple[str, object]:
    """Parse an engine's option from the command line.

    Args:
        text: `key=value`; the value is JSON or plain text.

    Returns:
        Key and value.

    Raises:
        click.BadParameter: The key or the `=` is missing.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not of the form key=value")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
