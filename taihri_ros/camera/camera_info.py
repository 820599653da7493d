"""The fields of sensor_msgs/CameraInfo, read from a message or a file and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.errors import TaihriError

CALIBRATE = "calibrate the camera (ros2 run camera_calibration cameracalibrator) and load the result in its driver"
"""The advice at the end of most messages about an invalid camera_info."""

_COEFFICIENTS = {
    DistortionModel.NONE: (0,),
    DistortionModel.PLUMB_BOB: (4, 5),
    DistortionModel.RATIONAL_POLYNOMIAL: (8, 12, 14),
    DistortionModel.EQUIDISTANT: (4,),
}
_MODEL_NAMES = tuple(model.value for model in DistortionModel)
_REQUIRED = ("width", "height", "distortion_model", "d", "k")


class CameraError(TaihriError):
    """An error for a camera description, image or view that cannot be used."""


class RegionOfInterestLike(Protocol):
    """An object with the used fields of sensor_msgs/RegionOfInterest."""

    @property
    def x_offset(self) -> int:
        """Left edge, unbinned pixels."""

    @property
    def y_offset(self) -> int:
        """Upper edge, unbinned pixels."""

    @property
    def width(self) -> int:
        """Width, unbinned pixels."""

    @property
    def height(self) -> int:
        """Height, unbinned pixels."""


class CameraInfoLike(Protocol):
    """An object with the used fields of sensor_msgs/CameraInfo, such as a message of rclpy or rosbags."""

    @property
    def width(self) -> int:
        """Width of the calibrated image, pixels."""

    @property
    def height(self) -> int:
        """Height of the calibrated image, pixels."""

    @property
    def distortion_model(self) -> str:
        """Name of the distortion model."""

    @property
    def d(self) -> ArrayLike:
        """Distortion coefficients in OpenCV's order."""

    @property
    def k(self) -> ArrayLike:
        """Camera matrix of the raw image, 9 values, row by row."""

    @property
    def p(self) -> ArrayLike:
        """Projection matrix of the rectified image, 12 values, row by row."""

    @property
    def binning_x(self) -> int:
        """Sensor columns per pixel; 0 means 1."""

    @property
    def binning_y(self) -> int:
        """Sensor rows per pixel; 0 means 1."""

    @property
    def roi(self) -> RegionOfInterestLike:
        """Published part of the sensor; all zeros mean the whole sensor."""


@dataclass(frozen=True)
class Region:
    """A region of interest, unbinned pixels."""

    x_offset: int = 0
    y_offset: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class InfoFields:
    """The fields of CameraInfo, read from a file; names, shapes and units are those of `CameraInfoLike`."""

    width: int
    height: int
    distortion_model: str
    d: ArrayLike
    k: ArrayLike
    p: ArrayLike
    binning_x: int
    binning_y: int
    roi: Region

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> InfoFields:
        """Read the fields from a parsed file in the layout of CameraInfo or of camera_calibration.

        Args:
            mapping: The parsed file.

        Returns:
            The fields; P, binning and region of interest are zero where the file lacks them.

        Raises:
            CameraError: A field is missing or of the wrong type.
        """
        fields = {key.lower() if len(key) == 1 else key: value for key, value in mapping.items()}
        if "camera_matrix" in fields:
            calibration = {
                "width": "image_width",
                "height": "image_height",
                "k": "camera_matrix",
                "d": "distortion_coefficients",
                "p": "projection_matrix",
            }
            for name, key in calibration.items():
                value = fields.get(key)
                if value is not None:
                    fields[name] = value["data"] if isinstance(value, Mapping) and "data" in value else value
        missing = [name for name in _REQUIRED if name not in fields]
        if missing:
            raise CameraError(
                f"camera file lacks {', '.join(missing)}: use a file with the fields of sensor_msgs/CameraInfo "
                f"({', '.join(_REQUIRED)}) or a file written by camera_calibration"
            )
        try:
            roi = {name: int(fields.get("roi", {}).get(name, 0)) for name in Region.__dataclass_fields__}
            return cls(
                width=int(fields["width"]),
                height=int(fields["height"]),
                distortion_model=str(fields["distortion_model"]),
                d=fields["d"],
                k=fields["k"],
                p=fields.get("p", [0.0] * 12),
                binning_x=int(fields.get("binning_x", 0)),
                binning_y=int(fields.get("binning_y", 0)),
                roi=Region(**roi),
            )
        except (TypeError, ValueError, AttributeError) as error:
            raise CameraError(f"camera file has a field of the wrong type: {error}") from error


