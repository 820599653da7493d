"""`taihri run`: run the node in the embedded host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from taihri_ros.cli import run_signals
from taihri_ros.cli.node_options import node_options, node_parameters
from taihri_ros.cli.options import engine_options
from taihri_ros.node.configured_engine import open_engine_for
from taihri_ros.node.stop_event import ignore_signals


@click.command("run")
@node_options
@click.option("--distro", default="jazzy", show_default=True, help="ROS 2 distribution of the robot.")
@click.option("--command", "initial", help="Command that is active from the start.")
@engine_options
def command(
    *,
    params_file: tuple[Path, ...],
    param: tuple[str, ...],
    remap: tuple[str, ...],
    distro: str,
    initial: str | None,
    chosen: dict[str, Any],
) -> None:
    """Run the node /taihri without a ROS installation, as a ROS 2 participant on DDS.

    \b
    Examples:
      taihri run --model ~/TAIHRI -r image:=/camera/image_raw -r camera_info:=/camera/camera_info
      ros2 topic pub --once /taihri/command std_msgs/msg/String "data: 'shake my hand'"
      ros2 topic echo /taihri/keypoints
    """
    stop = run_signals.catch()
    try:
        if initial is not None:
            chosen["command.initial"] = initial
        parameters = node_parameters(params_file, param, remap, chosen)
        from taihri_ros.node.dds_host.embedded_host import EmbeddedHost

        if stop.is_set():
            return
        with (
            open_engine_for(parameters) as open_engine,
            EmbeddedHost(parameters, open_engine, distro=distro, remaps=remap) as host,
        ):
            host.run(stop)
    finally:
        ignore_signals()
