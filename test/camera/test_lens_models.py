"""Lens models: their names, and what their coefficients mean."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, InfoFields
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.camera.lens_models import read_lens

PLUMB_BOB = [-0.28, 0.09, 0.001, -0.0015, -0.012]
RATIONAL = [0.42, 0.11, 0.0005, -0.0004, 0.01, 0.71, 0.2, 0.02]
PRISM = [0.001, -0.0005, 0.0008, 0.0003]
TILT = [0.01, -0.008]
FISHEYE = [-0.02, 0.011, -0.006, 0.001]
POINTS = np.array([[0.3, -0.2, 1.0], [-0.5, 0.4, 1.5], [0.1, 0.6, 1.1]])


@pytest.mark.handles("Calibration", "distortion_model in other letters and words, such as brown_conrady", "read")
@pytest.mark.parametrize(
    "name",
    [
        "plumb_bob",
        "Plumb Bob",
        "PLUMB_BOB",
        "radtan",
        "brown_conrady",
        "Brown-Conrady",
        "RS2_DISTORTION_BROWN_CONRADY",
        "distortion.brown_conrady",
        "radial-tangential",
        "OPENCV",
        "rational_polynomial",
    ],
)
def test_the_polynomial_has_many_names(name: str) -> None:
    model, d = read_lens(name, PLUMB_BOB)
    assert model is DistortionModel.PLUMB_BOB
    np.testing.assert_array_equal(d, PLUMB_BOB)


@pytest.mark.handles("Calibration", "distortion_model fisheye, KANNALA_BRANDT4 and the like", "read as equidistant")
@pytest.mark.parametrize(
    "name", ["equidistant", "fisheye", "equi", "KANNALA_BRANDT4", "RS2_DISTORTION_KANNALA_BRANDT4", "kb4", "Fisheye"]
)
def test_the_fisheye_model_has_many_names(name: str) -> None:
    model, d = read_lens(name, FISHEYE)
    assert model is DistortionModel.EQUIDISTANT
    np.testing.assert_array_equal(d, FISHEYE)


@pytest.mark.handles(
    "Calibration", "no distortion: any name, with no coefficients or zeros", "read as a pinhole camera"
)
@pytest.mark.parametrize(
    "name",
    [
        "",
        "none",
        "None",
        "NONE",
        "no distortion",
        "pinhole",
        "perspective",
        "rectilinear",
        "unknown",
        "plumb_bob",
        "rational_polynomial",
        "brown_conrady",
        "Inverse Brown Conrady",
        "distortion.inverse_brown_conrady",
        "modified_brown_conrady",
        "radtan",
        "division",
    ],
)
@pytest.mark.parametrize("zeros", [0, 1, 4, 5, 8, 14, 20])
def test_no_or_zero_coefficients_mean_no_distortion(name: str, zeros: int) -> None:
    model, d = read_lens(name, [0.0] * zeros)
    assert model is DistortionModel.NONE
    assert d.size == 0


@pytest.mark.handles("Calibration", "equidistant with zero coefficients", "read as an ideal fisheye lens")
def test_a_fisheye_lens_with_zero_coefficients_is_a_fisheye_lens() -> None:
    assert read_lens("equidistant", [0.0] * 4)[0] is DistortionModel.EQUIDISTANT


def projected(name: str, d: list[float]) -> np.ndarray:
    k = [500.0, 0, 320, 0, 505.0, 240, 0, 0, 1]
    return Camera.from_info(InfoFields(640, 480, name, d, k)).project(POINTS)


def opencv(d: list[float]) -> np.ndarray:
    K = np.array([[500.0, 0, 320], [0, 505, 240], [0, 0, 1]])
    return np.asarray(cv2.projectPoints(POINTS, np.zeros(3), np.zeros(3), K, np.array(d))[0]).reshape(-1, 2)


@pytest.mark.handles("Calibration", "plumb_bob with 8, 12 or 14 coefficients, the last ones zero", "read as plumb_bob")
@pytest.mark.parametrize("name", ["plumb_bob", "rational_polynomial"])
@pytest.mark.parametrize("zeros", [0, 1, 2, 3, 7, 9, 15])
def test_zeros_at_the_end_do_not_matter(name: str, zeros: int) -> None:
    assert read_lens(name, PLUMB_BOB + [0.0] * zeros)[0] is DistortionModel.PLUMB_BOB
    np.testing.assert_allclose(projected(name, PLUMB_BOB + [0.0] * zeros), opencv(PLUMB_BOB), atol=1e-6)


@pytest.mark.handles(
    "Calibration", "plumb_bob with 8, 12 or 14 coefficients that are not zero", "read as in OpenCV: rational_polynomial"
)
@pytest.mark.parametrize("name", ["plumb_bob", "rational_polynomial", "full_opencv"])
@pytest.mark.parametrize("d", [RATIONAL, RATIONAL + PRISM, RATIONAL + PRISM + TILT])
def test_more_than_five_coefficients_are_a_rational_polynomial(name: str, d: list[float]) -> None:
    assert read_lens(name, d)[0] is DistortionModel.RATIONAL_POLYNOMIAL
    np.testing.assert_allclose(projected(name, d), opencv(d), atol=1e-6)
    np.testing.assert_allclose(projected(name, [*d, 0.0]), opencv(d), atol=1e-6)


@pytest.mark.handles("Calibration", "rational_polynomial with 4 or 5 coefficients", "read as plumb_bob")
@pytest.mark.parametrize("size", [4, 5])
def test_a_rational_polynomial_of_five_is_plumb_bob(size: int) -> None:
    assert read_lens("rational_polynomial", PLUMB_BOB[:size])[0] is DistortionModel.PLUMB_BOB
    np.testing.assert_allclose(projected("rational_polynomial", PLUMB_BOB[:size]), opencv(PLUMB_BOB[:size]), atol=1e-6)


@pytest.mark.handles("Calibration", "equidistant with 5 coefficients, the last one zero (T265)", "read as equidistant")
def test_zeros_at_the_end_of_a_fisheye_lens_do_not_matter() -> None:
    model, d = read_lens("equidistant", [*FISHEYE, 0.0])
    assert model is DistortionModel.EQUIDISTANT
    np.testing.assert_array_equal(d, FISHEYE)


def test_a_modified_brown_conrady_lens_without_tangential_part_is_plumb_bob() -> None:
    assert read_lens("modified_brown_conrady", [-0.05, 0.06, 0, 0, -0.02])[0] is DistortionModel.PLUMB_BOB


@pytest.mark.parametrize(
    ("name", "d", "message"),
    [
        pytest.param(
            "inverse_brown_conrady",
            PLUMB_BOB,
            r"'inverse_brown_conrady' is not supported .*set rectified:=true",
            marks=pytest.mark.handles(
                "Calibration", "inverse or modified Brown-Conrady, double sphere, omni, fov", "refused by name"
            ),
        ),
        ("modified_brown_conrady", PLUMB_BOB, r"'modified_brown_conrady' is not supported"),
        ("double_sphere", [0.5, 0.6], r"'double_sphere' is not supported"),
        ("Mei", [0.88], r"'Mei' is not supported"),
        ("fov", [0.9], r"'fov' is not supported"),
        ("ftheta", [0.1, 0.2], r"'ftheta' is not supported"),
        ("thin_prism_fisheye", [0.0] * 8, r"'thin_prism_fisheye' is not supported"),
        ("x" * 1000, [0.0], r"'x{60}' is not supported"),
        pytest.param(
            "",
            PLUMB_BOB,
            r"d has values but distortion_model is empty: set the model",
            marks=pytest.mark.handles("Calibration", "coefficients without a distortion_model", "refused: set it"),
        ),
        ("pinhole", PLUMB_BOB, r"d has values but distortion_model is 'pinhole'"),
        ("unknown", PLUMB_BOB, r"d has values but distortion_model is 'unknown'"),
        pytest.param(
            "plumb_bob",
            PLUMB_BOB[:3],
            r"'plumb_bob' has 5 or 8 coefficients .*, d has 3: correct d",
            marks=pytest.mark.handles("Calibration", "a number of coefficients that no model has", "refused with it"),
        ),
        ("plumb_bob", [0.1], r"d has 1"),
        ("plumb_bob", RATIONAL[:6], r"d has 6"),
        ("\x1b[\nplumb_bob", [0.1], r"distortion_model '\\x1b\[\\nplumb_bob' has"),
        ("rational_polynomial", RATIONAL + PRISM + TILT + [0.1], r"d has 15"),
        ("equidistant", FISHEYE[:3], r"equidistant has 4 coefficients, d has 3"),
        ("equidistant", [], r"equidistant has 4 coefficients, d has 0"),
        ("equidistant", PLUMB_BOB, r"equidistant has 4 coefficients, d has 5"),
        ("plumb_bob", [np.nan] * 5, r"d holds NaN or infinity"),
    ],
)
def test_what_is_not_understood_is_refused(name: str, d: list[float], message: str) -> None:
    with pytest.raises(CameraError, match=message) as refused:
        read_lens(name, d)
    assert "\n" not in str(refused.value)
