"""Options that several subcommands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, get_args

import click

from taihri_ros.node.parameters import EngineKind

ros_args_option = click.option("--ros-args", is_flag=True, hidden=True, expose_value=False)
"""The option `--ros-args`, which stands before -p and -r under ROS 2, and changes nothing here."""


def add_options(
    command: Callable[..., None], options: Sequence[Callable[[Callable[..., None]], Callable[..., None]]]
) -> Callable[..., None]:
    """Add options to a subcommand.

    Args:
        command: The subcommand.
        options: The options, results of `click.option`, in the order of the help.

    Returns:
        The subcommand with the options.
    """
    for option in reversed(options):
        command = option(command)
    return command


def engine_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose an engine and a checkpoint.

    Args:
        command: The subcommand, which receives the options that were set as `chosen`, values by parameter name.

    Returns:
        The subcommand with the options.
    """

    @click.option("--model", help="Checkpoint directory. Default: the one of the package: nano, or mediapipe's.")
    @click.option(
        "--engine",
        type=click.Choice(get_args(EngineKind)),
        help="Engine that answers. mediapipe finds people on any CPU, without a language model.",
    )
    @click.option("--engine-python", help="Python interpreter of the engine environment.")
    @click.option("--engine-url", help="URL of a remote vllm serve, for --engine openai.")
    @functools.wraps(command)
    def with_engine(
        *, model: str | None, engine: str | None, engine_python: str | None, engine_url: str | None, **others: Any
    ) -> None:
        values = {
            "engine.model": model,
            "engine.kind": engine,
            "engine.python": engine_python,
            "engine.url": engine_url,
        }
        command(chosen={name: value for name, value in values.items() if value is not None}, **others)

    return with_engine


def threshold_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that set the thresholds for confidence and presence; use it below `engine_options`.

    Args:
        command: The subcommand, which receives the options that were set in `chosen`.

    Returns:
        The subcommand with the options.
    """

    @click.option(
        "--min-confidence",
        type=float,
        help="Confidence below which a joint is missing; 0 for every joint. Default: the checkpoint's.",
    )
    @click.option(
        "--min-presence",
        type=float,
        help="Presence of a person below which all joints are missing; 0 for never. Default: the checkpoint's.",
    )
    @functools.wraps(command)
    def with_thresholds(
        *, chosen: dict[str, Any], min_confidence: float | None, min_presence: float | None, **others: Any
    ) -> None:
        values = {"min_confidence": min_confidence, "min_presence": min_presence}
        command(chosen=chosen | {name: value for name, value in values.items() if value is not None}, **others)

    return with_thresholds
