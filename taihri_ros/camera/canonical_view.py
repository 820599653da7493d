"""The model's input image: undistorted, with the principal point in its centre and the canonical focal length.

TAIHRI (arXiv 2604.08921) does not read a camera calibration; it assumes one canonical focal length. Every source image
is therefore warped, in one remap, to the image of an ideal camera with that focal length. The inverse mapping of the
model's answer to the source image is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.camera.view_size import size_within

_ANTIALIAS_BELOW = 0.6
"""Scale (focal length of the view over that of the source) below which bilinear interpolation skips source pixels."""

_ROWS_AT_ONCE = 16
"""Rows of the view in one call of `projectPoints`, whose Jacobian for a whole view would take 200 MB."""

_ORTHOGONAL = 1e-6 + 1e-5 * np.eye(3)
"""Largest differences of R Rᵀ from the identity for a rotation matrix R."""

_GRID_SIDE = 65
"""Number of grid points along each side of an image; odd, so that the grid contains the centre."""


@dataclass(frozen=True, eq=False)
class CanonicalView:
    """An ideal pinhole camera at the optical centre of the source camera, and the remap that renders its image.

    The view's frame is the source's optical frame rotated by `R_view_from_camera`: p_view = R p_camera. The principal
    point is the centre of the image, ((width - 1) / 2, (height - 1) / 2).

    Example:
        >>> import numpy as np
        >>> from taihri_ros.camera.camera import Camera
        >>> from taihri_ros.camera.canonical_view import CanonicalView
        >>> from taihri_ros.camera.distortion import DistortionModel
        >>> K = np.array([[610.0, 0.0, 319.5], [0.0, 610.0, 239.5], [0.0, 0.0, 1.0]])
        >>> view = CanonicalView.fit(Camera(640, 480, K, np.empty(0), DistortionModel.NONE))
        >>> (view.width, view.height, view.focal_px)
        (1056, 800, 1000.0)
        >>> view.render(np.zeros((480, 640, 3), np.uint8)).shape
        (800, 1056, 3)
        >>> view.source_to_view_pixels([[319.5, 239.5]]).round(2).tolist()  # centre to centre
        [[527.5, 399.5]]

    Attributes:
        source: The camera of the source images.
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
        """Copy the rotation, make it read-only, and check it."""
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
        """Return the smallest view that shows the whole source image within the model's limits.

        A source image that is too large is cropped around its centre and never scaled down, because the model derives
        depth from the focal length. A source image that is too small is padded with black.

        Args:
            camera: The source camera.
            focal_px: Focal length that the model was trained with, pixels.
            max_size: Largest width and height, pixels.
            min_pixels: Smallest area, pixels.
            max_pixels: Largest area, pixels.
            multiple: Width and height are multiples of this, the side of a visual token in pixels.
            rotation: Rotation from the camera's optical frame to the view's, (3, 3); None for the identity.

        Returns:
            The view.

        Raises:
            CameraError: No size is within the limits, the view would show nothing of the source image, or `rotation`
                is not a rotation matrix.
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
        """The view as a pinhole camera."""
        return Camera.ideal(self.focal_px, self.width, self.height)

    def render(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Render the view from a source image; pixels outside the source image are black.

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
            image = reduced(image, reduction)
        rendered = cv2.remap(image, whole, fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(rendered, np.uint8)

    def view_to_source_pixels(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Convert pixels of the view to pixels of the source image.

        Args:
            pixels: (N, 2) pixels of the view.

        Returns:
            float64 (N, 2) pixels of the source, also outside of its image; NaN outside of its field of view.
        """
        return self.source.project(self.points_to_camera(self.view_rays(pixels)))

    def source_to_view_pixels(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Convert pixels of the source image to pixels of the view.

        Args:
            pixels: (N, 2) pixels of the source.

        Returns:
            float64 (N, 2) pixels of the view, also outside of its image; NaN behind the view.
        """
        return self.camera.project(self.points_to_view(self.source.unproject(pixels)))

    def view_rays(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Return the viewing rays of pixels of the view; a ray times a depth in metres is a point.

        Args:
            pixels: (N, 2) pixels of the view.

        Returns:
            float64 (N, 3) rays (x, y, 1), view's frame.
        """
        return self.camera.unproject(pixels)

    def source_box(self) -> NDArray[np.float64]:
        """Return the bounding box, in the view, of the visible part of the source image.

        Returns:
            float64 (2, 2) pixels of the view: (left, top) and (right, bottom), at the outer edges of the pixels.
        """
        rays = self.points_to_view(self.source.unproject(_grid(self.source.width, self.source.height)))
        seen = self.camera.project(rays[rays[:, 2] > 0.0])
        edges = np.array([[-0.5, -0.5], [self.width - 0.5, self.height - 0.5]])
        box: NDArray[np.float64] = np.clip([seen.min(axis=0), seen.max(axis=0)], *edges)
        return box

    def points_to_camera(self, points: ArrayLike) -> NDArray[np.float64]:
        """Rotate points or rays from the view's frame to the camera's optical frame.

        Args:
            points: (N, 3), view's frame.

        Returns:
            float64 (N, 3), camera optical frame, same unit.
        """
        rotated: NDArray[np.float64] = np.asarray(points, np.float64).reshape(-1, 3) @ self.R_view_from_camera
        return rotated

    def points_to_view(self, points: ArrayLike) -> NDArray[np.float64]:
        """Rotate points or rays from the camera's optical frame to the view's frame.

        Args:
            points: (N, 3), camera optical frame.

        Returns:
            float64 (N, 3), view's frame, same unit.
        """
        rotated: NDArray[np.float64] = np.asarray(points, np.float64).reshape(-1, 3) @ self.R_view_from_camera.T
        return rotated

    def covariances_to_camera(self, covariances: ArrayLike) -> NDArray[np.float64]:
        """Rotate covariances of points from the view's frame to the camera's optical frame.

        Args:
            covariances: (N, 3, 3), view's frame.

        Returns:
            float64 (N, 3, 3), camera optical frame, same unit.
        """
        rotation = self.R_view_from_camera
        rotated: NDArray[np.float64] = rotation.T @ np.asarray(covariances, np.float64).reshape(-1, 3, 3) @ rotation
        return rotated

    def _sees_source(self) -> bool:
        """Return whether the view shows any part of the source image."""
        sources = self.view_to_source_pixels(_grid(self.width, self.height))
        edge = [self.source.width - 0.5, self.source.height - 0.5]
        return bool(((sources >= -0.5) & (sources <= edge)).all(axis=1).any())

    @cached_property
    def _remap(self) -> tuple[int, NDArray[np.int16], NDArray[np.uint16]]:
        """Compute the reduction factor of the source image and OpenCV's fixed-point maps into the reduced image."""
        reduction = reduction_for(self.source.focal_px / self.focal_px)
        pixels = self._source_pixels_of_rows(0, self.height)
        pixels += 0.5
        pixels /= reduction
        pixels -= 0.5
        pixels[np.isnan(pixels)] = -2.0
        np.clip(pixels, -2.0, max(self.source.width, self.source.height) + 1.0, out=pixels)
        whole, fraction = cv2.convertMaps(pixels[0], pixels[1], cv2.CV_16SC2)
        return reduction, np.asarray(whole, np.int16), np.asarray(fraction, np.uint16)

    def _source_pixels_of_rows(self, first: int, end: int) -> NDArray[np.float32]:
        """Return the source pixels of the rows [first, end) of the view, (2, rows, width); NaN as in `project`.

        OpenCV's undistortion maps are many times faster than its `projectPoints`, but they are wrong outside of the
        field of view: the polynomial folds back, and points behind the camera are mirrored. The field of view of a
        distortion model is a convex cone. A block of rows therefore lies inside it when its four corners do; other
        blocks are halved until they are small enough for `projectPoints`.
        """
        corners = [[u, v] for u in (0, self.width - 1) for v in (first, end - 1)]
        if np.isfinite(self.view_to_source_pixels(corners)).all():
            return self._undistortion_map(first, end)
        if end - first > _ROWS_AT_ONCE:
            middle = (first + end) // 2
            halves = [self._source_pixels_of_rows(first, middle), self._source_pixels_of_rows(middle, end)]
            return np.concatenate(halves, axis=1)
        pixels = np.stack(np.meshgrid(np.arange(self.width), np.arange(first, end)), axis=-1)
        sources = self.view_to_source_pixels(pixels.reshape(-1, 2)).astype(np.float32)
        return sources.T.reshape(2, end - first, self.width)

    def _undistortion_map(self, first: int, end: int) -> NDArray[np.float32]:
        """Return the source pixels of rows that lie inside the field of view, (2, rows, width)."""
        matrix = self.camera.K - np.array([[0, 0, 0], [0, 0, first], [0, 0, 0]])
        size = (self.width, end - first)
        return np.stack(self.source.undistortion_maps(self.R_view_from_camera, matrix, size))


def reduction_for(shrinkage: float) -> int:
    """Return the factor by which an image is reduced before it is warped to a smaller one, 1 for not at all.

    The reduction by area averaging prevents aliasing where bilinear interpolation would skip source pixels.

    Args:
        shrinkage: Focal length of the image over that of the view.

    Returns:
        The factor for `reduced`.
    """
    return round(shrinkage) if shrinkage > 1.0 / _ANTIALIAS_BELOW else 1


def reduced(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return an image whose pixels are the averages of squares of pixels; an incomplete last row or column is left out.

    Pixel x of the image is at (x + 0.5) / factor - 0.5 of the reduced one.

    Args:
        image: uint8 (H, W, 3).
        factor: Side of the squares, pixels.

    Returns:
        uint8 (H // factor, W // factor, 3).
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    divisible = image[: height * factor, : width * factor]
    return np.asarray(cv2.resize(divisible, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _rotation_matrix(values: ArrayLike) -> NDArray[np.float64]:
    """Convert values to a read-only rotation matrix, float64 (3, 3); raise an error if they are not a rotation."""
    rotation = np.array(values, dtype=np.float64)
    proper = rotation.shape == (3, 3) and (np.abs(rotation @ rotation.T - np.eye(3)) <= _ORTHOGONAL).all()
    if not proper or np.linalg.det(rotation) < 0.0:
        raise CameraError(f"the view's rotation must be a 3x3 rotation matrix, not {rotation.tolist()}")
    rotation.setflags(write=False)
    return rotation


@lru_cache(maxsize=16)
def _grid(width: int, height: int) -> NDArray[np.float64]:
    """Return a regular grid of points over a whole image, corners and centre included, (M, 2) pixels, read-only."""
    x = np.linspace(-0.5, width - 0.5, _GRID_SIDE)
    y = np.linspace(-0.5, height - 0.5, _GRID_SIDE)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    grid.setflags(write=False)
    return grid


def _distances_from_centre(
    camera: Camera, focal_px: float, R_view_from_camera: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances from the centre of the view to a grid of points over the source image, (M, 2) pixels.

    The distance is infinite for points behind the view. Points outside of the source's field of view are left out.
    """
    rays = camera.unproject(_grid(camera.width, camera.height)) @ R_view_from_camera.T
    rays = rays[np.isfinite(rays[:, 0])]
    ahead = rays[:, 2:] > 0.0
    return np.where(ahead, focal_px * np.abs(rays[:, :2]) / np.where(ahead, rays[:, 2:], 1.0), np.inf)
