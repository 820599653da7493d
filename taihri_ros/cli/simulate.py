"""`taihri simulate`: run the simulated robot camera."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from taihri_ros.cli.options import ros_args_option
from taihri_ros.cli.stop_signals import StopRequested, StopSignals, exit_stopped
from taihri_ros.errors import imports_of
from taihri_ros.node.stop_event import set_by_signals

if TYPE_CHECKING:
    from taihri_ros.synthetic.recorded_camera import DepthScene

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
@click.option(
    "--people",
    type=click.IntRange(1, 4),
    default=1,
    show_default=True,
    help="Number of people at the same time. Several walk across and past each other.",
)
@click.option(
    "--visitors",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of people who come one after another, each for 20 seconds. Their seeds follow each other: for other "
    "people, choose a --seed at least this much larger.",
)
@click.option(
    "--bag",
    type=click.Path(path_type=Path),
    help="Record a bag with registered depth instead of publishing; needs --duration, in the time of the simulation.",
)
@click.option("-r", "--remap", metavar="FROM:=TO", multiple=True, help="Remap a topic. Repeatable.")
@ros_args_option
@click.option("--distro", default="jazzy", show_default=True, help="ROS 2 distribution of the robot.")
def command(
    *,
    rate: float,
    size: tuple[int, int],
    seed: int,
    duration: float | None,
    gesture: str | None,
    people: int,
    visitors: int,
    bag: Path | None,
    remap: tuple[str, ...],
    distro: str,
) -> None:
    """Publish images of a simulated moving person, and the true positions of their joints.

    Images go to `image` and `camera_info`, the 22 joints to /sim/keypoints with the image's stamp. The person performs
    the gesture of each command on /taihri/command: after "shake my hand" they hold out a hand. Several people do not
    react to commands; the joints of all of them, 22 for each in the same order, go to /sim/people, and the boxes
    of those who can be seen to `detections` (vision_msgs/Detection2DArray).

    \b
    Examples:
      taihri simulate --rate 15 --size 640x480 --seed 3
      taihri simulate --bag recording --duration 160 --rate 5 --visitors 8
      taihri simulate --people 3
      taihri simulate --gesture hug -r image:=/camera/image_raw -r camera_info:=/camera/camera_info
    """
    from taihri_ros.synthetic.robot_camera import RobotCamera

    if people > 1 and (visitors > 1 or gesture is not None):
        raise click.UsageError("several people at the same time have no --visitors and no --gesture: leave them out")
    if bag is not None and duration is None:
        raise click.UsageError("--bag needs --duration: a recording has an end")
    with imports_of("synthetic,embedded"):
        from taihri_ros.synthetic.crossing_simulation import CrossingSimulation
        from taihri_ros.synthetic.simulation import RENDER_WIDTH_PX, Simulation

    def simulation(render_width: int) -> DepthScene:
        if people > 1:
            return CrossingSimulation(people=people, seed=seed, size=size, render_width=render_width)
        return Simulation(seed=seed, size=size, gesture=gesture, visitors=visitors, render_width=render_width)

    logger.info("generating people and room; the first time on a machine this takes half a minute")
    if bag is not None and duration is not None:
        _record(simulation(size[0]), bag, rate, max(1, round(duration * rate)), seed, distro)
        return
    stop = set_by_signals(Event())
    with RobotCamera(simulation(RENDER_WIDTH_PX), rate_hz=rate, distro=distro, remaps=remap) as camera:
        camera.run(stop, float("inf") if duration is None else duration)


def _record(simulation: DepthScene, bag: Path, rate: float, count: int, seed: int, distro: str) -> None:
    from taihri_ros.synthetic.recorded_camera import record

    recorded = 0
    with StopSignals() as signals:
        try:
            found = record(
                simulation, bag, rate_hz=rate, images=count, seed=seed, distro=distro, uninterrupted=signals.deferred
            )
            with (
                contextlib.closing(found) as steps,
                click.progressbar(length=count, label="images", file=sys.stderr) as bar,
            ):
                for recorded in steps:  # noqa: B007 - a signal may end the loop
                    bar.update(1)
        except StopRequested as request:
            exit_stopped(request, _summary(recorded, count, bag))
    click.echo(_summary(recorded, count, bag))


def _summary(recorded: int, count: int, bag: Path) -> str:
    return f"{recorded} of {count} images recorded, written to {click.format_filename(bag)}"
