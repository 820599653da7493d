"""The true joints in a bag of the simulated camera: a data set with exact labels, and a measure for other labels."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.picture_files import printable
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.manifest import open_manifest
from taihri_ros.evaluation.labels.label_directory import IMAGES, MANIFEST, rounded, write_recorded
from taihri_ros.node.bag_frames import BagFrames
from taihri_ros.node.dds_host import RosTypes, resolve
from taihri_ros.node.messages import stamp_ns
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.recordings.message_types import MessageTypes
from taihri_ros.node.recordings.recording import Recording
from taihri_ros.resources import share_directory
from taihri_ros.skeleton import JOINTS
from taihri_ros.synthetic.robot_camera import NODE_NAME, TRUTH


def read_truth(bag: Path) -> dict[int, NDArray[np.float64]]:
    """Read the true joints of a bag that `taihri simulate` recorded.

    Args:
        bag: The bag.

    Returns:
        (22, 3) metres, camera optical frame, by the stamp of the image in nanoseconds.

    Raises:
        TaihriError: The bag cannot be read, or has no true joints.
    """
    topic = resolve(TRUTH.name, NODE_NAME)
    types = MessageTypes(RosTypes("jazzy", share_directory()))
    with Recording(bag) as recording:
        entries = recording.index([channel for channel in recording.channels if channel.topic == topic])
        messages = [types.deserialize(recording.read(entry), entry.channel) for entry in entries]
    if not messages:
        raise TaihriError(f"{printable(bag)} has no {topic}: record it with `taihri simulate --bag`")
    return {
        stamp_ns(message.header): np.array([(p.position.x, p.position.y, p.position.z) for p in message.poses])
        for message in messages
    }


def write_truth(bag: Path, out: Path, truths: Mapping[int, NDArray[np.float64]]) -> int:
    """Write the images of a bag with their true joints as a data set, `manifest.jsonl` and `images/`.

    Args:
        bag: The bag.
        out: The directory to write; it must not exist.
        truths: The true joints, from `read_truth`.

    Returns:
        The number of pictures.

    Raises:
        TaihriError: An image or the calibration cannot be read, or the directory exists or cannot be written.
    """
    lines = []
    try:
        (out / IMAGES).mkdir(parents=True)
        with BagFrames(bag, Parameters(), RosTypes("jazzy", share_directory())) as frames:
            for number, recorded in enumerate(frames.frames()):
                frame = frames.frame(recorded.message)
                if frame.stamp_ns not in truths:
                    continue
                find_camera = partial(frames.calibrations.camera, frame.stamp_ns, frame.frame_id)
                image = frame.decode(find_camera)
                line = {
                    "image": write_recorded(out, number, recorded.message, image),
                    "stamp_ns": frame.stamp_ns,
                    "camera_info": find_camera(image.shape[1], image.shape[0]).to_mapping(),
                    "joints": rounded(dict(zip(JOINTS, truths[frame.stamp_ns], strict=True))),
                }
                lines.append(json.dumps(line) + "\n")
        (out / MANIFEST).write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise TaihriError(f"cannot write {printable(out)}: {error.strerror}") from error
    return len(lines)


def label_errors_mm(manifest: Path, truths: Mapping[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the distances of labels from the truth.

    Args:
        manifest: The manifest of `taihri label`.
        truths: The true joints of the same bag, from `read_truth`.

    Returns:
        (pictures, 22) millimetres; NaN where there is no label.

    Raises:
        TaihriError: The manifest cannot be read, or it is not of this bag.
    """
    labels = [item.truth.joints for item in open_manifest(manifest).items()]
    stamps = [json.loads(line)["stamp_ns"] for line in manifest.read_text(encoding="utf-8").splitlines()]
    if not truths.keys() >= set(stamps):
        raise TaihriError(f"{printable(manifest)} has other stamps than the bag: label the same bag")
    distances = np.linalg.norm(np.array(labels) - np.array([truths[stamp] for stamp in stamps]), axis=2)
    return np.asarray(1e3 * distances)


def main() -> None:
    """Run `python -m taihri_ros.evaluation.labels.simulated_truth BAG [--out DIR] [--labels MANIFEST]`."""
    parser = argparse.ArgumentParser(description="True joints in a bag of `taihri simulate --bag`.")
    parser.add_argument("bag", type=Path)
    parser.add_argument("--out", type=Path, help="write the pictures with their true joints, as a data set")
    parser.add_argument("--labels", type=Path, help="measure the labels of this manifest of `taihri label`")
    arguments = parser.parse_args()
    try:
        truths = read_truth(arguments.bag)
        if arguments.out is not None:
            print(f"{write_truth(arguments.bag, arguments.out, truths)} pictures, written to {arguments.out}")
        if arguments.labels is not None:
            _report(label_errors_mm(arguments.labels, truths))
    except TaihriError as error:
        sys.exit(f"error: {error}")


def _report(errors: NDArray[np.float64]) -> None:
    for name, column in [("all joints", errors.ravel()), *zip(JOINTS, errors.T, strict=True)]:
        found = column[np.isfinite(column)]
        if found.size:
            half, most = np.percentile(found, (50, 95))
            print(f"{name:15} {found.size:6} labels, median {half:4.0f} mm, 95 % within {most:4.0f} mm")


if __name__ == "__main__":
    main()
