"""Checks that a calibration describes a camera that can exist, and a lens that can be inverted over its picture."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera_info import CALIBRATE, CameraError

if TYPE_CHECKING:
    from taihri_ros.camera.camera import Camera

SHORTEST_FOCAL, LONGEST_FOCAL = 0.04, 200.0
"""Limits of the focal length, as a share of the longer side of the picture: a pinhole camera of 170 degrees, and a
telescope of 0.3 degrees."""

MOST_ASPECT = 3.0
"""Largest ratio of fx to fy, and of fy to fx; it is 2 for the half pictures of interlaced and anamorphic video."""

MOST_SKEW = 0.1
"""Largest skew, as a share of fx; it is below 0.01 for pixels that are made as rectangles."""

MOST_LOST = 0.05
"""Largest share of a picture, in its corners, over which a lens may fail to be inverted."""

IMAGE_CIRCLE_ANGLE = np.deg2rad(60.0)
"""A lens that sees up to this angle from its axis, in radians, may have an image circle that is smaller than the
picture. What lies outside of the circle is not a part of the image."""

_OTHER_SIZES = (4.0, 3.0, 2.0, 1.5, 2.0 / 3.0, 0.5, 1.0 / 3.0, 0.25)
"""Ratios of the sizes of a camera's video modes, and of its binned pictures."""

_CENTRED = 0.04
"""Largest distance of a principal point from the centre of its picture that counts as centred, as a share of a side."""

_ROTATION_TOLERANCE = 0.01
_GRID_SIDE = 41


def check_matrix(name: str, matrix: NDArray[np.float64], width: int, height: int) -> None:
    """Check that the values of a camera matrix can be those of a picture of this size.

    Args:
        name: Name of the field, for the error message.
        matrix: A matrix that `check_form` accepts, pixels, float64 (3, 3).
        width: Width of the whole picture, pixels.
        height: Height of the whole picture, pixels.

    Raises:
        CameraError: The matrix has values that no camera has.
    """
    (fx, skew, cx), (_, fy, cy), _ = matrix.tolist()
    longer = max(width, height)
    for axis, focal in (("fx", fx), ("fy", fy)):
        if not SHORTEST_FOCAL * longer <= focal <= LONGEST_FOCAL * longer:
            raise CameraError(
                f"camera_info: no camera has {axis} = {focal:g} in a {width}x{height} image: focal lengths are in "
                f"pixels of this image, not in millimetres; correct {name} in the calibration file, or {CALIBRATE}"
            )
    if not 1.0 / MOST_ASPECT <= fx / fy <= MOST_ASPECT:
        raise CameraError(
            f"camera_info: no camera has fx = {fx:g} beside fy = {fy:g}: correct {name} in the calibration file, or "
            f"{CALIBRATE}"
        )
    if abs(skew) > MOST_SKEW * fx:
        raise CameraError(
            f"camera_info: no camera has a skew ({name}[1]) of {skew:g} beside fx = {fx:g}: correct {name} in the "
            f"calibration file, or {CALIBRATE}"
        )
    if 0.0 <= cx < 1.0 and 0.0 <= cy < 1.0:
        fault = "it is a share of the image, not in pixels" if cx + cy else "it is not set"
        raise CameraError(
            f"camera_info: the principal point in {name} is ({cx:g}, {cy:g}), which means that {fault}: correct {name} "
            f"in the calibration file, or {CALIBRATE}"
        )
    if not (-width <= cx <= 2 * width and -height <= cy <= 2 * height):
        raise CameraError(
            f"camera_info: principal point ({cx:g}, {cy:g}) is far outside of the {width}x{height} image: "
            "K, P and the size must belong to the same video mode; correct the calibration file"
        )
    if other := _size_of_other_image(cx, cy, width, height):
        raise CameraError(
            f"camera_info: the principal point in {name} is ({cx:g}, {cy:g}), "
            f"the centre of a {other[0]:.0f}x{other[1]:.0f} image, but this one is {width}x{height}: {name} must be "
            "resized, binned and turned with the image, and a part of an image needs roi; correct the driver settings "
            "or the calibration file"
        )


