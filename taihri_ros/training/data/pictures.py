"""Training pictures: made once as wide canonical images, seen anew every time through another virtual camera.

The canonical camera of TAIHRI (arXiv 2604.08921) makes turning a camera exact: the image of a camera that is turned, or
cropped, is a homography of the one that was taken, and its joints are rotated with it. One labelled picture
therefore gives as many views as are asked for.
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
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.inference.checkpoint.layout import TOKEN_PX
from taihri_ros.pipeline.person_crop import extent, look_along
from taihri_ros.skeleton import JOINTS

_JPEG_QUALITY = 92
_EDGE_POINTS = 17
_MUCH_INSIDE, _MUCH_VISIBLE, _MUCH_SPAN = 12, 8, 0.56
_SMALLER = 0.35
_ALL_JOINTS, _FOUND_OFF_M, _MARGINS_M, _LEAST_PX = 0.5, 0.12, (0.4, 1.0), 3 * TOKEN_PX
"""Of views that are aimed: how often at all joints, how far off these are found, margins around them, least side."""
_OTHER_SIDE = {"left": "right", "right": "left"}
_MIRROR = np.array([JOINTS.index("_".join(_OTHER_SIDE.get(word, word) for word in name.split("_"))) for name in JOINTS])
"""For each joint the index of its mirror image."""


class LabelledImage(Protocol):
    """What a picture is made of, such as a sample of the synthetic data set."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 RGB."""

    @property
    def camera(self) -> Camera:
        """Its calibration."""

    @property
    def joints(self) -> NDArray[np.float32]:
        """(22, 3) metres, camera optical frame."""

    @property
    def visibility(self) -> NDArray[np.int8]:
        """(22,) 0 visible, 1 occluded, 2 out of the image."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A wide canonical image: no distortion, centred principal point, square pixels.

    Attributes:
        jpeg: The encoded image.
        focal_px: Its focal length in px.
        size: Width and height in px.
        joints: (22, 3) float32 metres, frame of the canonical camera.
        visibility: (22,) int8, 0 visible, 1 occluded, 2 out of the image.
    """

    jpeg: bytes
    focal_px: float
    size: tuple[int, int]
    joints: NDArray[np.float32]
    visibility: NDArray[np.int8]

    @classmethod
    def make(cls, sample: LabelledImage, *, focal_px: float, max_side: int) -> Picture:
        """Draw the canonical image of a sample.

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
        undistort = cv2.fisheye if camera.model is DistortionModel.EQUIDISTANT else cv2
        across, down = undistort.initUndistortRectifyMap(
            camera.K, camera.D, np.eye(3), matrix, (width, height), cv2.CV_16SC2
        )
        drawn = cv2.remap(np.ascontiguousarray(sample.image), across, down, cv2.INTER_LINEAR)
        _, jpeg = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        return cls(
            jpeg.tobytes(),
            focal_px,
            (width, height),
            np.asarray(sample.joints, np.float32),
            np.asarray(sample.visibility, np.int8),
        )

    def image(self) -> NDArray[np.uint8]:
        """Decode the image, (height, width, 3) uint8 RGB."""
        decoded: Any = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(decoded[..., ::-1], np.uint8)

    def shows_much(self) -> bool:
        """Tell whether most joints are in the image, over much of it: an easy picture to begin with."""
        inside = self.visibility < 2
        if inside.sum() < _MUCH_INSIDE or (self.visibility == 0).sum() < _MUCH_VISIBLE:
            return False
        pixels = project(self.joints, self.focal_px, self.size)[inside]
        return bool(np.ptp(pixels, axis=0).max() >= _MUCH_SPAN * self.focal_px)


@dataclass(frozen=True, eq=False)
class View:
    """What the model is shown, and the truth in that view.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        joints: (22, 3) float32 metres, frame of the view.
        pixels: (22, 2) float32 px, the joints' projections, perhaps beyond the edge.
        visibility: (22,) int8, 0 visible, 1 occluded, 2 out of the view.
    """

    image: NDArray[np.uint8]
    joints: NDArray[np.float32]
    pixels: NDArray[np.float32]
    visibility: NDArray[np.int8]


@dataclass(frozen=True)
class Viewpoint:
    """A virtual camera at the optical centre of a picture.

    Attributes:
        focal_px: Focal length in px.
        size: Width and height in px.
        rotation_vector: Turn from the picture's frame to the view's, axis times radians.
        mirrored: Whether left and right are exchanged, of the image and of the joints' names.
    """

    focal_px: float
    size: tuple[int, int]
    rotation_vector: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mirrored: bool = False

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        picture: Picture,
        focal_px: float,
        *,
        max_side: int,
        degrees: tuple[float, float, float],
        person_crops: float = 0.0,
    ) -> Viewpoint:
        """Draw a viewpoint at random: the size that shows the whole picture, or a smaller one, or one for the person.

        Args:
            rng: Source of randomness.
            picture: What is to be seen.
            focal_px: Focal length in px.
            max_side: Largest width and height in px.
            degrees: Standard deviations of tilt, pan and roll.
            person_crops: How often it turns toward the person and shows not much more, as the node's fovea does.

        Returns:
            The viewpoint.
        """
        if (
            rng.random() < person_crops
            and (found := cls._person_crops(rng, picture, focal_px, max_side, degrees)) is not None
        ):
            return found
        tilt, pan, roll = (float(angle) for angle in np.radians(degrees) * rng.standard_normal(3))
        blocks = whole_size(picture, focal_px, max_side) // TOKEN_PX
        if rng.random() < _SMALLER:
            blocks = np.maximum(blocks - rng.integers(0, 3, 2), np.minimum(blocks, 3))
        width, height = (int(side) for side in blocks * TOKEN_PX)
        return cls(focal_px, (width, height), (tilt, pan, roll), bool(rng.random() < 0.5))

    @classmethod
    def _person_crops(
        cls,
        rng: np.random.Generator,
        picture: Picture,
        focal_px: float,
        max_side: int,
        degrees: tuple[float, float, float],
    ) -> Viewpoint | None:
        """Turn toward some of the joints in the image, as far off as they are found, with a margin around them."""
        inside = np.flatnonzero(picture.visibility < 2)
        if not len(inside):
            return None
        count = len(inside) if rng.random() < _ALL_JOINTS else int(rng.integers(1, len(inside) + 1))
        joints = picture.joints[rng.permutation(inside)[:count]]
        points = joints + _FOUND_OFF_M * rng.standard_normal((count, 3))
        rotation = look_along((points / np.linalg.norm(points, axis=1, keepdims=True)).sum(axis=0))
        reach = np.abs(extent(points @ rotation.T, float(rng.uniform(*_MARGINS_M)))).max(axis=0)
        whole = whole_size(picture, focal_px, max_side)
        size = np.clip(np.ceil(2.0 * focal_px * reach / TOKEN_PX) * TOKEN_PX, np.minimum(whole, _LEAST_PX), whole)
        turn = cv2.Rodrigues(rotation)[0][:, 0] + 0.5 * np.radians(degrees) * rng.standard_normal(3)
        tilt, pan, roll = turn.tolist()
        return cls(focal_px, (int(size[0]), int(size[1])), (tilt, pan, roll), bool(rng.random() < 0.5))

    @classmethod
    def plain(cls, picture: Picture, focal_px: float, max_side: int) -> Viewpoint:
        """Give the viewpoint that the node would take: straight, and as large as it must be."""
        width, height = (int(side) for side in whole_size(picture, focal_px, max_side))
        return cls(focal_px, (width, height))

    def see(self, picture: Picture) -> View:
        """Draw what this camera sees of a picture, and turn the labels with it.

        Args:
            picture: The picture.

        Returns:
            The view.
        """
        image = picture.image()
        width, height = self.size
        rotation = cv2.Rodrigues(np.array(self.rotation_vector))[0]
        K_view = _matrix(self.focal_px, width, height)
        homography = K_view @ rotation @ np.linalg.inv(_matrix(picture.focal_px, image.shape[1], image.shape[0]))
        drawn = cv2.warpPerspective(image, homography, (width, height), flags=cv2.INTER_LINEAR)
        joints, visibility = picture.joints @ rotation.T, picture.visibility
        if self.mirrored:
            drawn = np.ascontiguousarray(drawn[:, ::-1])
            joints, visibility = (joints * [-1.0, 1.0, 1.0])[_MIRROR], visibility[_MIRROR]
        pixels = project(joints, self.focal_px, self.size)
        inside = (joints[:, 2] > 0.0) & (pixels > -0.5).all(axis=1) & (pixels < np.array(self.size) - 0.5).all(axis=1)
        return View(
            np.asarray(drawn, np.uint8),
            joints.astype(np.float32),
            pixels.astype(np.float32),
            np.where(inside, visibility, 2).astype(np.int8),
        )


def project(joints: NDArray[np.floating], focal_px: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """Project points into a canonical view.

    Args:
        joints: (N, 3) metres, frame of the view.
        focal_px: Focal length in px.
        size: Width and height in px.

    Returns:
        (N, 2) px; far outside for what lies behind the camera.
    """
    depth = np.maximum(joints[:, 2:], 1e-2)
    centre = (np.array(size) - 1) / 2
    return np.asarray(joints[:, :2] / depth * focal_px + centre, np.float64)


def whole_size(picture: Picture, focal_px: float, max_side: int) -> NDArray[np.int64]:
    """Give the size of a view of a focal length that shows a whole picture: multiples of a visual token, (2,) px."""
    size = np.array(picture.size) * focal_px / picture.focal_px
    return np.asarray(np.clip(np.ceil(size / TOKEN_PX), 1, max_side // TOKEN_PX) * TOKEN_PX, np.int64)


def read_pictures(path: Path) -> list[Picture]:
    """Read the pictures of one file that `write_pictures` made."""
    with np.load(path) as stored:
        data, ends = stored["jpeg"], stored["ends"]
        return [
            Picture(data[start:end].tobytes(), float(stored["focal_px"]), (int(width), int(height)), joints, visibility)
            for start, end, (width, height), joints, visibility in zip(
                [0, *ends[:-1]], ends, stored["sizes"], stored["joints"], stored["visibility"], strict=True
            )
        ]


def write_pictures(path: Path, pictures: Iterator[Picture]) -> int:
    """Write pictures of one focal length into one file, which appears whole.

    Args:
        path: The file, `.npz`.
        pictures: The pictures, at least one.

    Returns:
        How many there were.
    """
    made = list(pictures)
    scratch = path.with_suffix(".part.npz")
    np.savez(
        scratch,
        jpeg=np.frombuffer(b"".join(picture.jpeg for picture in made), np.uint8),
        ends=np.cumsum([len(picture.jpeg) for picture in made]),
        focal_px=made[0].focal_px,
        sizes=np.array([picture.size for picture in made]),
        joints=np.stack([picture.joints for picture in made]),
        visibility=np.stack([picture.visibility for picture in made]),
    )
    scratch.rename(path)
    return len(made)


def _matrix(focal_px: float, width: int, height: int) -> NDArray[np.float64]:
    return np.array([[focal_px, 0.0, (width - 1) / 2], [0.0, focal_px, (height - 1) / 2], [0.0, 0.0, 1.0]])
