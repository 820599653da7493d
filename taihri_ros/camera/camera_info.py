"""The fields of sensor_msgs/CameraInfo, read from a message or a file and checked."""

from __future__ import annotations

import re
import reprlib
from array import array
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.errors import TaihriError

CALIBRATE = "calibrate the camera (ros2 run camera_calibration cameracalibrator) and load the result in its driver"
"""The advice at the end of most messages about an invalid camera_info."""

_DEEPEST = 2
"""Deepest nesting of lists: a matrix is a list of rows."""

_MOST_NUMBERS = 100
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")
_DECIMALS = re.compile(r"0\d{1,15}")

_NOT_FINITE = re.compile(r"[-+]?\.?(nan|inf|infinity)")

_brief = reprlib.Repr()
_brief.maxlevel, _brief.maxlist, _brief.maxdict = 2, 4, 4


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
    def r(self) -> ArrayLike:
        """Rotation from the camera to the rectified image, 9 values, row by row; all zeros where it is not set."""

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
        """Published part of the sensor; a width and height of zero mean the whole sensor."""


@dataclass(frozen=True)
class Region:
    """A region of interest, unbinned pixels."""

    x_offset: int = 0
    y_offset: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class InfoFields:
    """The fields of CameraInfo, read from a file; names, shapes and units are those of `CameraInfoLike`.

    P, R, binning and region of interest are zero where the file lacks them.
    """

    width: int
    height: int
    distortion_model: str
    d: ArrayLike
    k: ArrayLike
    p: ArrayLike = (0.0,) * 12
    binning_x: int = 0
    binning_y: int = 0
    roi: Region = Region()
    r: ArrayLike = (0.0,) * 9


def read_numbers(name: str, values: object, size: int | None = None) -> NDArray[np.float64]:
    """Convert a field of numbers to an array and check it.

    Args:
        name: Name of the field, for the error message.
        values: The numbers, flat or as nested lists. Numbers may be text, as files hold them.
        size: Required number of values; None for any.

    Returns:
        float64 (M,), a read-only copy.

    Raises:
        CameraError: The values are not numbers, not finite, or of the wrong count.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        numbers = values.astype(np.float64).ravel()
    else:
        flat = _flat(name, values)
        if len(flat) > 1 and (after := next((each for each in flat if _follows_a_comma(each)), None)):
            raise CameraError(
                f"camera_info: {name} has the value {after}: write decimals with a point, not with a comma"
            )
        numbers = np.array([_read_number(name, value) for value in flat], np.float64)
    if size is not None and numbers.size != size:
        raise CameraError(f"camera_info: {name} must have {size} values, not {numbers.size}: {CALIBRATE}")
    if not np.isfinite(numbers).all():
        raise CameraError(f"camera_info: {name} holds NaN or infinity: {CALIBRATE}")
    numbers.setflags(write=False)
    return numbers


def read_count(name: str, value: object) -> int:
    """Convert a field that counts pixels.

    Args:
        name: Name of the field, for the error message.
        value: The number, which may be text, as files hold it.

    Returns:
        The number, not negative.

    Raises:
        CameraError: The value is not a whole number, or negative.
    """
    (number,) = read_numbers(name, [value])
    if number < 0.0 or not number.is_integer():
        raise CameraError(f"camera_info: {name} must be a whole number of pixels, not {_brief.repr(value)}")
    return int(number)


def _flat(name: str, values: object, depth: int = 0) -> list[object]:
    """Return the values of nested lists in one list; the limits stop at nested references of a damaged file."""
    if isinstance(values, np.ndarray | array):
        values = values.tolist()
    if not isinstance(values, list | tuple) or depth > _DEEPEST:
        raise CameraError(f"camera_info: {name} must be numbers, not {_brief.repr(values)}")
    flat: list[object] = []
    for value in values:
        flat.extend(_flat(name, value, depth + 1) if isinstance(value, list | tuple | np.ndarray) else [value])
        if len(flat) > _MOST_NUMBERS:
            raise CameraError(f"camera_info: {name} has more than {_MOST_NUMBERS} values: {CALIBRATE}")
    return flat


def _follows_a_comma(value: object) -> bool:
    """Return whether a value looks like the decimals behind a comma, which separates the numbers of a list in YAML."""
    return isinstance(value, str) and _DECIMALS.fullmatch(value) is not None


def _read_number(name: str, value: object) -> float:
    """Convert a number, or a text that is one in YAML, JSON or XML."""
    if isinstance(value, str):
        text = value.strip().lower()
        if _NUMBER.fullmatch(text):
            return float(text)
        if _NOT_FINITE.fullmatch(text):
            return np.nan
    elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return np.inf
    raise CameraError(f"camera_info: {name} must be numbers, not {_brief.repr(value)}")


def read_region(roi: RegionOfInterestLike, width: int, height: int) -> Region:
    """Read the region of interest; a width and height of zero mean the whole image.

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
    if region.width == region.height == 0:
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
