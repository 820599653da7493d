"""A calibrated camera at the resolution of its published image.

Pixel coordinates follow OpenCV: the centre of the top left pixel is (0, 0), its outer corner (-0.5, -0.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.calibration_layouts import read_fields
from taihri_ros.camera.camera_info import (
    CALIBRATE,
    CameraError,
    CameraInfoLike,
    read_count,
    read_numbers,
    read_region,
)
from taihri_ros.camera.distortion import DistortionModel, LensDistortion
from taihri_ros.camera.lens_models import check_coefficients, read_lens
from taihri_ros.camera.plausibility import check_form, check_invertible, check_matrix, check_rotation


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
        K: Camera matrix [[fx, skew, cx], [0, fy, cy], [0, 0, 1]], pixels, float64 (3, 3), read-only.
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
        check_form("the camera matrix", self.K)

    @classmethod
    def from_info(cls, info: CameraInfoLike, *, rectified: bool = False) -> Camera:
        """Create the camera from a sensor_msgs/CameraInfo message, like image_geometry's PinholeCameraModel.

        K and the distortion coefficients describe a raw image, the left 3x3 part of P a rectified one. The region of
        interest (in unbinned pixels) is applied first, then the binning. `roi.do_rectify` is ignored, because
        image_proc keeps the raw ROI for the rectified image.

        3D points are relative to the optical centre of this camera, with the axes of its own image, which is how
        CameraInfo defines its frame_id. R and the fourth column of P, which relate the cameras of a stereo pair, are
        therefore not used. The right image of a stereo pair must carry the frame_id of the right camera.

        Args:
            info: The message, or any object with its fields.
            rectified: Whether the image is rectified: use P, without distortion.

        Returns:
            The camera of the published image.

        Raises:
            CameraError: The camera is not calibrated, the message is inconsistent, or no camera has these values.
        """
        width, height = read_count("width", info.width), read_count("height", info.height)
        name, matrix = ("p", _rectified_matrix(info)) if rectified else ("k", _raw_matrix(info))
        lens = (DistortionModel.NONE, np.empty(0)) if rectified else read_lens(info.distortion_model, info.d)
        check_rotation(read_numbers("r", info.r, 9).reshape(3, 3))
        roi = read_region(info.roi, width, height)
        binning_x = max(1, read_count("binning_x", info.binning_x))
        binning_y = max(1, read_count("binning_y", info.binning_y))
        offset = np.array([[0, 0, roi.x_offset], [0, 0, roi.y_offset], [0, 0, 0]])
        check_form(name, matrix)
        camera = cls(
            width=roi.width // binning_x,
            height=roi.height // binning_y,
            K=(matrix - offset) / np.array([[binning_x], [binning_y], [1]]),
            D=lens[1],
            model=lens[0],
        )
        check_matrix(name, matrix, width, height)
        check_invertible(camera)
        return camera

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, rectified: bool = False, name: str | None = None) -> Camera:
        """Create the camera from a parsed JSON or YAML file.

        Args:
            mapping: The parsed file, in one of the layouts of `calibration_layouts.read_fields`: CameraInfo as
                `ros2 topic echo` prints it, camera_calibration, OpenCV or Kalibr.
            rectified: Whether the image is rectified: use P, without distortion.
            name: Name of the camera in a file that holds several.

        Returns:
            The camera of the published image.

        Raises:
            CameraError: A field is missing or of the wrong type, the camera is not calibrated, or the fields are
                inconsistent.
        """
        return cls.from_info(read_fields(mapping, name), rectified=rectified)

    @classmethod
    def ideal(cls, focal_px: float, width: int, height: int) -> Camera:
        """Return a pinhole camera without distortion whose principal point is the centre of its image.

        Args:
            focal_px: Focal length, pixels.
            width: Width of the image, pixels.
            height: Height of the image, pixels.

        Returns:
            The camera.
        """
        matrix = np.array([[focal_px, 0.0, (width - 1) / 2], [0.0, focal_px, (height - 1) / 2], [0.0, 0.0, 1.0]])
        return cls(width, height, matrix, np.empty(0), DistortionModel.NONE)

    def to_mapping(self) -> dict[str, Any]:
        """Return the calibration as `from_mapping` reads it: width, height, distortion_model, d and k."""
        undistorted = self.model is DistortionModel.NONE
        return {
            "width": self.width,
            "height": self.height,
            "distortion_model": DistortionModel.PLUMB_BOB.value if undistorted else self.model.value,
            "d": [0.0] * 5 if undistorted else self.D.tolist(),
            "k": self.K.ravel().tolist(),
        }

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
        x, y = self.lens.distort(xyz[:, :2] / depth).T
        (fx, skew, cx), (_, fy, cy), _ = self.K.tolist()
        return np.column_stack([fx * x + skew * y + cx, fy * y + cy])

    def unproject(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Return the viewing rays of pixels, the inverse of `project`.

        Args:
            pixels: (N, 2) pixels.

        Returns:
            float64 (N, 3) rays (x, y, 1), camera optical frame; NaN outside of the field of view of the distortion
            model.
        """
        xy = self.lens.undistort(self.distorted_coordinates(pixels))
        return np.column_stack([xy, np.where(np.isnan(xy[:, 0]), np.nan, 1.0)])

    def distorted_coordinates(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Return the coordinates of pixels on the plane z = 1, with the distortion.

        Args:
            pixels: (N, 2) pixels.

        Returns:
            float64 (N, 2), without a unit.
        """
        u, v = np.asarray(pixels, dtype=np.float64).reshape(-1, 2).T
        (fx, skew, cx), (_, fy, cy), _ = self.K.tolist()
        y = (v - cy) / fy
        return np.column_stack([(u - cx - skew * y) / fx, y])

    def undistortion_maps(
        self, rotation: NDArray[np.float64], matrix: NDArray[np.float64], size: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the pixels of this camera that the pixels of an ideal camera see, by OpenCV's undistortion maps.

        They are many times faster than `project`, but wrong outside of the field of view of the distortion model.

        Args:
            rotation: Rotation from this camera's optical frame to the ideal camera's, float64 (3, 3).
            matrix: Camera matrix of the ideal camera, pixels, float64 (3, 3).
            size: Width and height of the ideal camera's image, pixels.

        Returns:
            Columns and rows in this camera's image, each float32 (height, width), pixels.
        """
        opencv = cv2.fisheye if self.model is DistortionModel.EQUIDISTANT else cv2
        maps = opencv.initUndistortRectifyMap(self.K, self.D, rotation, matrix, size, cv2.CV_32FC1)
        columns, rows = (np.asarray(part, np.float32) for part in maps)
        (_, skew, _), (_, fy, cy), _ = self.K.tolist()
        if skew != 0.0:  # OpenCV's maps leave it out
            columns += (skew / fy) * (rows - cy)
        return columns, rows

    def __eq__(self, other: object) -> bool:
        """Return whether all values are equal; if they are, a cached view of the camera remains valid."""
        return isinstance(other, Camera) and self._values == other._values

    def __hash__(self) -> int:
        """Return a hash of the values that `__eq__` compares."""
        return hash(self._values)

    @property
    def focal_px(self) -> float:
        """Geometric mean of both focal lengths, pixels."""
        return float(np.sqrt(self.K[0, 0] * self.K[1, 1]))

    @property
    def _values(self) -> tuple[object, ...]:
        return self.width, self.height, self.model, *self.K.ravel().tolist(), *self.D.tolist()

    @cached_property
    def lens(self) -> LensDistortion:
        """The distortion and its inverse."""
        return LensDistortion(self.model, self.D)


def _raw_matrix(info: CameraInfoLike) -> NDArray[np.float64]:
    """Return K; CameraInfo defines that K[0] is 0 where the camera is not calibrated."""
    matrix = read_numbers("k", info.k, 9).reshape(3, 3)
    if matrix[0, 0] == 0.0:
        only_p = "set rectified:=true if the images are rectified, because p is filled; otherwise, "
        advice = only_p if read_numbers("p", info.p).any() else ""
        raise CameraError(f"camera_info: the camera is not calibrated (k[0] is 0): {advice}{CALIBRATE}")
    return matrix


def _rectified_matrix(info: CameraInfoLike) -> NDArray[np.float64]:
    """Return the left 3x3 part of P; drivers of rectified images may leave K at zero."""
    matrix = read_numbers("p", info.p, 12).reshape(3, 4)[:, :3]
    if matrix.any():
        return matrix
    if read_numbers("k", info.k, 9)[0] == 0.0:
        raise CameraError(f"camera_info: the camera is not calibrated (k[0] is 0): {CALIBRATE}")
    raise CameraError(
        "camera_info: rectified:=true is set but p is all zeros: use the raw image with "
        f"rectified:=false, or {CALIBRATE}"
    )
