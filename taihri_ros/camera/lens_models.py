"""Names and coefficients of lens models, as drivers and calibration tools write them."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.camera_info import CALIBRATE, CameraError, read_numbers
from taihri_ros.camera.distortion import DistortionModel

_NO_MODEL = {"", "none", "no", "nodistortion", "null", "pinhole", "perspective", "rectilinear", "ideal", "undistorted"}
_NO_MODEL |= {"rectified", "unknown"}
"""Names that do not describe a distortion: they are read if all coefficients are zero."""

_POLYNOMIAL = {"plumbbob", "brownconrady", "brown", "radtan", "radialtangential", "rationalpolynomial", "rational"}
_POLYNOMIAL |= {"opencv", "fullopencv", "opencvpinhole", "opencvrational"}
"""Names of OpenCV's polynomial. As in OpenCV and image_geometry, the number of coefficients decides which one it is."""

_EQUIDISTANT = {"equidistant", "equi", "fisheye", "opencvfisheye", "kannalabrandt", "kannalabrandt4", "kannalabrandt8"}
_EQUIDISTANT |= {"kb", "kb4", "kb8"}
"""Names of OpenCV's fisheye model. The 4 or 8 at the end counts parameters without or with fx, fy, cx and cy."""

_PINHOLE_IF_ZERO = {"inversebrownconrady", "modifiedbrownconrady", "division", "radial", "simpleradial", "fov"}
"""Names of models that are not supported, but describe no distortion if all coefficients are zero."""

_COEFFICIENTS = {
    DistortionModel.NONE: (0,),
    DistortionModel.PLUMB_BOB: (4, 5),
    DistortionModel.RATIONAL_POLYNOMIAL: (8, 12, 14),
    DistortionModel.EQUIDISTANT: (4,),
}
_POLYNOMIAL_SIZES = (4, 5, 8, 12, 14)
_TANGENTIAL = slice(2, 4)
_LARGEST = 1e12
"""Largest coefficient; k3 of a telescope reaches 1e9, because it belongs to the sixth power of a small radius."""


def read_lens(name: str, d: ArrayLike) -> tuple[DistortionModel, NDArray[np.float64]]:
    """Read `distortion_model` and `d` by their meaning.

    Names are compared without case and punctuation. Zeros at the end do not matter. Coefficients that are all zero mean
    no distortion, except for `equidistant`: four zeros describe an ideal equidistant fisheye lens, whose image radius
    is f times the angle. plumb_bob and rational_polynomial are one polynomial: five coefficients are plumb_bob, and
    more are rational_polynomial, whatever the name is.

    Args:
        name: Name of the model.
        d: The coefficients in OpenCV's order, (M,).

    Returns:
        The model and its coefficients, float64 (M,); M is 0 without distortion.

    Raises:
        CameraError: The model is not supported, or the number of coefficients does not fit it.
    """
    coefficients = read_numbers("d", d)
    if np.abs(coefficients).max(initial=0.0) > _LARGEST:
        raise CameraError(f"camera_info: no lens has a coefficient beyond {_LARGEST:g} in d: {CALIBRATE}")
    family = re.sub(r"^(rs2)?distortion", "", re.sub(r"[^a-z0-9]", "", name.lower()))
    if family in _EQUIDISTANT:
        coefficients = _without_zeros(coefficients, (4,))
        check_coefficients(DistortionModel.EQUIDISTANT, coefficients)
        return DistortionModel.EQUIDISTANT, coefficients
    if not coefficients.any() and family in _NO_MODEL | _POLYNOMIAL | _PINHOLE_IF_ZERO:
        return DistortionModel.NONE, np.empty(0)
    if family in _NO_MODEL:
        raise CameraError(
            f"camera_info: d has values but distortion_model is {repr(name[:60]) if name else 'empty'}: set the model "
            "in the calibration file, for example plumb_bob"
        )
    if family == "modifiedbrownconrady" and not coefficients[_TANGENTIAL].any():
        family = "brownconrady"  # RealSense's model differs in the tangential part only
    if family not in _POLYNOMIAL:
        raise CameraError(
            f"camera_info: distortion_model {name[:60]!r} is not supported (plumb_bob, rational_polynomial and "
            "equidistant are): subscribe to the rectified image and set rectified:=true"
        )
    if coefficients.size > max(_COEFFICIENTS[DistortionModel.PLUMB_BOB]):
        coefficients = _without_zeros(coefficients, _POLYNOMIAL_SIZES[1:])
    if coefficients.size not in _POLYNOMIAL_SIZES:
        raise CameraError(
            f"camera_info: distortion_model {name[:60]!r} has 5 or 8 coefficients (or 4, 12 or 14, as in OpenCV), d "
            f"has {coefficients.size}: correct d in the calibration file, or {CALIBRATE}"
        )
    if coefficients.size <= max(_COEFFICIENTS[DistortionModel.PLUMB_BOB]):
        return DistortionModel.PLUMB_BOB, coefficients
    return DistortionModel.RATIONAL_POLYNOMIAL, coefficients


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


def _without_zeros(coefficients: NDArray[np.float64], sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the coefficients cut to the smallest of the sizes beyond which all of them are zero."""
    used = int(np.flatnonzero(coefficients)[-1]) + 1 if coefficients.any() else 0
    fitting = [size for size in sizes if used <= size <= coefficients.size]
    return coefficients[: fitting[0]] if fitting else coefficients
