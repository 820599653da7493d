"""The image that the model is shown: undistorted, centred, and of the focal length that it learned with.

TAIHRI (arXiv 2604.08921) knows the camera only through a canonical focal length. Every source image is
therefore drawn anew as an ideal camera would have seen it, in one remap; what the model answers is taken back
exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera import Camera, CameraError, DistortionModel

_ANTIALIAS_BELOW = 0.6
"""Bilinear interpolation skips source pixels where the view is smaller than this part of the source."""

_ROWS_AT_ONCE = 16
"""Rows of the view that are mapped at once; OpenCV's derivatives of all of them would take 200 MB."""

_GRID_SIDE = 65
"""Points along each side of an image by which it is measured what one camera sees of the other; odd."""


@dataclass(frozen=True, eq=False)
class CanonicalView:
    """An ideal pinhole camera at the source camera's optical centre, and the remap that draws its image.

    Its frame is the source's optical frame turned by `R_view_from_camera`: p_view = R p_camera. Its
    principal point is the centre of its image, ((width - 1) / 2, (height - 1) / 2); whole numbers are centres
    of pixels.

    Attributes:
        source: The camera whose images are drawn.
        focal_px: Focal length of the view, pixels.
        width: Width of the view, pixels.
        height: Height of the view, pixels.
        R_view_from_camera: Rotation from the camera's optical frame to the view's, float64 (3, 3).
    """

    source: Camera
    focal_px: float
    width: int
    height: int
    R_view_from_camera: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Take a read-only copy of the rotation and check it."""
        object.__setattr__(self, "R_view_from_camera", _rotation_matrix(self.R_view_from_camera))

    @classmethod
    def fit(
        cls,
        camera: Camera,
        *,
        focal_px: float = 1000.0,
        max_size: tuple[int, int] = (1400, 1400),
        min_pixels: int = 16 * 28 * 28,
        max_pixels: int = 2560 * 28 * 28,
        multiple: int = 32,
        rotation: ArrayLike | None = None,
    ) -> CanonicalView:
        """Choose the smallest view that shows the whole source image within the model's limits.

        What is too large is cropped around the centre, never scaled: the focal length is how the model
        measures depth. What is too small is surrounded with black.

        Args:
            camera: The source camera.
            focal_px: Focal length that the model was trained with, pixels.
            max_size: Largest width and height, pixels.
            min_pixels: Smallest area, pixels.
            max_pixels: Largest area, pixels.
            multiple: Width and height are multiples of this: the side of a visual token.
            rotation: From the camera's optical frame to the view's, (3, 3); none by default.

        Returns:
            The view.

        Raises:
            CameraError: No size keeps the limits, the view would show nothing of the source, or the rotation
                is none.

        """
        R_view_from_camera = _rotation_matrix(np.eye(3) if rotation is None else rotation)
        shown = _distances_from_centre(camera, focal_px, R_view_from_camera)
        limit = np.array(max_size) // multiple * multiple
        needed = np.minimum(2.0 * shown.max(axis=0, initial=0.0), limit)
        width, height = _choose_size(needed, limit // multiple, multiple, (min_pixels, max_pixels))
        view = cls(camera, focal_px, width, height, R_view_from_camera)
        if not view._sees_source():
            raise CameraError(
                f"a view of {width}x{height} in the chosen direction shows nothing of the camera's image: correct the "
                "view's rotation, or the principal point in camera_info"
            )
        return view

    @cached_property
    def camera(self) -> Camera:
        """The view as a camera: its K, without distortion."""
        centre_x, centre_y = (self.width - 1) / 2, (self.height - 1) / 2
        matrix = np.array([[self.focal_px, 0.0, centre_x], [0.0, self.focal_px, centre_y], [0.0, 0.0, 1.0]])
        return Camera(self.width, self.height, matrix, np.empty(0), DistortionModel.NONE)

    def render(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw the view. What lies outside of the source image is black.

        Args:
            image: Source image, uint8 (H, W, 3), channels in any order.

        Returns:
            uint8 (height, width, 3), contiguous, channels in the same order.

        Raises:
            CameraError: The image is not of the source camera's size, or not uint8 with three channels.

        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise CameraError(f"image must be uint8 (height, width, 3), not {image.dtype} {image.shape}")
        self.source.check_image(image.shape[1], image.shape[0])
        reduction, whole, fraction = self._remap
        if reduction > 1:
            width, height = self.source.width // reduction, self.source.height // reduction
            divisible = image[: height * reduction, : width * reduction]
            image = np.asarray(cv2.resize(divisible, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        drawn = cv2.remap(image, whole, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(drawn, np.uint8)

    def view_to_source_pixels(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Find where pixels of the view lie in the source image.

        Args:
            pixels: (N, 2) pixels of the view.

        Returns:
            float64 (N, 2) pixels of the source, perhaps beyond its edge; NaN where its lens cannot see.

        """
        return self.source.project(self.points_to_camera(self.view_rays(pixels)))

    def source_to_view_pixels(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Find where pixels of the source image lie in the view.

        Args:
            pixels: (N, 2) pixels of the source.

        Returns:
            float64 (N, 2) pixels of the view, perhaps beyond its edge; NaN behind the view.

        """
        return self.camera.project(self.points_to_view(self.source.unproject(pixels)))

    def view_rays(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Find the rays that pixels of the view look along; a depth times its ray is a point.

        Args:
            pixels: (N, 2) pixels of the view.

        Returns:
            float64 (N, 3) rays (x, y, 1), view's frame.

        """
        return self.camera.unproject(pixels)

    def points_to_camera(self, points: ArrayLike) -> NDArray[np.float64]:
        """Turn points or rays from the view's frame into the camera's optical frame.

        Args:
            points: (N, 3), view's frame.

        Returns:
            float64 (N, 3), camera optical frame, same unit.

        """
        turned: NDArray[np.float64] = np.asarray(points, np.float64).reshape(-1, 3) @ self.R_view_from_camera
        return turned

    def points_to_view(self, points: ArrayLike) -> NDArray[np.float64]:
        """Turn points or rays from the camera's optical frame into the view's frame.

        Args:
            points: (N, 3), camera optical frame.

        Returns:
            float64 (N, 3), view's frame, same unit.

        """
        turned: NDArray[np.float64] = np.asarray(points, np.float64).reshape(-1, 3) @ self.R_view_from_camera.T
        return turned

    def covariances_to_camera(self, covariances: ArrayLike) -> NDArray[np.float64]:
        """Turn covariances of points from the view's frame into the camera's optical frame.

        Args:
            covariances: (N, 3, 3), view's frame.

        Returns:
            float64 (N, 3, 3), camera optical frame, same unit.

        """
        rotation = self.R_view_from_camera
        turned: NDArray[np.float64] = rotation.T @ np.asarray(covariances, np.float64).reshape(-1, 3, 3) @ rotation
        return turned

    def _sees_source(self) -> bool:
        """Tell whether anything of the source image is in the view."""
        sources = self.view_to_source_pixels(_grid(self.width, self.height))
        edge = [self.source.width - 0.5, self.source.height - 0.5]
        return bool(((sources >= -0.5) & (sources <= edge)).all(axis=1).any())

    @cached_property
    def _remap(self) -> tuple[int, NDArray[np.int16], NDArray[np.uint16]]:
        """Compute OpenCV's fixed-point maps from the view into the source reduced by a whole factor.

        The reduction averages the source pixels that bilinear interpolation would otherwise skip.
        """
        shrinkage = float(np.sqrt(self.source.K[0, 0] * self.source.K[1, 1])) / self.focal_px
        reduction = round(shrinkage) if shrinkage > 1.0 / _ANTIALIAS_BELOW else 1
        places: NDArray[np.float32] = np.empty((self.height, self.width, 2), np.float32)
        for rows in np.array_split(np.arange(self.height), -(-self.height // _ROWS_AT_ONCE)):
            pixels = np.stack(np.meshgrid(np.arange(self.width), rows), axis=-1)
            sources = self.view_to_source_pixels(pixels.reshape(-1, 2)).reshape(pixels.shape)
            places[rows] = (sources + 0.5) / reduction - 0.5
        beyond = max(self.source.width, self.source.height) + 1.0
        places = np.clip(np.nan_to_num(places, nan=-2.0), -2.0, beyond)
        whole, fraction = cv2.convertMaps(places[..., 0], places[..., 1], cv2.CV_16SC2)
        return reduction, np.asarray(whole, np.int16), np.asarray(fraction, np.uint16)


def _rotation_matrix(values: ArrayLike) -> NDArray[np.float64]:
    """Check that the values are a rotation and return them read-only, (3, 3)."""
    rotation = np.array(values, dtype=np.float64)
    proper = rotation.shape == (3, 3) and np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    if not proper or np.linalg.det(rotation) < 0.0:
        raise CameraError(f"the view's rotation must be a 3x3 rotation matrix, not {rotation.tolist()}")
    rotation.setflags(write=False)
    return rotation


def _grid(width: int, height: int) -> NDArray[np.float64]:
    """Spread points over a whole image, with its corners, edges and centre, (M, 2) pixels."""
    x = np.linspace(-0.5, width - 0.5, _GRID_SIDE)
    y = np.linspace(-0.5, height - 0.5, _GRID_SIDE)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _distances_from_centre(
    camera: Camera, focal_px: float, R_view_from_camera: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Measure how far a grid of points over the source image lies from the centre of the view, (M, 2) pixels.

    What lies behind the view is infinitely far; what the lens model does not cover is left out.
    """
    rays = camera.unproject(_grid(camera.width, camera.height)) @ R_view_from_camera.T
    rays = rays[np.isfinite(rays[:, 0])]
    ahead = rays[:, 2:] > 0.0
    return np.where(ahead, focal_px * np.abs(rays[:, :2]) / np.where(ahead, rays[:, 2:], 1.0), np.inf)


def _choose_size(
    needed: NDArray[np.float64], most_blocks: NDArray[np.int_], multiple: int, pixels: tuple[int, int]
) -> tuple[int, int]:
    """Choose the size among all whole numbers of blocks that keep the limits.

    In this order: the less covered direction is covered best, the area covered is largest, the more exceeded
    direction is exceeded least, and the view is smallest.
    """
    columns, rows = np.meshgrid(*(np.arange(1, most + 1) for most in most_blocks), indexing="ij")
    sizes = multiple * np.column_stack([columns.ravel(), rows.ravel()])
    areas = sizes.prod(axis=1)
    sizes = sizes[(areas >= pixels[0]) & (areas <= pixels[1])]
    if len(sizes) == 0:
        largest = "x".join(str(multiple * most) for most in most_blocks)
        raise CameraError(
            f"no view of at most {largest} with sides that are multiples of {multiple} has {pixels[0]} to "
            f"{pixels[1]} pixels: correct the model's image size and pixel limits"
        )
    needed = np.maximum(needed, 1.0)
    share = sizes / needed
    covered = np.minimum(share, 1.0)
    best = np.lexsort([sizes.prod(axis=1), share.max(axis=1), -covered.prod(axis=1), -covered.min(axis=1)])[0]
    return int(sizes[best, 0]), int(sizes[best, 1])