def read_numbers(name: str, values: ArrayLike, size: int | None = None) -> NDArray[np.float64]:
    """Convert a field of numbers to an array and check it.

    Args:
        name: Name of the field, for the error message.
        values: The numbers, flat or as nested lists.
        size: Required number of values; None for any.

    Returns:
        float64 (M,), a read-only copy.

    Raises:
        CameraError: The values are not numbers, not finite, or of the wrong count.
    """
    try:
        array = np.array(values, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise CameraError(f"camera_info: {name} must be numbers, not {values!r}") from None
    if size is not None and array.size != size:
        raise CameraError(f"camera_info: {name} must have {size} values, not {array.size}: {CALIBRATE}")
    if not np.isfinite(array).all():
        raise CameraError(f"camera_info: {name} holds NaN or infinity: {CALIBRATE}")
    array.setflags(write=False)
    return array


def read_lens(name: str, d: ArrayLike) -> tuple[DistortionModel, NDArray[np.float64]]:
    """Read `distortion_model` and `d`.

    There is no distortion if the model is empty or if all coefficients are zero. The exception is `equidistant`: four
    zeros describe an ideal equidistant fisheye lens, whose image radius is f times the angle.

    Args:
        name: Name of the model.
        d: The coefficients in OpenCV's order, (M,).

    Returns:
        The model and its coefficients, float64 (M,); M is 0 without distortion.

    Raises:
        CameraError: The model is unknown, or the number of coefficients does not fit it.
    """
    coefficients = read_numbers("d", d)
    if name not in ("", *_MODEL_NAMES):
        raise CameraError(
            f"camera_info: distortion_model {name!r} is not supported (plumb_bob, rational_polynomial and "
            "equidistant are): subscribe to the rectified image and set rectified:=true"
        )
    if name == "" and coefficients.any():
        raise CameraError(
            "camera_info: d has values but distortion_model is empty: set the model in the calibration file, "
            "for example plumb_bob"
        )
    if name != DistortionModel.EQUIDISTANT.value and not coefficients.any():
        return DistortionModel.NONE, np.empty(0)
    model = DistortionModel(name)
    check_coefficients(model, coefficients)
    return model, coefficients


def check_coefficients(model: DistortionModel, coefficients: NDArray[np.float64]) -> None:
    """Check that the number of coefficients fits the distortion model.

    Args:
        model: The distortion model.
        coefficients: float64 (M,).

    Raises:
        CameraError: M does not fit the model.
    """
    accepted = _COEFFICIENTS[model]
    if coefficients.size not in accepted:
        raise CameraError(
            f"camera_info: distortion_model {model.value} has {' or '.join(map(str, accepted))} "
            f"coefficients, d has {coefficients.size}: correct distortion_model in the calibration file, or {CALIBRATE}"
        )


def read_region(roi: RegionOfInterestLike, width: int, height: int) -> Region:
    """Read the region of interest; all zeros mean the whole image.

    Args:
        roi: The region, unbinned pixels.
        width: Width of the whole image, pixels.
        height: Height of the whole image, pixels.

    Returns:
        The region, which lies inside the image.

    Raises:
        CameraError: The region is empty or not inside the image.
    """
    region = Region(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height))
    if region == Region():
        return Region(0, 0, width, height)
    inside = (
        min(region.x_offset, region.y_offset) >= 0
        and min(region.width, region.height) > 0
        and region.x_offset + region.width <= width
        and region.y_offset + region.height <= height
    )
    if not inside:
        raise CameraError(
            f"camera_info: roi {region.width}x{region.height} at ({region.x_offset}, {region.y_offset}) is "
            f"empty or not inside the {width}x{height} image: set it in unbinned pixels, or to all zeros for the "
            "whole image"
        )
    return region
