"""Options for pictures without people, of `taihri eval` and `taihri calibrate`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from taihri_ros.camera.calibration_files import read_camera
from taihri_ros.cli.options import add_options
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.belief.nobody_pictures import own_pictures, project_pictures
from taihri_ros.evaluation.datasets.items import Data
from taihri_ros.resources import expand_home

OF_THE_PROJECT = ""
"""Value of `--nobody` without a directory."""


def nobody_options(help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options that choose pictures without people.

    Args:
        help_text: Help of `--nobody`.

    Returns:
        A decorator of the subcommand, which receives `nobody`, `nobody_camera` and `nobody_limit`.
    """
    options = (
        click.option("--nobody", is_flag=False, flag_value=OF_THE_PROJECT, metavar="[DIR]", help=help_text),
        click.option(
            "--nobody-camera",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Calibration file of the camera that took the pictures in DIR. By default a pinhole of 69 degrees.",
        ),
        click.option(
            "--nobody-limit", type=click.IntRange(1), help="Number of pictures without people, from the first on."
        ),
    )
    return partial(add_options, options=options)


def open_nobody(directory: str, camera: Path | None, seed: int, count: int) -> Data:
    """Open the pictures without people.

    Args:
        directory: The user's directory, or `OF_THE_PROJECT`.
        camera: Calibration file of the directory's pictures.
        seed: Seed of the project's pictures.
        count: Number of the project's pictures.

    Returns:
        The pictures.

    Raises:
        TaihriError: There is no such directory, it holds no pictures, or the calibration cannot be read.
    """
    if directory == OF_THE_PROJECT:
        if camera is not None:
            raise TaihriError("--nobody-camera needs pictures of your own: --nobody DIR")
        return project_pictures(seed, count)
    return own_pictures(expand_home(directory), None if camera is None else read_camera(camera))
