"""Options of the subcommands that put the images of a data set to a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from taihri_ros.evaluation.datasets.readers import KINDS

_OPTIONS = (
    click.option("--data", required=True, help="PATH, or KIND:PATH, of the data set."),
    click.option(
        "--format", "kind", type=click.Choice(KINDS), help="Format of the data; told from PATH where it can be."
    ),
    click.option(
        "--images",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Directory that the image paths in a .npz or .npy are relative to.",
    ),
    click.option("--limit", type=click.IntRange(1), help="Use the first so many images."),
    click.option("--in-process", is_flag=True, help="Load the model in this process instead of an engine process."),
)


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose a data set and how its images are put to the model.

    Args:
        command: The subcommand; the options come to it as `data`, `kind`, `images`, `limit` and `in_process`.

    Returns:
        The subcommand with the options.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
