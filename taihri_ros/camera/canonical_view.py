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

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.camera.view_size import size_within

_ANTIALIAS_BELOW = 0.6
"""Bilinear interpolation skips source pixels where the view is smaller than this part of the source."""

_ROWS_AT_ONCE = 16
"""Rows of the view that are mapped at once by `projectPoints`; its derivatives of all of them would take 200 MB."""

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
        width, height = size_within(
            2.0 * shown.max(axis=0, initial=0.0),
            max_size=max_size,
            min_pixels=min_pixels,
            max_pixels=max_pixels,
            multiple=multiple,
        )
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

    def source_box(self) -> NDArray[np.float64]:
        """Find the part of the view in which the source image can be.

        Returns:
            float64 (2, 2) pixels of the view: left and top, right and bottom of the box around all of the source that
            is seen, outer edges of pixels.

        """
        rays = self.points_to_view(self.source.unproject(_grid(self.source.width, self.source.height)))
        seen = self.camera.project(rays[rays[:, 2] > 0.0])
        edges = np.array([[-0.5, -0.5], [self.width - 0.5, self.height - 0.5]])
        box: NDArray[np.float64] = np.clip([seen.min(axis=0), seen.max(axis=0)], *edges)
        return box

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
        places = self._sources_of_rows(0, self.height)
        places += 0.5
        places /= reduction
        places -= 0.5
        places[np.isnan(places)] = -2.0
        np.clip(places, -2.0, max(self.source.width, self.source.height) + 1.0, out=places)
        whole, fraction = cv2.convertMaps(places[0], places[1], cv2.CV_16SC2)
        return reduction, np.asarray(whole, np.int16), np.asarray(fraction, np.uint16)

    def _sources_of_rows(self, first: int, end: int) -> NDArray[np.float32]:
        """Find where the pixels of some rows lie in the source image, (2, rows, width) pixels; NaN as in `project`.

        OpenCV's own maps are many times faster than its `projectPoints`, but fold back where a lens model ends and
        mirror what is behind. What a lens model covers is a convex cone, so that rows whose corners it covers are
        covered whole; others are halved until they are few.
        """
        corners = [[u, v] for u in (0, self.width - 1) for v in (first, end - 1)]
        if np.isfinite(self.view_to_source_pixels(corners)).all():
            return self._undistortion_map(first, end)
        if end - first > _ROWS_AT_ONCE:
            middle = (first + end) // 2
            halves = [self._sources_of_rows(first, middle), self._sources_of_rows(middle, end)]
            return np.concatenate(halves, axis=1)
        pixels = np.stack(np.meshgrid(np.arange(self.width), np.arange(first, end)), axis=-1)
        sources = self.view_to_source_pixels(pixels.reshape(-1, 2)).astype(np.float32)
        return sources.T.reshape(2, end - first, self.width)

    def _undistortion_map(self, first: int, end: int) -> NDArray[np.float32]:
        """Map rows of which the lens model covers every pixel, (2, rows, width) pixels of the source."""
        matrix = self.camera.K - np.array([[0, 0, 0], [0, 0, first], [0, 0, 0]])
        size = (self.width, end - first)
        fisheye = self.source.model is DistortionModel.EQUIDISTANT
        make_map = cv2.fisheye.initUndistortRectifyMap if fisheye else cv2.initUndistortRectifyMap
        maps = make_map(self.source.K, self.source.D, self.R_view_from_camera, matrix, size, cv2.CV_32FC1)
        return np.stack([np.asarray(part, np.float32) for part in maps])


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
