"""Options that several subcommands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def engine_options(command: _Command) -> _Command:
    """Add the options that choose an engine and a checkpoint."""
    for option in (
        click.option("--engine-url", help="Address of a remote vllm serve, with --engine openai."),
        click.option("--engine-python", help="Python interpreter of the engine's environment."),
        click.option("--engine", type=click.Choice(["vllm", "transformers", "openai"]), help="What runs the model."),
        click.option("--model", help="Directory of the checkpoint."),
    ):
        command = option(command)
    return command


def engine_parameters(
    model: str | None, engine: str | None, engine_python: str | None, engine_url: str | None
) -> dict[str, Any]:
    """Give the values of `engine_options` that were set, by parameter name."""
    values = {
        "engine.model": model,
        "engine.kind": engine,
        "engine.python": engine_python,
        "engine.url": engine_url,
    }
    return {name: value for name, value in values.items() if value is not None}
