"""Options of the subcommands that run a model on the images of a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from taihri_ros.cli.options import add_options
from taihri_ros.evaluation.datasets.readers import KINDS

_OPTIONS = (
    click.option("--data", help="Data set, as PATH or KIND:PATH."),
    click.option(
        "--format",
        "kind",
        type=click.Choice(KINDS),
        help="Format of the data set. By default it is detected from PATH.",
    ),
    click.option(
        "--images",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Directory to which image paths in a .npz or .npy file are relative.",
    ),
    click.option("--limit", type=click.IntRange(1), help="Number of images to use, from the first on."),
    click.option("--in-process", is_flag=True, help="Load the model in this process instead of an engine process."),
)


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose a data set and how the model is run on it.

    Args:
        command: The subcommand, which receives `data`, `kind`, `images`, `limit` and `in_process`.

    Returns:
        The subcommand with the options.
    """
    return add_options(command, _OPTIONS)
