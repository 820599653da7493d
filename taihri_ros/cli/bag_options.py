"""Options of the subcommands that read a recorded bag."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from taihri_ros.cli.options import add_options

_OPTIONS = (
    click.option("--image", metavar="TOPIC", help="Image topic of the bag, if it has several."),
    click.option(
        "--camera-info",
        metavar="TOPIC|FILE",
        help="CameraInfo topic of the bag, if it has several. For a bag without (not in 'taihri view'): a calibration "
        "file.",
    ),
    click.option(
        "--camera", metavar="NAME", help="Camera of a calibration file that holds several, such as cam0 or LEFT_CAM_HD."
    ),
    click.option(
        "--depth", metavar="TOPIC", help="Depth topic of the bag, registered to the images; sets depth.enabled."
    ),
    click.option("--rectified", is_flag=True, help="The images are rectified: use P of CameraInfo."),
    click.option("--distro", default="jazzy", show_default=True, help="ROS 2 distribution that recorded the bag."),
)


def bag_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose the topics of a bag; with `engine_options`, use it below them.

    Args:
        command: The subcommand, which receives `distro`, the topics that were named as `inputs`, and the parameters
            that follow from them in `chosen`.

    Returns:
        The subcommand with the options.
    """

    @functools.wraps(command)
    def with_inputs(
        *,
        image: str | None,
        camera_info: str | None,
        camera: str | None,
        depth: str | None,
        rectified: bool,
        chosen: dict[str, Any] | None = None,
        **others: Any,
    ) -> None:
        chosen = {} if chosen is None else chosen
        named = {"image": image, "camera_info": camera_info, "camera": camera, "depth": depth}
        if rectified:
            chosen["rectified"] = True
        if depth is not None:
            chosen["depth.enabled"] = True
        command(chosen=chosen, inputs={name: topic for name, topic in named.items() if topic is not None}, **others)

    return add_options(with_inputs, _OPTIONS)
