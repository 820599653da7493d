"""`taihri label`: label the pictures of a recorded RGB-D bag."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taihri_ros.cli.bag_options import bag_options
from taihri_ros.cli.node_options import node_options, node_parameters
from taihri_ros.cli.options import engine_options
from taihri_ros.cli.stop_signals import StopRequested, StopSignals, exit_stopped
from taihri_ros.node.configured_engine import ready_engine

if TYPE_CHECKING:
    from taihri_ros.evaluation.labels.bag_labels import BagLabels

LIGHT_ENGINE = "mediapipe"


@click.command("label")
@click.argument("bag", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Directory to write. It must not exist yet."
)
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Look at each n-th image only.")
@click.option(
    "--max",
    "maximum",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Largest number of images to look at, spread over the bag.",
)
@node_options
@engine_options
@bag_options
def command(
    *,
    bag: Path,
    out: Path,
    every: int,
    maximum: int,
    inputs: dict[str, str],
    distro: str,
    params_file: tuple[Path, ...],
    param: tuple[str, ...],
    remap: tuple[str, ...],
    chosen: dict[str, Any],
) -> None:
    """Label the people in a recorded BAG with 3D joints, from their pixels and the depth images.

    An engine finds the joints in the images, by default the light engine, and the depth images, registered to the
    colour images, say how far away they are. A joint whose depth is not the body's is left out. The result,
    manifest.jsonl, is a data set for `taihri eval`, `taihri calibrate` and `taihri train`. Look at labels.png first.

    \b
    Examples:
      taihri label recording --out labels --depth /camera/aligned_depth_to_color/image_raw
      taihri label drive.mcap --out labels --image /head/image_raw --depth /head/depth --every 10 --max 1000
    """
    from taihri_ros.evaluation.labels.bag_labels import BagLabels

    chosen["depth.enabled"] = True
    if chosen.setdefault("engine.kind", LIGHT_ENGINE) == LIGHT_ENGINE:  # a file of the robot names another model
        chosen = {"engine.model": "", "engine.python": "", **chosen}
    parameters = node_parameters(params_file, param, remap, chosen)
    labels: BagLabels | None = None
    with StopSignals() as signals:
        try:
            with (
                BagLabels(
                    bag,
                    out,
                    parameters,
                    inputs=inputs,
                    remaps=remap,
                    distro=distro,
                    every=every,
                    maximum=maximum,
                    uninterrupted=signals.deferred,
                ) as labels,
                ready_engine(parameters, tracking=False) as engine,
                click.progressbar(length=len(labels.chosen), label="images", file=sys.stderr) as bar,
            ):
                for _ in labels.label(engine):
                    bar.update(1)
        except StopRequested as request:
            exit_stopped(request, _summary(labels, out))
    for problem in labels.problems:
        click.echo(f"note: {problem}", err=True)
    directory = labels.directory
    for title, counts in (("images without labels", directory.skipped), ("joints left out", directory.left_out)):
        for reason, count in counts.most_common():
            click.echo(f"{title}: {count:6} {reason}")
    click.echo(_summary(labels, out))


def _summary(labels: BagLabels | None, out: Path) -> str:
    if labels is None or not labels.directory.labelled:
        return "nothing was written"
    directory = labels.directory
    return (
        f"{directory.labelled} of {len(labels.chosen)} images labelled with {directory.joints} joints, written to "
        f"{click.format_filename(out)}: manifest.jsonl, labels.png (look at it)"
    )
