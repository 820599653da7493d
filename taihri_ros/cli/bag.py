"""`taihri bag`: replay a recorded bag through the node's pipeline."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from taihri_ros.cli.options import engine_options, threshold_options
from taihri_ros.commands.command import CommandError, parse_command
from taihri_ros.node.application import UNTRAINED_NOTE, make_tracker
from taihri_ros.node.configured_engine import ready_engine
from taihri_ros.node.parameters import Parameters


@click.command("bag")
@click.argument("bag", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Bag to write. It must not exist yet.")
@click.option("--command", "text", required=True, help="Joint names, or a task in free words.")
@click.option("--image", help="Image topic, if the bag has several.")
@click.option("--camera-info", help="CameraInfo topic, if the bag has several.")
@click.option("--rectified", is_flag=True, help="The images are rectified: use P of CameraInfo.")
@click.option(
    "--storage", type=click.Choice(["sqlite3", "mcap"]), default="sqlite3", show_default=True, help="Format to write."
)
@click.option("--distro", default="jazzy", show_default=True, help="ROS 2 distribution that recorded the bag.")
@engine_options
@threshold_options
def command(
    *,
    bag: Path,
    out: Path,
    text: str,
    image: str | None,
    camera_info: str | None,
    rectified: bool,
    storage: str,
    distro: str,
    chosen: dict[str, Any],
) -> None:
    """Replay a recorded BAG (sqlite3 or mcap), and write the results of every image to a new bag.

    The results have the stamps of the images.

    \b
    Examples:
      taihri bag recorded/ --out found/ --command "give me a hug" --model ~/TAIHRI
      taihri bag drive.mcap --out found/ --storage mcap --image /head/image_raw --command "left_wrist, right_wrist"
    """
    from taihri_ros.node.bags import BagReplay

    requested = parse_command(text)
    if requested is None:
        raise CommandError("'stop' requests no joints: name joints, or describe the task")
    parameters = Parameters.from_mapping({"rectified": rectified, **chosen})
    problems: Counter[str] = Counter()
    with (
        BagReplay(bag, out, image=image, camera_info=camera_info, storage=storage, distro=distro) as replay,
        ready_engine(parameters) as ready,
    ):
        tracker = make_tracker(ready, parameters)
        with click.progressbar(length=replay.images, label="images", file=sys.stderr) as bar:
            for problem in replay.replay(tracker, requested, parameters):
                problems.update([] if problem is None else [str(problem)])
                bar.update(1)
        for message, count in problems.most_common(5):
            click.echo(f"{count} dropped: {message}", err=True)
        if not ready.info.spec.trained:
            click.echo(f"note: {UNTRAINED_NOTE}", err=True)
        click.echo(f"{replay.published} of {replay.images} images answered, written to {out}")
