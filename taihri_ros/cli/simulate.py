"""`taihri simulate`: run the simulated robot camera."""

from __future__ import annotations

import logging
import signal
from threading import Event

import click

from taihri_ros.errors import TaihriError

logger = logging.getLogger(__name__)

_MIN_SIZE_PX = 16


def _read_size(context: click.Context, option: click.Parameter, value: str) -> tuple[int, int]:
    """Parse WIDTHxHEIGHT in px."""
    width, _, height = value.partition("x")
    if not (width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= _MIN_SIZE_PX):
        raise click.BadParameter(f"{value!r} is not a size such as 640x480", context, option)
    return int(width), int(height)


@click.command("simulate")
@click.option("--rate", type=click.FloatRange(0.1, 120), default=10.0, show_default=True, help="Images per second.")
@click.option("--size", callback=_read_size, default="640x480", show_default=True, help="Image size, px.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=6,
    show_default=True,
    help="Seed of person and room.",
)
@click.option("--duration", type=click.FloatRange(min=0), help="Duration in seconds; by default until interrupted.")
@click.option("--gesture", help="Gesture of the person while no command is active.")
@click.option("-r", "--remap", metavar="FROM:=TO", multiple=True, help="Remap a topic. Repeatable.")
@click.option("--distro", default="jazzy", show_default=True, help="ROS 2 distribution of the robot.")
def command(
    *,
    rate: float,
    size: tuple[int, int],
    seed: int,
    duration: float | None,
    gesture: str | None,
    remap: tuple[str, ...],
    distro: str,
) -> None:
    """Publish images of a simulated moving person, and the true positions of their joints.

    Images go to `image` and `camera_info`, the 22 joints to /sim/keypoints with the image's stamp. The person performs
    the gesture of each command on /taihri/command: after "shake my hand" they hold out a hand.

    \b
    Examples:
      taihri simulate --rate 15 --size 640x480 --seed 3
      taihri simulate --gesture hug -r image:=/camera/image_raw -r camera_info:=/camera/camera_info
    """
    from taihri_ros.synthetic.robot_camera import RobotCamera

    try:
        from taihri_ros.synthetic.simulation import Simulation
    except ModuleNotFoundError as error:
        raise TaihriError(f"{error.name} is not installed: pip install 'taihri_ros[synthetic,embedded]'") from error

    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    logger.info("generating person and room; the first time on a machine this takes half a minute")
    simulation = Simulation(seed=seed, size=size, gesture=gesture)
    with RobotCamera(simulation, rate_hz=rate, distro=distro, remaps=remap) as camera:
        camera.run(stop, float("inf") if duration is None else duration)
