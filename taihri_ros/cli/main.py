"""The `taihri` command: its subcommands and its error messages."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from taihri_ros import __version__
from taihri_ros.cli.run_signals import interrupts_raised
from taihri_ros.errors import TaihriError, install_extra
from taihri_ros.node.unread_log import UnreadLog

logger = logging.getLogger(__name__)

_COMMANDS = {
    "bag": "replay a recorded bag through the node's pipeline",
    "bench": "compare the latency of the node with that of the published recipe",
    "calibrate": "calibrate the uncertainty of a checkpoint on labelled images",
    "demo": "run node, engine and a simulated robot camera together",
    "doctor": "check the installation, and show how to fix what is missing",
    "engine": "install the engine environment, or run the engine process without the node",
    "eval": "evaluate a checkpoint on a data set",
    "label": "label the people in a recorded bag with depth images",
    "listen": "turn speech into commands for the node",
    "localize": "find joints in one image file",
    "model": "inspect, fetch, lock and verify a checkpoint",
    "run": "run the node without a ROS installation",
    "simulate": "publish a simulated robot camera and the true joints",
    "synth": "generate synthetic people with exact labels, as Parquet",
    "train": "train a model, from random weights or a published checkpoint",
    "view": "show in a browser what the robot sees and what the node makes of it",
}

_ONE_SHOT = ("bag", "calibrate", "doctor", "eval", "label", "localize")
"""Commands that print the engine's error themselves; the log would only repeat it."""

_NODES = ("listen", "run", "simulate")
"""Commands that run a node until a signal ends it."""

_EMBEDDED = ("cyclonedds", "rosbags")
"""Packages that only the embedded host needs."""


class _Commands(click.Group):
    """A group that loads a subcommand's module only when it is called, because each needs different packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"taihri_ros.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("-v", "--verbose", is_flag=True, help="Print debug messages.")
@click.pass_context
def taihri(context: click.Context, *, verbose: bool) -> None:
    """Find metric 3D keypoints of the person in front of a robot, from its camera and a command.

    \b
    Examples:
      taihri run --params-file config/taihri.yaml -r image:=/camera/image_raw -r camera_info:=/camera/camera_info
      taihri localize photo.jpg --camera-info camera.yaml --command "left_wrist, right_wrist" --json
      taihri doctor
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="[%(levelname)s] [%(name)s]: %(message)s",
        handlers=[_log_handler(context.invoked_subcommand)],
    )
    if context.invoked_subcommand in _ONE_SHOT and not verbose:
        logging.getLogger("taihri_ros.inference").setLevel(logging.CRITICAL)


def _log_handler(subcommand: str | None) -> logging.Handler:
    """Return what writes the log to stderr: that of a node never waits for its reader."""
    if subcommand in _NODES:
        with suppress(AttributeError, OSError, ValueError):  # stderr is closed, or is no file
            return UnreadLog(sys.stderr.fileno())
    return logging.StreamHandler(sys.stderr)


def main() -> None:
    """Run the `taihri` command. A user's error prints one line on stderr and exits with a non-zero code.

    So does what the system refuses: a full disk, a library that is missing, too little memory.
    """
    try:
        with interrupts_raised():
            status = taihri(prog_name="taihri", standalone_mode=False)
    except click.ClickException as error:
        _fail(f"{error.format_message()}{_help_hint(error)}", error.exit_code)
    except click.Abort:
        _fail("interrupted", 130)
    except TaihriError as error:
        _fail(str(error), 1)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EMBEDDED:
            raise
        _fail(f"{package} is not installed: {install_extra('embedded')}", 1)
    except (OSError, ImportError, MemoryError, RuntimeError) as error:
        reason = _refusal(error)
        if not reason:
            raise
        logger.debug("this happened here", exc_info=True)
        _fail(reason, 1)
    sys.exit(status if isinstance(status, int) else 0)


def _refusal(error: Exception) -> str:
    """Return what the system refused, and what to do; empty for an error that is none of the system's."""
    if isinstance(error, OSError):
        _forget_output()
        if isinstance(error, FileNotFoundError) and not error.filename:
            return "the working directory does not exist any more: change to another, and try again"
        place = f" ({os.fsencode(error.filename).decode('utf-8', 'replace')})" if error.filename else ""
        return f"{error.strerror or error}{place}: see to that, and try again; 'taihri -v' shows where it happened"
    if isinstance(error, ImportError):
        return f"{error}: a library is missing or damaged, or memory is short: install it, or taihri_ros again"
    if isinstance(error, MemoryError) or "can't start new thread" in str(error):
        return "memory or threads are short: end other programs, or raise the limits (ulimit -v, ulimit -u)"
    return ""


def _forget_output() -> None:
    """Throw away what cannot be written to stdout, so that Python does not try it again at its end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        sys.stdout = io.StringIO()


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"taihri: {' '.join(message.split())}", err=True)
    sys.exit(code)


def _help_hint(error: click.ClickException) -> str:
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
    return f" (see {path} --help)" if path else ""
