"""Options of the subcommands that take the node's parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from taihri_ros.cli.options import add_options

_OPTIONS = (
    click.option(
        "--params-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        multiple=True,
        help="ROS 2 parameter file, as for ros2 launch. Repeatable.",
    ),
    click.option("-p", "--param", metavar="NAME:=VALUE", multiple=True, help="Set a parameter. Repeatable."),
    click.option(
        "-r", "--remap", metavar="FROM:=TO", multiple=True, help="Remap a topic, or __node or __ns. Repeatable."
    ),
)


def node_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for parameters and remapping rules, as `ros2 run` has them.

    Args:
        command: The subcommand, which receives `params_file`, `param` and `remap`.

    Returns:
        The subcommand with the options.
    """
    return add_options(command, _OPTIONS)
