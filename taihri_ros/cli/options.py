"""Options that several subcommands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click


def engine_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose an engine and a checkpoint.

    Args:
        command: The subcommand; those options that were set come to it as `chosen`, values by parameter name.

    Returns:
        The subcommand with the options.
    """

    @click.option("--model", help="Directory of the checkpoint.")
    @click.option("--engine", type=click.Choice(["vllm", "transformers", "openai"]), help="What runs the model.")
    @click.option("--engine-python", help="Python interpreter of the engine's environment.")
    @click.option("--engine-url", help="Address of a remote vllm serve, with --engine openai.")
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
