"""Calibrations that no camera has are refused; unusual cameras that exist are accepted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, InfoFields, Region

K = [520.0, 0, 331.5, 0, 511.0, 228.25, 0, 0, 1]
P = [498.0, 0, 325.0, -49.8, 0, 498.0, 236.0, 0, 0, 0, 1, 0]
PLUMB_BOB = [-0.28, 0.09, 0.001, -0.0015, -0.012]


def camera(*, rectified: bool = False, **changes: Any) -> Camera:
    fields: dict[str, Any] = {"width": 640, "height": 480, "distortion_model": "plumb_bob", "d": PLUMB_BOB, "k": K}
    return Camera.from_info(InfoFields(**{**fields, "p": P, **changes}), rectified=rectified)


def k(fx: float = 520.0, fy: float = 511.0, cx: float = 331.5, cy: float = 228.25, skew: float = 0.0) -> list[float]:
    return [fx, skew, cx, 0, fy, cy, 0, 0, 1]


REFUSED: list[Any] = [
    pytest.param(
        {"k": [0.0] * 9, "p": [0.0] * 12},
        r"not calibrated .k\[0\] is 0.: calibrate the camera .ros2 run",
        id="uncalibrated",
    ),
    pytest.param(
        {"k": [0.0] * 9, "p": [0.0] * 12, "rectified": True}, r"not calibrated", id="uncalibrated and rectified"
    ),
    pytest.param(
        {"k": [0.0] * 9},
        r"not calibrated .k\[0\] is 0.: set rectified:=true if the images are rectified, because p is filled",
        id="only p",
        marks=pytest.mark.handles(
            "Calibration", "K of zeros with P filled", "refused: set rectified:=true, or calibrate"
        ),
    ),
    pytest.param(
        {"k": [np.nan, *K[1:]]},
        r"k holds NaN or infinity",
        id="NaN in k",
        marks=pytest.mark.handles("Calibration", "NaN or infinity", "refused with the field"),
    ),
    pytest.param({"d": [np.inf, 0, 0, 0, 0]}, r"d holds NaN or infinity", id="infinity in d"),
    pytest.param({"p": [np.nan] * 12, "rectified": True}, r"p holds NaN or infinity", id="NaN in p"),
    pytest.param({"width": 0}, r"0x480 pixels", id="no width"),
    pytest.param({"height": 0}, r"640x0 pixels", id="no height"),
    pytest.param({"width": -640}, r"width must be a whole number of pixels, not -640", id="negative width"),
    pytest.param(
        {"binning_x": 641},
        r"0x480 pixels: correct width, height and binning",
        id="binned to nothing",
        marks=pytest.mark.handles("Calibration", "binning larger than the image", "refused: correct the binning"),
    ),
    pytest.param({"binning_y": -2}, r"binning_y must be a whole number of pixels, not -2", id="negative binning"),
    pytest.param({"k": [500.0, 0, 320]}, r"k must have 9 values, not 3", id="short k"),
    pytest.param({"k": ["a"] * 9}, r"k must be numbers, not 'a'", id="words in k"),
    pytest.param({"k": [True] * 9}, r"k must be numbers, not True", id="booleans in k"),
    pytest.param({"k": None}, r"k must be numbers, not None", id="no k"),
    pytest.param({"k": [[[[1.0]]]]}, r"k must be numbers", id="nested too deeply"),
    pytest.param({"d": [1e300] * 5}, r"no lens has a coefficient beyond 1e\+12 in d", id="huge coefficients"),
    pytest.param({"d": [0.0] * 1000}, r"d has more than 100 values", id="too many values"),
    pytest.param({"k": k(fx=-520.0)}, r"positive, not fx = -520, fy = 511", id="negative focal length"),
    pytest.param({"k": k(fy=0.0)}, r"positive, not fx = 520, fy = 0", id="no fy"),
    pytest.param(
        {"k": k(fx=3.6, fy=3.6)},
        r"no camera has fx = 3.6 in a 640x480 image: focal lengths are in pixels of this image, not in millimetres",
        id="millimetres",
        marks=pytest.mark.handles(
            "Calibration", "focal length in millimetres, 0.001 or 1e9", "refused: no camera has it"
        ),
    ),
    pytest.param({"k": k(fx=0.9, fy=1.2, cx=0.5, cy=0.5)}, r"no camera has fx = 0.9 in a 640x480", id="normalized"),
    pytest.param({"k": k(fx=1e-3, fy=1e-3)}, r"no camera has fx = 0.001", id="tiny focal length"),
    pytest.param({"k": k(fy=1e9)}, r"no camera has fy = 1e\+09", id="huge focal length"),
    pytest.param({"p": [3.0, *P[1:]], "rectified": True}, r"no camera has fx = 3 .*correct p", id="millimetres in p"),
    pytest.param(
        {"k": k(fx=14618.0, fy=400.0)},
        r"no camera has fx = 14618 beside fy = 400",
        id="aspect",
        marks=pytest.mark.handles("Calibration", "fx more than three times fy", "refused: no camera has it"),
    ),
    pytest.param(
        {"k": [520.0, 511.0, 331.5, 0, 228.0, 240, 0, 0, 1]},
        r"no camera has a skew .k\[1\]. of 511 beside fx = 520",
        id="skew like a focal length",
        marks=pytest.mark.handles("Calibration", "skew of more than a tenth of fx", "refused: no camera has it"),
    ),
    pytest.param(
        {"k": [520, 0, 331, 0, 511, 228, 0, 0, 0]},
        r"k must be fx 0 cx, 0 fy cy, 0 0 1 .a skew beside fx is accepted.",
        id="last row of k",
        marks=pytest.mark.handles(
            "Calibration", "K with another form than the message defines", "refused with the form"
        ),
    ),
    pytest.param({"k": [1040, 0, 662, 0, 1022, 456, 0, 0, 2]}, r"k must be fx 0 cx, 0 fy cy, 0 0 1", id="scaled k"),
    pytest.param({"k": [520, 0, 331, 3, 511, 228, 0, 0, 1]}, r"k must be fx 0 cx, 0 fy cy, 0 0 1", id="k[3]"),
    pytest.param(
        {"k": [520, 0, 0, 0, 511, 0, 331, 228, 1]},
        r"k is written column by column: write it row by row",
        id="k by columns",
        marks=pytest.mark.handles(
            "Calibration", "K stored column by column (MATLAB, Open3D)", "refused: write it by rows"
        ),
    ),
    pytest.param({"roi": Region(300, 0, 400, 480)}, r"roi 400x480 at \(300, 0\) is empty or not inside", id="wide roi"),
    pytest.param({"roi": Region(0, 1, 640, 480)}, r"roi 640x480 at \(0, 1\) is empty or not inside", id="high roi"),
    pytest.param({"roi": Region(10, 10, 0, 100)}, r"roi 0x100 at \(10, 10\) is empty", id="roi of no width"),
    pytest.param(
        {"k": k(cx=1900.0)},
        r"principal point \(1900, 228\.25\) is far outside of the 640x480 image",
        id="far principal point",
        marks=pytest.mark.handles(
            "Calibration", "principal point far outside of the image", "refused: another video mode"
        ),
    ),
    *(
        pytest.param(
            {"k": k(cx=cx, cy=cy), "binning_x": binning, "binning_y": binning},
            rf"the centre of a {size} image, but this one is 640x480: k must be resized, binned and turned",
            id=f"k of {size}",
            marks=pytest.mark.handles(
                "Calibration", "K of the image before it was resized, binned or turned", "refused with that size"
            ),
        )
        for cx, cy, size, binning in (
            (639.5, 479.5, "1280x960", 1),
            (163.0, 118.0, "320x240", 1),
            (162.0, 117.0, "320x240", 2),
            (239.5, 319.5, "480x640", 1),
        )
    ),
    pytest.param(
        {"k": k(cx=0.0, cy=0.0)}, r"principal point in k is \(0, 0\), which means that it is not set", id="corner"
    ),
    pytest.param(
        {"k": k(cx=0.5, cy=0.49)},
        r"is \(0\.5, 0\.49\), which means that it is a share of the image, not in pixels",
        id="principal point as a share",
    ),
    pytest.param(
        {"p": [0.0] * 12, "rectified": True},
        r"p is all zeros: use the raw image",
        id="rectified without p",
        marks=pytest.mark.handles("Calibration", "P of zeros, rectified:=true", "refused: use the raw image"),
    ),
    pytest.param(
        {"r": [1.0, 0, 0, 0, 2, 0, 0, 0, 1]},
        r"r is not a rotation matrix: set it to 1 0 0, 0 1 0, 0 0 1 for a single camera",
        id="stretched r",
        marks=pytest.mark.handles("Calibration", "R that is not a rotation", "refused: set it to the identity"),
    ),
    pytest.param({"r": [1.0, 0, 0, 0, 1, 0, 0, 0, -1], "rectified": True}, r"r is not a rotation", id="mirrored r"),
    pytest.param({"r": [1.0]}, r"r must have 9 values, not 1", id="short r"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_no_camera_has_is_refused_with_the_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CameraError, match=message) as refused:
        camera(**changes)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"r": [0.0] * 9}, id="r of zeros, as in older drivers"),
        pytest.param({"r": np.eye(3, dtype=np.float32).ravel()}, id="identity"),
        pytest.param({"p": [np.nan] * 12}, id="p is not used for a raw image"),
        pytest.param({"p": [0.0] * 12}, id="no p"),
        pytest.param({"k": k(skew=10.8)}, id="skew"),
        pytest.param({"k": k(fx=260.0)}, id="one field of interlaced video"),
        pytest.param({"k": k(fx=20000.0, fy=20000.0), "d": []}, id="telescope of two degrees"),
        pytest.param({"k": k(cx=639.5, cy=300.0), "d": []}, id="right half of an image without a ROI"),
        pytest.param({"k": k(cx=-200.0, cy=-150.0), "d": []}, id="cropped image without a ROI"),
        pytest.param({"k": k(fx=80.0, fy=80.0), "distortion_model": "fisheye", "d": [0.0] * 4}, id="fisheye"),
        pytest.param({"k": np.array(K, np.float32)}, id="float32"),
        pytest.param({"k": [str(value) for value in K]}, id="numbers as text"),
    ],
)
def test_unusual_cameras_are_accepted(changes: dict[str, Any]) -> None:
    assert camera(**changes).width == 640


KNOWN_LENSES: dict[str, tuple[tuple[int, int], tuple[float, ...], str, list[float]]] = {
    "wide": ((640, 480), (369.4, 371.2, 310.5, 230.1), "plumb_bob", [-0.332, 0.0683, -0.0029, 0.0049, 0]),
    "action camera": ((1920, 1080), (1780, 1780, 959.5, 539.5), "plumb_bob", [-0.255, -0.07, 0, 0, 0.3]),
    "RGB-D": ((640, 480), (517.3, 516.5, 318.6, 255.3), "plumb_bob", [0.2624, -0.9531, -0.0054, 0.0026, 1.1633]),
    "drone": ((752, 480), (458.7, 457.3, 367.2, 248.4), "radtan", [-0.2834, 0.07396, 0.0002, 1.8e-5]),
    "rational": (
        (1280, 720),
        (604.9, 604.9, 636.9, 367.5),
        "rational_polynomial",
        [0.7799, -2.9803, 0.00075, 5.7e-5, 1.6998, 0.6572, -2.8119, 1.6302],
    ),
    "rational with large coefficients": (
        (250, 250),
        (196.8, 196.8, 123.9, 127.1),
        "rational_polynomial",
        [-4.0934, 9.1908, 0.00125, -0.00103, -8.9172, -4.188, 9.5568, -9.3035],
    ),
    "image circle": ((848, 800), (285.9, 285.9, 428.9, 403.7), "fisheye", [-0.0126, 0.0515, -0.0483, 0.0098, 0]),
    "more than 180 degrees": ((960, 720), (180.0, 180.0, 480.0, 360.0), "equidistant", [0.0] * 4),
    "black corners": ((1280, 800), (415.1, 410.5, 665.5, 460.1), "plumb_bob", [-0.0177, -0.00727, 0.00575, -0.0001]),
}


@pytest.mark.handles("Calibration", "wide lenses of real cameras, image circles smaller than the image", "answered")
@pytest.mark.parametrize("lens", KNOWN_LENSES)
def test_lenses_of_real_cameras_are_accepted(lens: str) -> None:
    size, focal, model, d = KNOWN_LENSES[lens]
    accepted = camera(width=size[0], height=size[1], distortion_model=model, d=d, k=k(*focal))
    centre = np.array([[focal[2] + 40.0, focal[3] - 30.0]])
    np.testing.assert_allclose(accepted.project(accepted.unproject(centre)), centre, atol=1e-6)


@pytest.mark.handles(
    "Calibration", "lens that folds back in the outermost corners", "answered: these corners are rendered black"
)
def test_a_fold_in_the_outermost_corners_is_accepted() -> None:
    folding = camera(d=[-0.36, 0.05, 0, 0, 0])
    rays = folding.unproject([[0.0, 479.0], [20.0, 240.0], [331.5, 228.25]])
    assert np.isnan(rays[0]).all()
    assert np.isfinite(rays[1:]).all()


@pytest.mark.parametrize(
    ("model", "d", "message"),
    [
        pytest.param(
            "plumb_bob",
            [-0.4, 0, 0, 0, 0],
            r"lens .plumb_bob. cannot be inverted over 15% of the image, where its distortion folds back: calibrate "
            r"the camera again with the pattern up to the corners, or use the rectified image with rectified:=true",
            marks=pytest.mark.handles(
                "Calibration", "lens that cannot be inverted over the image", "refused: calibrate up to the corners"
            ),
        ),
        ("plumb_bob", [-662.7, 2154.7, 18.8, -0.311, -2090.8], r"cannot be inverted"),
        ("rational_polynomial", [0, 0, 0, 0, 0, 3.0, 0, 0], r"lens .rational_polynomial. cannot be inverted"),
        ("equidistant", [-0.8, 0, 0, 0], r"lens .equidistant. cannot be inverted"),
        ("plumb_bob", [0, 0, 0.5, 0, 0], r"cannot be inverted over 43% of the image"),
    ],
)
def test_a_lens_that_cannot_be_inverted_over_the_image_is_refused(model: str, d: list[float], message: str) -> None:
    with pytest.raises(CameraError, match=message):
        camera(distortion_model=model, d=d)


@pytest.mark.handles("Calibration", "any numbers in K and D", "the lens is inverted to within 0.0001 px, or refused")
@settings(max_examples=300, deadline=None)
@given(
    model=st.sampled_from(["plumb_bob", "rational_polynomial", "equidistant"]),
    d=st.lists(st.floats(-1, 1) | st.floats(allow_nan=False), max_size=15),
    focal=st.floats(50, 20_000),
    skew=st.floats(-60, 60),
)
def test_any_calibration_is_inverted_exactly_or_refused(model: str, d: list[float], focal: float, skew: float) -> None:
    try:
        accepted = camera(distortion_model=model, d=d, k=k(fx=focal, fy=focal, skew=skew))
    except CameraError:
        return
    pixels = np.stack(np.meshgrid(np.linspace(0, 639, 12), np.linspace(0, 479, 9)), axis=-1).reshape(-1, 2)
    rays = accepted.unproject(pixels)
    seen = np.isfinite(rays[:, 0])
    assert np.abs(accepted.project(rays[seen]) - pixels[seen]).max(initial=0.0) < 1e-4


def test_only_the_published_part_of_the_image_must_be_invertible() -> None:
    assert camera(d=[-0.4, 0, 0, 0, 0], roi=Region(160, 120, 320, 240)).width == 320
