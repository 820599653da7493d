"""`taihri bag`: replay a recorded bag through the node's pipeline."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taihri_ros.cli.bag_options import bag_options
from taihri_ros.cli.node_options import node_options, node_parameters
from taihri_ros.cli.options import engine_options, threshold_options
from taihri_ros.cli.stop_signals import StopRequested, StopSignals, exit_stopped
from taihri_ros.commands.command import Command, CommandError, parse_command, refuse_stop
from taihri_ros.node.application import UNTRAINED_NOTE
from taihri_ros.node.configured_engine import ready_engine
from taihri_ros.node.configured_tracker import make_tracker
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.people.group_tracker import no_boxes

if TYPE_CHECKING:
    from taihri_ros.node.bags import BagReplay

_SHOWN = 5
"""Largest number of different reasons for dropped images that are printed."""


@click.command("bag")
@click.argument("bag", type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Bag to write. It must not exist yet.")
@click.option("--command", "text", help="Joint names, or a task in free words. Default: the parameter command.initial.")
@click.option(
    "--storage", type=click.Choice(["sqlite3", "mcap"]), default="sqlite3", show_default=True, help="Format to write."
)
@click.option(
    "--detections",
    metavar="TOPIC",
    help="Detections topic of the bag (vision_msgs/Detection2DArray); sets people.enabled and people.detections.",
)
@node_options
@engine_options
@threshold_options
@bag_options
def command(
    *,
    bag: Path,
    out: Path,
    text: str | None,
    detections: str | None,
    inputs: dict[str, str],
    storage: str,
    distro: str,
    params_file: tuple[Path, ...],
    param: tuple[str, ...],
    remap: tuple[str, ...],
    chosen: dict[str, Any],
) -> None:
    """Replay a recorded BAG (sqlite3 or mcap), and write the results of every image to a new bag.

    Every image is answered as the node with the same parameters would answer it if it kept up with the camera. The
    results have the stamps of the images. A bag without metadata.yaml, or without its end, is read as far as it goes.

    \b
    Examples:
      taihri bag recorded/ --out found/ --command "give me a hug" --model ~/TAIHRI
      taihri bag drive.mcap --out found/ --storage mcap --image /head/image_raw --command "left_wrist, right_wrist"
      taihri bag recorded/ --out found/ --params-file robot.yaml -p filter.enabled:=true --depth /head/depth
      taihri bag recorded/ --out found/ --command "give me a hug" --detections /yolo/people
    """
    from taihri_ros.node.bags import BagReplay

    if detections is not None:
        chosen |= {"people.enabled": True, "people.detections": True}
        inputs["detections"] = detections
    parameters = node_parameters(params_file, param, remap, chosen)
    requested = _read_command(text, parameters)
    dropped: Counter[str] = Counter()
    notes: list[str] = []
    replay: BagReplay | None = None
    with StopSignals() as signals:
        try:
            with (
                BagReplay(
                    bag,
                    out,
                    parameters,
                    inputs=inputs,
                    remaps=remap,
                    storage=storage,
                    distro=distro,
                    uninterrupted=signals.deferred,
                ) as replay,
                ready_engine(parameters) as ready,
            ):
                tracker = make_tracker(ready, parameters, replay.boxes_at if parameters.people_detections else no_boxes)
                with click.progressbar(length=replay.images, label="images", file=sys.stderr) as bar:
                    for problem in replay.replay(tracker, requested):
                        dropped.update([] if problem is None else [str(problem)])
                        bar.update(1)
                if replay.published == replay.without_joints > 0:
                    notes.append(tracker.selection(requested).reason)
                if not ready.info.spec.trained:
                    notes.append(UNTRAINED_NOTE)
        except StopRequested as request:
            exit_stopped(request, _summary(replay, out))
    for message, count in dropped.most_common(_SHOWN):
        click.echo(f"{count} dropped: {message}", err=True)
    for note in (*replay.problems, *(f"{text} ({count} times)" for text, count in replay.notes.items()), *notes):
        click.echo(f"note: {note}", err=True)
    click.echo(_summary(replay, out))


def _read_command(text: str | None, parameters: Parameters) -> Command:
    """Return the command, within the limits that the parameters set for the node."""
    text = parameters.command_initial if text is None else text
    if not text:
        raise CommandError("no command: choose one with --command, or set the parameter command.initial")
    return refuse_stop(parse_command(text, max_length=parameters.command_max_length, allow=parameters.command_allow))


def _summary(replay: BagReplay | None, out: Path) -> str:
    if replay is None or not replay.started:
        return "nothing was written"
    return f"{replay.published} of {replay.images} images answered, written to {click.format_filename(out)}"
