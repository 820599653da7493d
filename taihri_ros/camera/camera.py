"""A calibrated camera at the resolution of the image that is really published.

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
    """A calibrated camera at the size of its published image, binning and region of interest applied.

    Attributes:
        width: Width of the image, pixels.
        height: Height of the image, pixels.
        K: Camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], pixels, float64 (3, 3), read-only.
        D: Distortion coefficients in OpenCV's order, float64 (M,), read-only; empty without distortion.
        model: Lens model that D belongs to.
    """

    width: int
    height: int
    K: NDArray[np.float64]
    D: NDArray[np.float64]
    model: DistortionModel

    def __post_init__(self) -> None:
        """Take read-only copies of the arrays and check them."""
        if self.width < 1 or self.height < 1:
            raise CameraError(
                f"camera_info describes an image of {self.width}x{self.height} pixels: width, height and "
                "binning must be those of the published image; correct the driver's settings"
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
        """Read a sensor_msgs/CameraInfo, as its definition and image_geometry's PinholeCameraModel have it.

        A raw image is described by K and the distortion, a rectified one by the left 3x3 part of P. The
        region of interest, in unbinned pixels, is cut out first; binning then divides focal lengths and
        principal point. `roi.do_rectify` changes nothing, since image_proc writes the rectified image in the
        window of the raw ROI.

        The fourth column of P is not used: 3D points are relative to this camera's own optical centre. The
        right image of a stereo pair must therefore carry the frame_id of the right camera.

        Args:
            info: The message, or any object with its fields.
            rectified: The image is rectified: use P, without distortion.

        Returns:
            The camera of the published image.

        Raises:
            CameraError: The camera is not calibrated, or its description contradicts itself.

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
                    "camera_info: the image is said to be rectified but p is all zeros: use the raw image "
                    f"with rectified:=false, or {CALIBRATE}"
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
        """Read a camera from a parsed JSON or YAML file.

        Args:
            mapping: Either the fields of CameraInfo as `ros2 topic echo` prints them (`width`, `height`,
                `distortion_model`, `d`, `k` at least; ROS 1's capital letters are accepted), or the layout of
                camera_calibration (`image_width`, `camera_matrix: {data: [...]}` and so on).
            rectified: As for `from_info`.

        Returns:
            The camera of the published image.

        Raises:
            CameraError: A field is missing or of the wrong type, or as for `from_info`.

        """
        return cls.from_info(InfoFields.from_mapping(mapping), rectified=rectified)

    def check_image(self, width: int, height: int) -> None:
        """Refuse an image that this camera does not describe.

        Args:
            width: Width of the image, pixels.
            height: Height of the image, pixels.

        Raises:
            CameraError: The image is of another size.

        """
        if (width, height) == (self.width, self.height):
            return
        if (width, height) == (self.height, self.width):
            reason = "the image was turned on its way; use it as the camera gives it"
        elif width * self.height == height * self.width:
            reason = "only one of the two was resized or binned; take both from one node"
        else:
            reason = "camera_info is of another camera, video mode or roi; take both from one node"
        raise CameraError(f"image is {width}x{height} but camera_info describes {self.width}x{self.height}: {reason}")

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Project points in front of the camera into the plane of its image.

        Args:
            points: (N, 3) metres, camera optical frame (x right, y down, z forward).

        Returns:
            float64 (N, 2) pixels, also beyond the edge of the image; NaN for points behind the camera
            (z <= 0) and outside of the field of view of the lens model.

        """
        xyz = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        depth = np.where(xyz[:, 2:] > 0.0, xyz[:, 2:], np.nan)
        return self._lens.distort(xyz[:, :2] / depth) * self._focal_lengths + self._principal_point

    def unproject(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Find the rays that pixels look along: the inverse of `project`.

        Args:
            pixels: (N, 2) pixels.

        Returns:
            float64 (N, 3) rays (x, y, 1), camera optical frame; NaN outside of the field of view of the lens
            model.

        """
        uv = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
        xy = self._lens.undistort((uv - self._principal_point) / self._focal_lengths)
        return np.column_stack([xy, np.where(np.isnan(xy[:, 0]), np.nan, 1.0)])

    def __eq__(self, other: object) -> bool:
        """Tell whether two cameras are the same: a view is only made anew when camera_info changes."""
        return isinstance(other, Camera) and self._values == other._values

    def __hash__(self) -> int:
        """Agree with equality."""
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
    """Refuse a principal point that lies further from the whole image than that image is large."""
    cx, cy = matrix[:2, 2].tolist()
    if not (-width <= cx <= 2 * width and -height <= cy <= 2 * height):
        raise CameraError(
            f"camera_info: principal point ({cx:g}, {cy:g}) is far outside of the {width}x{height} image: "
            "K, P and the size must be of one video mode; correct the calibration file"
        )
