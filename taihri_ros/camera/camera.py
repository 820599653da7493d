"""A calibrated camera at the resolution of its published image.

Pixel coordinates follow OpenCV: the centre of the top left pixel is (0, 0), its outer corner (-0.5, -0.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.camera_info import (
    CALIBRATE,
    CameraError,
    CameraInfoLike,
    InfoFields,
    check_coefficients,
    read_lens,
    read_numbers,
    read_region,
)
from taihri_ros.camera.distortion import DistortionModel, LensDistortion


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera at the size of its published image, after binning and region of interest.

    Example:
        >>> from taihri_ros.camera.camera import Camera
        >>> camera = Camera.from_mapping(
        ...     {
        ...         "width": 640,
        ...         "height": 480,
        ...         "distortion_model": "plumb_bob",
        ...         "d": [-0.28, 0.09, 0.0, 0.0, 0.0],
        ...         "k": [520.0, 0.0, 319.5, 0.0, 520.0, 239.5, 0.0, 0.0, 1.0],
        ...     }
        ... )
        >>> camera.project([[0.25, 0.0, 1.0]]).round(2).tolist()  # 0.25 m to the right, 1 m ahead
        [[447.27, 239.5]]
        >>> camera.unproject([[447.27, 239.5]]).round(3).tolist()
        [[0.25, 0.0, 1.0]]

    Attributes:
        width: Width of the image, pixels.
        height: Height of the image, pixels.
        K: Camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], pixels, float64 (3, 3), read-only.
        D: Distortion coefficients in OpenCV's order, float64 (M,), read-only; empty without distortion.
        model: Distortion model of D.
    """

    width: int
    height: int
    K: NDArray[np.float64]
    D: NDArray[np.float64]
    model: DistortionModel

    def __post_init__(self) -> None:
        """Copy the arrays, make them read-only, and check them."""
        if self.width < 1 or self.height < 1:
            raise CameraError(
                f"camera_info describes an image of {self.width}x{self.height} pixels: correct width, height and "
                "binning in the driver's settings"
            )
        object.__setattr__(self, "K", read_numbers("camera matrix", self.K, 9).reshape(3, 3))
        object.__setattr__(self, "D", read_numbers("d", self.D))
        check_coefficients(self.model, self.D)
        (fx, skew, _), (skew_back, fy, _), last = self.K.tolist()
        if skew != 0.0 or skew_back != 0.0 or last != [0.0, 0.0, 1.0]:
            raise CameraError(
                "camera_info: the camera matrix must be fx 0 cx, 0 fy cy, 0 0 1 (no skew), not "
                f"{self.K.tolist()}: {CALIBRATE}"
            )
        if fx <= 0.0 or fy <= 0.0:
            raise CameraError(f"camera_info: focal lengths must be positive, not fx = {fx:g}, fy = {fy:g}: {CALIBRATE}")

    @classmethod
    def from_info(cls, info: CameraInfoLike, *, rectified: bool = False) -> Camera:
        """Create the camera from a sensor_msgs/CameraInfo message, like image_geometry's PinholeCameraModel.

        K and the distortion coefficients describe a raw image, the left 3x3 part of P a rectified one. The region of
        interest (in unbinned pixels) is applied first, then the binning. `roi.do_rectify` is ignored, because
        image_proc keeps the raw ROI for the rectified image.

        The fourth column of P is not used: 3D points are relative to the optical centre of this camera. The right
        image of a stereo pair must therefore carry the frame_id of the right camera.

        Args:
            info: The message, or any object with its fields.
            rectified: Whether the image is rectified: use P, without distortion.

        Returns:
            The camera of the published image.

        Raises:
            CameraError: The camera is not calibrated, or the message is inconsistent.
        """
        width, height = int(info.width), int(info.height)
        matrix: NDArray[np.float64] = read_numbers("k", info.k, 9).reshape(3, 3)
        if matrix[0, 0] == 0.0:
            raise CameraError(f"camera_info: the camera is not calibrated (k[0] is 0): {CALIBRATE}")
        model = DistortionModel.NONE
        coefficients: NDArray[np.float64] = np.empty(0)
        if rectified:
            matrix = read_numbers("p", info.p, 12).reshape(3, 4)[:, :3]
            if not matrix.any():
                raise CameraError(
                    "camera_info: rectified:=true is set but p is all zeros: use the raw image with "
                    f"rectified:=false, or {CALIBRATE}"
                )
        else:
            model, coefficients = read_lens(info.distortion_model, info.d)
        roi = read_region(info.roi, width, height)
        binning_x, binning_y = max(1, int(info.binning_x)), max(1, int(info.binning_y))
        offset = np.array([[0, 0, roi.x_offset], [0, 0, roi.y_offset], [0, 0, 0]])
        camera = cls(
            width=roi.width // binning_x,
            height=roi.height // binning_y,
            K=(matrix - offset) / np.array([[binning_x], [binning_y], [1]]),
            D=coefficients,
            model=model,
        )
        _check_principal_point(matrix, width, height)
        return camera

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, rectified: bool = False) -> Camera:
        """Create the camera from a parsed JSON or YAML file.

        Args:
            mapping: Either the fields of CameraInfo as `ros2 topic echo` prints them (at least `width`, `height`,
                `distortion_model`, `d` and `k`; the capital letters of ROS 1 are accepted), or the layout of
                camera_calibration (`image_width`, `camera_matrix: {data: [...]}` and so on).
            rectified: Whether the image is rectified: use P, without distortion.

        Returns:
            The camera of the published image.

        Raises:
            CameraError: A field is missing or of the wrong type, the camera is not calibrated, or the fields are
                inconsistent.
        """
        return cls.from_info(InfoFields.from_mapping(mapping), rectified=rectified)

    def check_image(self, width: int, height: int) -> None:
        """Check that an image has the size of this camera.

        Args:
            width: Width of the image, pixels.
            height: Height of the image, pixels.

        Raises:
            CameraError: The image has another size.
        """
        if (width, height) == (self.width, self.height):
            return
        if (width, height) == (self.height, self.width):
            reason = "the image was rotated by 90 degrees; use the image as the camera publishes it"
        elif width * self.height == height * self.width:
            reason = "only one of the two was resized or binned; take both from the same node"
        else:
            reason = "camera_info is of another camera, video mode or ROI; take both from the same node"
        raise CameraError(f"image is {width}x{height} but camera_info describes {self.width}x{self.height}: {reason}")

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Project points in front of the camera into the plane of its image.

        Args:
            points: (N, 3) metres, camera optical frame (x right, y down, z forward).

        Returns:
            float64 (N, 2) pixels, also outside of the image; NaN for points behind the camera (z <= 0) and outside
            of the field of view of the distortion model.
        """
        xyz = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        depth = np.where(xyz[:, 2:] > 0.0, xyz[:, 2:], np.nan)
        return self._lens.distort(xyz[:, :2] / depth) * self._focal_lengths + self._principal_point

    def unproject(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Return the viewing rays of pixels, the inverse of `project`.

        Args:
            pixels: (N, 2) pixels.

        Returns:
            float64 (N, 3) rays (x, y, 1), camera optical frame; NaN outside of the field of view of the distortion
            model.
        """
        uv = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
        xy = self._lens.undistort((uv - self._principal_point) / self._focal_lengths)
        return np.column_stack([xy, np.where(np.isnan(xy[:, 0]), np.nan, 1.0)])

    def __eq__(self, other: object) -> bool:
        """Return whether all values are equal; if they are, a cached view of the camera remains valid."""
        return isinstance(other, Camera) and self._values == other._values

    def __hash__(self) -> int:
        """Return a hash of the values that `__eq__` compares."""
        return hash(self._values)

    @property
    def _values(self) -> tuple[object, ...]:
        return self.width, self.height, self.model, *self.K.ravel().tolist(), *self.D.tolist()

    @cached_property
    def _lens(self) -> LensDistortion:
        return LensDistortion(self.model, self.D)

    @property
    def _focal_lengths(self) -> NDArray[np.float64]:
        return self.K[[0, 1], [0, 1]]

    @property
    def _principal_point(self) -> NDArray[np.float64]:
        return self.K[:2, 2]


def _check_principal_point(matrix: NDArray[np.float64], width: int, height: int) -> None:
    """Check that the principal point is at most one image size away from the image."""
    cx, cy = matrix[:2, 2].tolist()
    if not (-width <= cx <= 2 * width and -height <= cy <= 2 * height):
        raise CameraError(
            f"camera_info: principal point ({cx:g}, {cy:g}) is far outside of the {width}x{height} image: "
            "K, P and the size must belong to the same video mode; correct the calibration file"
        )
