"""Options of the subcommands that take the node's parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from taihri_ros.cli.options import add_options, ros_args_option
from taihri_ros.node.parameter_files import read_parameters
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.topics import NODE_NAME

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
    ros_args_option,
)


def node_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for parameters and remapping rules, as `ros2 run` has them.

    Args:
        command: The subcommand, which receives `params_file`, `param` and `remap`.

    Returns:
        The subcommand with the options.
    """
    return add_options(command, _OPTIONS)


def node_parameters(
    params_file: tuple[Path, ...], param: tuple[str, ...], remap: tuple[str, ...], chosen: dict[str, Any]
) -> Parameters:
    """Return the node's parameters, of its name and namespace after the remapping rules.

    Args:
        params_file: ROS 2 parameter files.
        param: Single parameters, each `NAME:=VALUE`.
        remap: Remapping rules, each `FROM:=TO`.
        chosen: Parameters from other options, which win.

    Returns:
        The parameters.

    Raises:
        TaihriError: A file or a rule is not valid, or a parameter is unknown or out of range.
    """
    from taihri_ros.node.dds_host import node_identity

    node, namespace = node_identity(NODE_NAME, remaps=remap)
    return read_parameters(params_file, param, chosen=chosen, node=node, namespace=namespace)
