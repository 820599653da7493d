"""Training pictures: wide canonical images, from which views are rendered through random virtual cameras.

Rotating or cropping the canonical camera of TAIHRI (arXiv 2604.08921) is exact: the new image is a homography of the
old one, and the joints are rotated by the same rotation. One labelled picture is
therefore the source of any number of views.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.inference.checkpoint.layout import TOKEN_PX
from taihri_ros.pipeline.person_crop import extent, look_along
from taihri_ros.skeleton import JOINTS
from taihri_ros.training.data.backgrounds import OUTSIDE

ABSENT_M = 1000.0
"""Coordinates of the joints of a view without a person; far outside every range (metres)."""

_JPEG_QUALITY = 92
_EDGE_POINTS = 17
_EASY_INSIDE, _EASY_VISIBLE, _EASY_SPAN = 12, 8, 0.56
_SMALLER = 0.35
_ALL_JOINTS, _POSITION_NOISE_M, _MARGINS_M, _LEAST_PX = 0.5, 0.12, (0.4, 1.0), 3 * TOKEN_PX
"""Person crops: share that cover all joints, noise of the joint positions, limits of the margin, smallest side."""
_OTHER_SIDE = {"left": "right", "right": "left"}
_MIRROR = np.array([JOINTS.index("_".join(_OTHER_SIDE.get(word, word) for word in name.split("_"))) for name in JOINTS])
"""For each joint the index of its mirror image."""


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
        """(22, 3) metres, camera optical frame."""

    @property
    def visibility(self) -> NDArray[np.int8]:
        """(22,) 0 visible, 1 occluded, 2 out of the image."""

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
        joints: (22, 3) float32 metres, frame of the canonical camera.
        visibility: (22,) int8, 0 visible, 1 occluded, 2 out of the image.
        owner_png: Encoded owner of each pixel as in `synthetic.dataset.Sample`, 255 outside the camera's image; None if
            unknown.
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
        matrix = _matrix(focal_px, width, height)
        across, down = cv2.convertMaps(*camera.undistortion_maps(np.eye(3), matrix, (width, height)), cv2.CV_16SC2)
        canonical = cv2.remap(np.ascontiguousarray(sample.image), across, down, cv2.INTER_LINEAR)
        _, jpeg = cv2.imencode(".jpg", canonical[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        owner_png = None
        if sample.owners is not None:
            edge_value = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": OUTSIDE}
            owners = cv2.remap(sample.owners, across, down, cv2.INTER_NEAREST, **edge_value)
            owner_png = cv2.imencode(".png", owners)[1].tobytes()
        return cls(
            jpeg.tobytes(),
            focal_px,
            (width, height),
            np.asarray(sample.joints, np.float32),
            np.asarray(sample.visibility, np.int8),
            owner_png,
        )

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


@dataclass(frozen=True, eq=False)
class View:
    """An input image of the model with its labels.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        joints: (22, 3) float32 metres, frame of the view.
        pixels: (22, 2) float32 px, projections of the joints; they may lie outside the image.
        visibility: (22,) int8, 0 visible, 1 occluded, 2 out of the view.
        person: Whether the view shows a person; if not, all joints are out of the view and at `ABSENT_M`.
    """

    image: NDArray[np.uint8]
    joints: NDArray[np.float32]
    pixels: NDArray[np.float32]
    visibility: NDArray[np.int8]
    person: bool = True

    @classmethod
    def without_person(cls, image: NDArray[np.uint8]) -> View:
        """Return a view that shows nobody.

        Args:
            image: (height, width, 3) uint8 RGB.

        Returns:
            The view.
        """
        count = len(JOINTS)
        joints = np.full((count, 3), ABSENT_M, np.float32)
        return cls(image, joints, np.zeros((count, 2), np.float32), np.full(count, 2, np.int8), person=False)


@dataclass(frozen=True)
class Viewpoint:
    """A virtual camera at the optical centre of a picture.

    Attributes:
        focal_px: Focal length in px.
        size: Width and height in px.
        rotation_vector: Rotation from the frame of the picture to that of the view, axis times angle in radians.
        mirrored: Whether the image is mirrored and the left and right joints are exchanged.
    """

    focal_px: float
    size: tuple[int, int]
    rotation_vector: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mirrored: bool = False

    @classmethod
    def sample(
        cls,
        rng: np.random.Generator,
        picture: Picture,
        focal_px: float,
        *,
        max_side: int,
        degrees: tuple[float, float, float],
        person_crops: float = 0.0,
    ) -> Viewpoint:
        """Sample a random viewpoint: a full view, a smaller one, or a person crop.

        Args:
            rng: Random generator.
            picture: The picture to view.
            focal_px: Focal length in px.
            max_side: Largest width and height in px.
            degrees: Standard deviations of tilt, pan and roll, degrees.
            person_crops: Probability of a view centred on the person, as the node's `PersonCrop` makes them.

        Returns:
            The viewpoint.
        """
        if (
            rng.random() < person_crops
            and (found := cls._sample_person_crop(rng, picture, focal_px, max_side, degrees)) is not None
        ):
            return found
        tilt, pan, roll = (float(angle) for angle in np.radians(degrees) * rng.standard_normal(3))
        blocks = full_view_size(picture, focal_px, max_side) // TOKEN_PX
        if rng.random() < _SMALLER:
            blocks = np.maximum(blocks - rng.integers(0, 3, 2), np.minimum(blocks, 3))
        width, height = (int(side) for side in blocks * TOKEN_PX)
        return cls(focal_px, (width, height), (tilt, pan, roll), bool(rng.random() < 0.5))

    @classmethod
    def _sample_person_crop(
        cls,
        rng: np.random.Generator,
        picture: Picture,
        focal_px: float,
        max_side: int,
        degrees: tuple[float, float, float],
    ) -> Viewpoint | None:
        """Sample a view around noisy positions of some joints, with a margin; None when no joint is in the image."""
        inside = np.flatnonzero(picture.visibility < 2)
        if not len(inside):
            return None
        count = len(inside) if rng.random() < _ALL_JOINTS else int(rng.integers(1, len(inside) + 1))
        joints = picture.joints[rng.permutation(inside)[:count]]
        points = joints + _POSITION_NOISE_M * rng.standard_normal((count, 3))
        rotation = look_along((points / np.linalg.norm(points, axis=1, keepdims=True)).sum(axis=0))
        reach = np.abs(extent(points @ rotation.T, float(rng.uniform(*_MARGINS_M)))).max(axis=0)
        whole = full_view_size(picture, focal_px, max_side)
        size = np.clip(np.ceil(2.0 * focal_px * reach / TOKEN_PX) * TOKEN_PX, np.minimum(whole, _LEAST_PX), whole)
        turn = cv2.Rodrigues(rotation)[0][:, 0] + 0.5 * np.radians(degrees) * rng.standard_normal(3)
        tilt, pan, roll = turn.tolist()
        return cls(focal_px, (int(size[0]), int(size[1])), (tilt, pan, roll), bool(rng.random() < 0.5))

    @classmethod
    def plain(cls, picture: Picture, focal_px: float, max_side: int) -> Viewpoint:
        """Return the full view without rotation, as the node uses it."""
        width, height = (int(side) for side in full_view_size(picture, focal_px, max_side))
        return cls(focal_px, (width, height))

    def render(self, picture: Picture) -> View:
        """Render a picture from this viewpoint, with the labels in the frame of the view.

        Args:
            picture: The picture.

        Returns:
            The view.
        """
        warped = self._warp(picture, picture.image(), cv2.INTER_LINEAR, 0)
        rotation = cv2.Rodrigues(np.array(self.rotation_vector))[0]
        joints, visibility = picture.joints @ rotation.T, picture.visibility
        if self.mirrored:
            joints, visibility = (joints * [-1.0, 1.0, 1.0])[_MIRROR], visibility[_MIRROR]
        pixels = project(joints, self.focal_px, self.size)
        inside = (joints[:, 2] > 0.0) & (pixels > -0.5).all(axis=1) & (pixels < np.array(self.size) - 0.5).all(axis=1)
        return View(
            np.asarray(warped, np.uint8),
            joints.astype(np.float32),
            pixels.astype(np.float32),
            np.where(inside, visibility, 2).astype(np.int8),
        )

    def render_owners(self, picture: Picture) -> NDArray[np.uint8] | None:
        """Render the owner of each pixel from this viewpoint.

        Args:
            picture: The picture.

        Returns:
            (height, width) uint8, 255 outside the camera's image; None if the picture does not store owners.
        """
        owners = picture.owners()
        return None if owners is None else self._warp(picture, owners, cv2.INTER_NEAREST, OUTSIDE)

    def _warp(self, picture: Picture, image: NDArray[np.uint8], mode: int, outside: int) -> NDArray[np.uint8]:
        width, height = self.size
        rotation = cv2.Rodrigues(np.array(self.rotation_vector))[0]
        K_view = _matrix(self.focal_px, width, height)
        homography = K_view @ rotation @ np.linalg.inv(_matrix(picture.focal_px, image.shape[1], image.shape[0]))
        warped = cv2.warpPerspective(image, homography, (width, height), flags=mode, borderValue=(outside,) * 3)
        return np.asarray(np.ascontiguousarray(warped[:, ::-1]) if self.mirrored else warped, np.uint8)


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


def full_view_size(picture: Picture, focal_px: float, max_side: int) -> NDArray[np.int64]:
    """Return width and height of the view that shows a whole picture, (2,) px, multiples of a visual token."""
    size = np.array(picture.size) * focal_px / picture.focal_px
    return np.asarray(np.clip(np.ceil(size / TOKEN_PX), 1, max_side // TOKEN_PX) * TOKEN_PX, np.int64)


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


def write_pictures(path: Path, pictures: Iterator[Picture]) -> int:
    """Write pictures of one focal length into one file, which is renamed into place when it is complete.

    Args:
        path: The `.npz` file.
        pictures: The pictures, at least one.

    Returns:
        The number of pictures.
    """
    made = list(pictures)
    scratch = path.with_suffix(".part.npz")
    jpegs, owners = [picture.jpeg for picture in made], [picture.owner_png or b"" for picture in made]
    np.savez(
        scratch,
        jpeg=np.frombuffer(b"".join(jpegs), np.uint8),
        ends=np.cumsum([len(jpeg) for jpeg in jpegs]),
        focal_px=made[0].focal_px,
        sizes=np.array([picture.size for picture in made]),
        joints=np.stack([picture.joints for picture in made]),
        visibility=np.stack([picture.visibility for picture in made]),
        owners=np.frombuffer(b"".join(owners), np.uint8),
        owner_ends=np.cumsum([len(png) for png in owners]),
    )
    scratch.rename(path)
    return len(made)


def _split(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> list[bytes]:
    return [data[start:end].tobytes() for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _matrix(focal_px: float, width: int, height: int) -> NDArray[np.float64]:
    return np.array([[focal_px, 0.0, (width - 1) / 2], [0.0, focal_px, (height - 1) / 2], [0.0, 0.0, 1.0]])
