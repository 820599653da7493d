"""The mean pose, a baseline that ignores the image; reports show it next to every metric of the model."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.items import Truth
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.skeleton import JOINTS

SHIPPED = Path(__file__).with_name("mean_pose.json")
"""The mean pose of the synthetic training data, written by `main`."""


@dataclass(frozen=True, eq=False)
class MeanPose:
    """The same answer for every image.

    Attributes:
        joints: (22, 3) metres, camera optical frame.
        source: Name of the data that it was computed from.
        images: Number of images.
    """

    joints: NDArray[np.float64]
    source: str
    images: int

    @classmethod
    def from_labels(cls, truths: Iterable[Truth], source: str) -> MeanPose:
        """Compute the mean of every joint over the images that contain it.

        A joint that no image contains is averaged over all its labels. A joint without labels gets the mean position of
        the other joints.

        Args:
            truths: The labels, usually of training data.
            source: Name of the data, for the report.

        Returns:
            The mean pose.

        Raises:
            TaihriError: No joint is labelled.
        """
        labels = list(truths)
        joints = np.array([truth.joints for truth in labels]).reshape(-1, len(JOINTS), 3)
        labelled = np.array([truth.labelled for truth in labels]).reshape(-1, len(JOINTS))
        if not labelled.any():
            raise TaihriError(f"{source} has no labelled joint: a mean pose needs labelled images")
        inside = np.array([truth.in_image for truth in labels])
        counted = np.where(inside.any(axis=0), inside, labelled)
        sums = np.where(counted[..., None], joints, 0.0).sum(axis=0)
        counts = counted.sum(axis=0)[:, None]
        everywhere = sums.sum(axis=0) / counts.sum()
        return cls(np.where(counts > 0, sums / np.maximum(counts, 1), everywhere), source, len(labels))

    @classmethod
    def read(cls, path: Path) -> MeanPose:
        """Read a mean pose from a file.

        Args:
            path: JSON file of `save`.

        Returns:
            The mean pose.

        Raises:
            TaihriError: The file is not a mean pose.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            joints = np.array([values["joints"][name] for name in JOINTS], np.float64)
            pose = cls(joints, str(values["source"]), int(values["images"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TaihriError(
                f"{path} is not a mean pose ({error!r}): "
                f"make one with `python -m taihri_ros.evaluation.mean_pose DATA --out {path}`"
            ) from error
        if joints.shape != (len(JOINTS), 3) or not np.isfinite(joints).all():
            raise TaihriError(f"{path} must have three finite numbers for every joint")
        return pose

    def save(self, path: Path) -> None:
        """Write the mean pose as JSON: `joints` by name in metres, rounded to 0.1 mm, `source` and `images`.

        Args:
            path: The file.
        """
        joints = {name: np.round(position, 4).tolist() for name, position in zip(JOINTS, self.joints, strict=True)}
        values = {"source": self.source, "images": self.images, "joints": joints}
        path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")

    def pixels(self, camera: Camera) -> NDArray[np.float64]:
        """Project the mean pose into an image.

        Args:
            camera: Camera of the image.

        Returns:
            (22, 2) px; the principal point for joints outside the field of view of the lens.
        """
        pixels = camera.project(self.joints)
        return np.where(np.isfinite(pixels), pixels, camera.K[:2, 2])


def main() -> None:
    """Write the mean pose of a data set: `python -m taihri_ros.evaluation.mean_pose out/train --out mean_pose.json`."""
    parser = argparse.ArgumentParser(description="Write the mean pose of a data set, usually training data.")
    parser.add_argument("data", help="PATH or KIND:PATH, as for taihri eval")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="file to write (default: the one in the package)")
    parser.add_argument("--name", help="name of the data in reports (default: its path)")
    parser.add_argument("--limit", type=int, help="use only this many images")
    arguments = parser.parse_args()
    try:
        items = itertools.islice(open_data(arguments.data).items(), arguments.limit)
        MeanPose.from_labels((item.truth for item in items), arguments.name or arguments.data).save(arguments.out)
    except TaihriError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
