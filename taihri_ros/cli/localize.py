"""`taihri localize`: find joints in one image file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from taihri_ros.body.glb import encode_glb
from taihri_ros.camera.calibration_files import read_camera
from taihri_ros.camera.picture_files import check_picture_name, printable, read_picture, write_picture
from taihri_ros.cli.options import engine_options, threshold_options
from taihri_ros.errors import TaihriError
from taihri_ros.localizer import Localizer, read_command
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.resources import write_file


@click.command("localize")
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--camera-info",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Calibration file: what 'ros2 topic echo --once /camera/camera_info' prints, YAML or INI of "
    "camera_calibration, YAML, XML or JSON of OpenCV, a camchain of Kalibr, COLMAP's cameras.txt, and others.",
)
@click.option("--camera", "camera_name", help="Camera of a calibration file that holds several, such as cam0.")
@click.option("--rectified", is_flag=True, help="The image is rectified: use P of the calibration.")
@click.option("--command", "text", required=True, help="Joint names, or a task in free words.")
@click.option(
    "--xy-source",
    type=click.Choice(["bins", "pixel"]),
    help="Take x and y from the 3D bins, or from the 2D pixel and the depth.",
)
@click.option(
    "--person-crop",
    type=click.Choice(["auto", "never"]),
    help="With a checkpoint that has learned zoomed views, show it the person through a longer focal length, too: one "
    "or a few more requests (auto, the default), or never.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--overlay", type=click.Path(dir_okay=False, path_type=Path), help="Write the image with the joints drawn into it."
)
@click.option(
    "--mesh",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Fit a body to all joints, and write its surface as a .glb file (binary glTF). The overlay shows its outline.",
)
@engine_options
@threshold_options
def command(
    *,
    image: Path,
    camera_info: Path,
    camera_name: str | None,
    rectified: bool,
    text: str,
    xy_source: str | None,
    person_crop: str | None,
    as_json: bool,
    overlay: Path | None,
    mesh: Path | None,
    chosen: dict[str, Any],
) -> None:
    """Find the joints that a command needs in one IMAGE.

    Positions are in metres, in the camera optical frame: x right, y down, z forward.

    \b
    Examples:
      taihri localize photo.jpg --camera-info camera.yaml --command "shake my hand" --model ~/TAIHRI
      taihri localize photo.jpg --camera-info camera.json --command "left_wrist" --json --overlay found.png
      taihri localize photo.jpg --camera-info camera.yaml --command "give me a hug" --mesh body.glb
    """
    if overlay is not None:
        check_picture_name(overlay)
    if mesh is not None:
        if mesh.suffix != ".glb":
            raise TaihriError(f"{mesh} is not a name for binary glTF: choose one that ends with .glb")
        chosen["body.enabled"] = True
    for written in (overlay, mesh):
        if written is not None and not written.parent.is_dir():
            raise TaihriError(f"there is no directory {printable(written.parent)} to write {written.name} to: make it")
    read_command(text)
    if xy_source is not None:
        chosen["xy_source"] = xy_source
    if person_crop is not None:
        chosen["person_crop.mode"] = person_crop
    camera = read_camera(camera_info, name=camera_name, rectified=rectified)
    picture = read_picture(image, check_size=camera.check_image)
    with Localizer(camera, parameters=chosen) as localizer:
        found = localizer.locate(picture, text)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(json.dumps(to_json(found.estimate), indent=2) if as_json else _table(found.estimate))
    if mesh is not None and found.body is not None:
        write_file(mesh, encode_glb([found.body]))
    elif mesh is not None:
        click.echo(f"note: {mesh} was not written: too few joints of the trunk were found to fit a body", err=True)
    if overlay is not None:
        write_picture(overlay, found.draw())


def to_json(estimate: Estimate) -> dict[str, Any]:
    """Convert an estimate to JSON types.

    Args:
        estimate: The estimate.

    Returns:
        command, model, presence and the thresholds in force, box (px), keypoints (m, camera optical frame; null where
        unknown), stages_ms and answer.
    """
    return {
        "command": estimate.command.text,
        "model": estimate.model,
        "presence": _numbers(np.float64(estimate.person.presence)),
        **estimate.thresholds._asdict(),
        "box": None if estimate.person.box is None else _numbers(estimate.person.box),
        "keypoints": {
            keypoint.name: {
                "state": keypoint.state.name,
                "reason": keypoint.reason,
                "position": _numbers(keypoint.position),
                "covariance": _numbers(keypoint.covariance),
                "confidence": _numbers(np.float64(keypoint.confidence)),
                "pixel": _numbers(keypoint.pixel),
            }
            for keypoint in estimate.person.keypoints
        },
        "stages_ms": {stage: round(duration, 3) for stage, duration in estimate.stages_ms.items()},
        "answer": estimate.answer,
    }


def _numbers(values: Any) -> Any:
    """Convert numbers to JSON types; None if any of them is not finite, which JSON cannot express."""
    return values.tolist() if np.all(np.isfinite(values)) else None


def _table(estimate: Estimate) -> str:
    lines = [f"{'joint':<15} {'x m':>7} {'y m':>7} {'z m':>7} {'confidence':>10}  pixel"]
    for keypoint in estimate.person.keypoints:
        if keypoint.has_position:
            x, y, z = keypoint.position
            u, v = keypoint.pixel
            pixel = f"{u:.0f}, {v:.0f}" if np.isfinite(keypoint.pixel).all() else keypoint.reason
            lines.append(f"{keypoint.name:<15} {x:7.3f} {y:7.3f} {z:7.3f} {keypoint.confidence:10.2f}  {pixel}")
        else:
            lines.append(f"{keypoint.name:<15} {keypoint.reason}")
    return "\n".join(lines) if len(lines) > 1 else "no joint was found"
