"""Training pictures: wide canonical images, from which views are rendered (`viewpoints.py`), in files of many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.errors import TaihriError
from taihri_ros.synthetic.owners import Owner
from taihri_ros.training.data.backgrounds import OUTSIDE

_JPEG_QUALITY = 92
_EDGE_POINTS = 17
_EASY_INSIDE, _EASY_VISIBLE, _EASY_SPAN = 12, 8, 0.56
"""An easy picture: least number of joints inside and of visible ones, and least span as a share of the focal length."""


class LabelledImage(Protocol):
    """The input of a picture, such as a sample of the synthetic data set."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 RGB."""

    @property
    def camera(self) -> Camera:
        """Calibration of the camera."""

    @property
    def joints(self) -> NDArray[np.float32]:
        """(22, 3) metres, camera optical frame; NaN without a label."""

    @property
    def visibility(self) -> NDArray[np.int8]:
        """(22,) 0 visible, 1 occluded, -1 either, 2 out of the image or without a label."""

    @property
    def owners(self) -> NDArray[np.uint8] | None:
        """(height, width) owner of each pixel, or None; see `synthetic.dataset.Sample`."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A wide canonical image: no distortion, principal point at the centre, square pixels.

    Attributes:
        jpeg: The encoded image.
        focal_px: Focal length in px.
        size: Width and height in px.
        joints: (22, 3) float32 metres, frame of the canonical camera; NaN without a label.
        visibility: (22,) int8, 0 visible, 1 occluded, -1 either, 2 out of the image or without a label.
        owner_png: Encoded owner of each pixel as in `synthetic.dataset.Sample`, 255 outside the camera's image; None in
            files of earlier versions.
    """

    jpeg: bytes
    focal_px: float
    size: tuple[int, int]
    joints: NDArray[np.float32]
    visibility: NDArray[np.int8]
    owner_png: bytes | None = None

    @classmethod
    def make(cls, sample: LabelledImage, *, focal_px: float, max_side: int) -> Picture:
        """Render the canonical image of a sample.

        If the owners of the pixels are unknown, all could be the person's, so that no background replaces them.

        Args:
            sample: The sample.
            focal_px: Focal length of the picture in px.
            max_side: Largest width and height in px.

        Returns:
            The picture.
        """
        camera = sample.camera
        edge = np.linspace(0.0, 1.0, _EDGE_POINTS)
        border = np.concatenate([[(t, 0.0), (t, 1.0), (0.0, t), (1.0, t)] for t in edge])
        rays = camera.unproject(border * (camera.width - 1, camera.height - 1))
        reach = np.nanmax(np.abs(rays[:, :2]), axis=0) * focal_px
        width, height = (int(side) for side in np.minimum(2 * np.ceil(reach), max_side))
        view = CanonicalView(camera, focal_px, width, height, np.eye(3))
        _, jpeg = cv2.imencode(".jpg", view.render(sample.image)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        maps = camera.undistortion_maps(np.eye(3), view.camera.K, (width, height))
        owners = (
            np.full((camera.height, camera.width), Owner.PERSON, np.uint8) if sample.owners is None else sample.owners
        )
        edge_value = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": OUTSIDE}
        owners = cv2.remap(owners, *cv2.convertMaps(*maps, cv2.CV_16SC2), cv2.INTER_NEAREST, **edge_value)
        return cls(
            jpeg.tobytes(),
            focal_px,
            (width, height),
            np.asarray(sample.joints, np.float32),
            np.asarray(sample.visibility, np.int8),
            cv2.imencode(".png", owners)[1].tobytes(),
        )

    @property
    def camera(self) -> Camera:
        """The canonical camera of the picture."""
        return Camera.ideal(self.focal_px, *self.size)

    def image(self) -> NDArray[np.uint8]:
        """Decode the image.

        Returns:
            (height, width, 3) uint8 RGB.
        """
        decoded: Any = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(decoded[..., ::-1], np.uint8)

    def owners(self) -> NDArray[np.uint8] | None:
        """Decode the owner of each pixel.

        Returns:
            (height, width) uint8, or None if unknown.
        """
        if self.owner_png is None:
            return None
        return np.asarray(cv2.imdecode(np.frombuffer(self.owner_png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)

    def is_easy(self) -> bool:
        """Check whether most joints are visible and cover much of the image, which suits the start of a training."""
        inside = self.visibility < 2
        if inside.sum() < _EASY_INSIDE or (self.visibility == 0).sum() < _EASY_VISIBLE:
            return False
        pixels = project(self.joints, self.focal_px, self.size)[inside]
        return bool(np.ptp(pixels, axis=0).max() >= _EASY_SPAN * self.focal_px)


def project(joints: NDArray[np.floating], focal_px: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """Project points into a canonical view.

    Args:
        joints: (N, 3) metres, frame of the view.
        focal_px: Focal length in px.
        size: Width and height in px.

    Returns:
        (N, 2) px. The depth is at least 1 cm, so points behind the camera lie far outside the image.
    """
    depth = np.maximum(joints[:, 2:], 1e-2)
    centre = (np.array(size) - 1) / 2
    return np.asarray(joints[:, :2] / depth * focal_px + centre, np.float64)


def read_pictures(path: Path) -> list[Picture]:
    """Read the pictures of a file that `write_pictures` wrote."""
    with np.load(path) as stored:
        jpegs = _split(stored["jpeg"], stored["ends"])
        owners: list[bytes] = [b""] * len(jpegs)
        if "owners" in stored:
            owners = _split(stored["owners"], stored["owner_ends"])
        focal_px = float(stored["focal_px"])
        return [
            Picture(jpeg, focal_px, (int(width), int(height)), joints, visibility, png or None)
            for jpeg, (width, height), joints, visibility, png in zip(
                jpegs, stored["sizes"], stored["joints"], stored["visibility"], owners, strict=True
            )
        ]


def write_pictures(path: Path, pictures: Iterable[Picture]) -> None:
    """Write pictures of one focal length into one file, which is renamed into place when it is complete.

    Args:
        path: The `.npz` file.
        pictures: The pictures, at least one.

    Raises:
        TaihriError: The file cannot be written.
    """
    made = list(pictures)
    scratch = path.with_suffix(".part.npz")
    jpegs, owners = [picture.jpeg for picture in made], [picture.owner_png or b"" for picture in made]
    columns: dict[str, Any] = {
        "jpeg": np.frombuffer(b"".join(jpegs), np.uint8),
        "ends": np.cumsum([len(jpeg) for jpeg in jpegs]),
        "focal_px": made[0].focal_px,
        "sizes": np.array([picture.size for picture in made]),
        "joints": np.stack([picture.joints for picture in made]),
        "visibility": np.stack([picture.visibility for picture in made]),
        "owners": np.frombuffer(b"".join(owners), np.uint8),
        "owner_ends": np.cumsum([len(png) for png in owners]),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(scratch, **columns)
        scratch.rename(path)
    except OSError as error:
        raise TaihriError(f"cannot write {path}: {error}") from error


def _split(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[bytes]:
    return [data[start:end].tobytes() for start, end in zip([0, *ends[:-1]], ends, strict=True)]