def _size_of_other_image(cx: float, cy: float, width: int, height: int) -> tuple[float, float] | None:
    """Return the size of the image in another video mode, or turned, of which the principal point is the centre.

    Many drivers resize, bin or turn a picture and leave K as it was. None for any other principal point.
    """

    def is_centre(size: tuple[float, float]) -> bool:
        return abs(cx - size[0] / 2) <= _CENTRED * size[0] and abs(cy - size[1] / 2) <= _CENTRED * size[1]

    others = [(float(height), float(width)), *((ratio * width, ratio * height) for ratio in _OTHER_SIZES)]
    return None if is_centre((width, height)) else next(filter(is_centre, others), None)


def check_form(name: str, matrix: NDArray[np.float64]) -> None:
    """Check that a matrix has the form of a camera matrix.

    Args:
        name: Name of the field, for the error message.
        matrix: float64 (3, 3).

    Raises:
        CameraError: The matrix is not fx skew cx, 0 fy cy, 0 0 1, or a focal length is not positive.
    """
    (fx, _, cx), (below, fy, cy), last = matrix.tolist()
    if last[2] == 1.0 and (cx, cy) == (0.0, 0.0) and 0.0 not in last:
        raise CameraError(
            f"camera_info: {name} is written column by column: write it row by row, fx 0 cx, 0 fy cy, 0 0 1"
        )
    if below != 0.0 or last != [0.0, 0.0, 1.0]:
        raise CameraError(
            f"camera_info: {name} must be fx 0 cx, 0 fy cy, 0 0 1 (a skew beside fx is accepted), not "
            f"{matrix.tolist()}: correct {name} in the calibration file, or {CALIBRATE}"
        )
    if fx <= 0.0 or fy <= 0.0:
        raise CameraError(f"camera_info: focal lengths must be positive, not fx = {fx:g}, fy = {fy:g}: {CALIBRATE}")


def check_rotation(r: NDArray[np.float64]) -> None:
    """Check that a rectification matrix is a rotation, or not set.

    Args:
        r: float64 (3, 3); all zeros where it is not set.

    Raises:
        CameraError: The matrix is neither.
    """
    bounded = np.clip(r, -2.0, 2.0)  # no element of a rotation is beyond 1, and the product of huge ones overflows
    proper = np.abs(bounded @ bounded.T - np.eye(3)).max() < _ROTATION_TOLERANCE and np.linalg.det(bounded) > 0.0
    if r.any() and not proper:
        raise CameraError(
            "camera_info: r is not a rotation matrix: set it to 1 0 0, 0 1 0, 0 0 1 for a single camera, or "
            f"{CALIBRATE}"
        )


def check_invertible(camera: Camera) -> None:
    """Check that every pixel of a picture has a viewing ray.

    A distortion polynomial that was fitted to a part of the picture often folds back outside of that part: several rays
    reach one pixel, and others have none. Real lenses do not fold. Such a calibration is accepted where the fold only
    reaches into the outermost corners, which are then rendered black.

    Args:
        camera: The camera.

    Raises:
        CameraError: The lens cannot be inverted over more than the outermost corners.
    """
    lost = _share_without_ray(camera)
    if lost > MOST_LOST:
        raise CameraError(
            f"camera_info: the lens ({camera.model.value}) cannot be inverted over {lost:.0%} of the image, where its "
            "distortion folds back: calibrate the camera again with the pattern up to the corners, or use the "
            "rectified image with rectified:=true"
        )


@lru_cache(maxsize=64)
def _share_without_ray(camera: Camera) -> float:
    """Return the share of the pixels without a viewing ray, except for those outside of the image circle."""
    x = np.linspace(0.0, camera.width - 1, _GRID_SIDE)
    y = np.linspace(0.0, camera.height - 1, _GRID_SIDE)
    pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    lost = np.isnan(camera.unproject(pixels)[:, 0])
    if camera.lens.field_angle >= IMAGE_CIRCLE_ANGLE:
        xy = camera.distorted_coordinates(pixels)
        lost &= np.hypot(xy[:, 0], xy[:, 1]) <= camera.lens.image_circle
    return float(lost.mean())
