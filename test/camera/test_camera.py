"""Camera: reading CameraInfo, refusing invalid ones, and projection compared with the textbook formulas."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_typestore

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, InfoFields, Region
from taihri_ros.camera.distortion import DistortionModel

PLUMB_BOB = [-0.28, 0.09, 0.001, -0.0015, -0.012]
RATIONAL = [0.42, 0.11, 0.0005, -0.0004, 0.01, 0.71, 0.2, 0.02]
EQUIDISTANT = [-0.02, 0.011, -0.006, 0.001]
LENSES = {
    "plumb_bob": PLUMB_BOB,
    "plumb_bob of 4": PLUMB_BOB[:4],
    "rational_polynomial": RATIONAL,
    "rational_polynomial with thin prism": [*RATIONAL, 0.001, -0.0005, 0.0008, 0.0003],
    "rational_polynomial with tilt": [*RATIONAL, 0.001, -0.0005, 0.0008, 0.0003, 0.01, -0.008],
    "equidistant": EQUIDISTANT,
    "equidistant of zeros": [0.0] * 4,
    "": [],
}


def info(**changes: Any) -> InfoFields:
    """Return a valid 640x480 camera with fx != fy and an off-centre principal point, with the given changes."""
    valid = InfoFields(
        width=640,
        height=480,
        distortion_model="plumb_bob",
        d=PLUMB_BOB,
        k=[520.0, 0, 331.5, 0, 511.0, 228.25, 0, 0, 1],
        p=[498.0, 0, 325.0, -49.8, 0, 498.0, 236.0, 0, 0, 0, 1, 0],
        binning_x=0,
        binning_y=0,
        roi=Region(),
    )
    return replace(valid, **changes)


def lens_info(lens: str, **changes: Any) -> InfoFields:
    return info(distortion_model=lens.split(" ")[0], d=LENSES[lens], **changes)


def textbook_projection(model: str, d: list[float], k: list[float], points: NDArray[Any]) -> NDArray[Any]:
    """Project with the formulas of OpenCV's manual (without thin prism and tilt)."""
    x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    r2 = x**2 + y**2
    if model == "equidistant":
        angle = np.arctan(np.sqrt(r2))
        scale = angle * (1 + d[0] * angle**2 + d[1] * angle**4 + d[2] * angle**6 + d[3] * angle**8) / np.sqrt(r2)
        u, v = x * scale, y * scale
    else:
        k1, k2, p1, p2, k3, k4, k5, k6 = (*d, *[0.0] * (8 - len(d)))
        radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
        v = y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
    return np.column_stack([k[0] * u + k[2], k[4] * v + k[5]])


points_ahead = st.lists(
    st.tuples(st.floats(-0.7, 0.7), st.floats(-0.5, 0.5), st.floats(0.3, 4.0)), min_size=1, max_size=20
).map(lambda rows: np.array([(x * z + 1e-4, y * z, z) for x, y, z in rows]))


@pytest.mark.parametrize("lens", ["plumb_bob", "plumb_bob of 4", "rational_polynomial", "equidistant", ""])
@given(points=points_ahead)
def test_projection_matches_the_textbook_formula(lens: str, points: NDArray[Any]) -> None:
    fields = lens_info(lens)
    expected = textbook_projection(lens.split(" ")[0], LENSES[lens], list(fields.k), points)  # type: ignore[arg-type]
    np.testing.assert_allclose(Camera.from_info(fields).project(points), expected, atol=1e-6)


@pytest.mark.parametrize("lens", LENSES)
@given(points=points_ahead)
def test_unproject_inverts_project(lens: str, points: NDArray[Any]) -> None:
    camera = Camera.from_info(lens_info(lens))
    rays = camera.unproject(camera.project(points))
    np.testing.assert_allclose(rays, points / points[:, 2:], atol=1e-8)


@pytest.mark.parametrize("lens", LENSES)
def test_every_pixel_is_unprojected_exactly_or_nan(lens: str) -> None:
    camera = Camera.from_info(lens_info(lens))
    u, v = np.meshgrid(np.arange(0, 640, 7), np.arange(0, 480, 7))
    pixels = np.column_stack([u.ravel(), v.ravel()]).astype(float)
    back = camera.project(camera.unproject(pixels))
    seen = np.isfinite(back).all(axis=1)
    assert seen.mean() > 0.99
    assert np.abs(back - pixels)[seen].max() < 1e-6


def test_strong_distortion_is_inverted_where_opencv_does_not_converge() -> None:
    camera = Camera.from_info(info(d=[-0.36, 0.05, 0.0, 0.0, 0.0]))
    pixels = camera.project([[0.82, 0.2, 1.0]])
    assert np.abs(camera.unproject(pixels) - [0.82, 0.2, 1.0]).max() < 1e-8
    opencv = cv2.undistortPoints(pixels.reshape(-1, 1, 2), camera.K, camera.D).ravel()
    assert np.abs(opencv - [0.82, 0.2]).max() > 1e-3


def test_the_ray_of_the_principal_point_is_the_optical_axis() -> None:
    for lens in ("plumb_bob", "rational_polynomial", "equidistant", ""):
        camera = Camera.from_info(lens_info(lens))
        np.testing.assert_allclose(camera.unproject([[331.5, 228.25]]), [[0, 0, 1]], atol=1e-12)


def test_points_behind_the_camera_have_no_pixel() -> None:
    for lens in LENSES:
        camera = Camera.from_info(lens_info(lens))
        assert np.isnan(camera.project([[0.1, 0.1, 0.0], [0.1, 0.1, -1.0]])).all()


def test_the_field_of_view_ends_where_the_distortion_folds_back() -> None:
    # r (1 - 0.4 r^2) grows up to r = 0.913 and then shrinks: a ray at 1.3 would be projected into the image.
    camera = Camera(640, 480, Camera.from_info(info()).K, np.array([-0.4, 0, 0, 0]), DistortionModel.PLUMB_BOB)
    pixels = camera.project([[0.8, 0.0, 1.0], [0.95, 0.0, 1.0], [1.3, 0.0, 1.0]])
    assert np.isfinite(pixels[0]).all()
    assert np.isnan(pixels[1:]).all()
    beyond_the_image_circle = [[331.5 + 520.0 * 0.62, 228.25]]
    assert np.isnan(camera.unproject(beyond_the_image_circle)).all()


def test_the_field_of_view_ends_at_a_pole_of_the_rational_model() -> None:
    camera = Camera.from_info(info(distortion_model="rational_polynomial", d=[0, 0, 0, 0, 0, -1.0, 0, 0]))
    pixels = camera.project([[0.9, 0.0, 1.0], [1.1, 0.0, 1.0]])
    assert np.isfinite(pixels[0]).all()
    assert np.isnan(pixels[1]).all()


def test_empty_and_nan_inputs_are_passed_through() -> None:
    for lens in LENSES:
        camera = Camera.from_info(lens_info(lens))
        assert camera.project(np.empty((0, 3))).shape == (0, 2)
        assert camera.unproject(np.empty((0, 2))).shape == (0, 3)
        assert np.isnan(camera.project([[np.nan, 0.0, 1.0]])).any()
        assert np.isnan(camera.unproject([[np.nan, 10.0]])).any()


@pytest.mark.parametrize("lens", LENSES)
@given(points=points_ahead, left=st.integers(0, 200), top=st.integers(0, 150), binning=st.integers(1, 4))
def test_roi_crops_and_binning_decimates_the_projection(
    lens: str, points: NDArray[Any], left: int, top: int, binning: int
) -> None:
    region = Region(left, top, 401, 303)
    whole = Camera.from_info(lens_info(lens))
    part = Camera.from_info(lens_info(lens, roi=region, binning_x=binning, binning_y=2))
    assert (part.width, part.height) == (401 // binning, 151)
    np.testing.assert_allclose(part.project(points), (whole.project(points) - [left, top]) / [binning, 2], atol=1e-9)


@pytest.mark.handles("Calibration", "ROI with an offset, but without a width and height", "read as the whole image")
def test_a_region_without_a_size_is_the_whole_image() -> None:
    assert Camera.from_info(info(roi=Region(8, 8, 0, 0))) == Camera.from_info(info())


SKEW = 3.5


@pytest.mark.handles("Calibration", "skew in K", "used: exact in both directions, as in OpenCV's fisheye model")
@pytest.mark.parametrize("lens", LENSES)
@given(points=points_ahead)
def test_skew_is_the_alpha_of_opencv(lens: str, points: NDArray[Any]) -> None:
    k = [520.0, SKEW, 331.5, 0, 511.0, 228.25, 0, 0, 1]
    camera = Camera.from_info(lens_info(lens, k=k))
    if camera.model is DistortionModel.EQUIDISTANT:
        straight = np.array([[520.0, 0, 331.5], [0, 511.0, 228.25], [0, 0, 1]])
        rays, zero = points.reshape(-1, 1, 3), np.zeros(3)
        expected = np.asarray(
            cv2.fisheye.projectPoints(rays, zero, zero, straight, camera.D, alpha=SKEW / 520.0)[0]
        ).reshape(-1, 2)
    else:
        expected = Camera.from_info(lens_info(lens)).project(points)
        expected[:, 0] += SKEW * (expected[:, 1] - 228.25) / 511.0
    np.testing.assert_allclose(camera.project(points), expected, atol=1e-6)
    np.testing.assert_allclose(camera.unproject(expected), points / points[:, 2:], atol=1e-8)


@given(points=points_ahead, left=st.integers(0, 200), top=st.integers(0, 150), binning=st.integers(1, 4))
def test_roi_and_binning_apply_to_skew(points: NDArray[Any], left: int, top: int, binning: int) -> None:
    k = [520.0, SKEW, 331.5, 0, 511.0, 228.25, 0, 0, 1]
    whole = Camera.from_info(info(k=k))
    part = Camera.from_info(info(k=k, roi=Region(left, top, 401, 303), binning_x=binning, binning_y=2))
    np.testing.assert_allclose(part.project(points), (whole.project(points) - [left, top]) / [binning, 2], atol=1e-9)


@pytest.mark.parametrize("lens", ["", "plumb_bob", "rational_polynomial with tilt", "equidistant"])
@pytest.mark.parametrize("skew", [0.0, SKEW])
def test_undistortion_maps_agree_with_the_projection(lens: str, skew: float) -> None:
    camera = Camera.from_info(lens_info(lens, k=[520.0, skew, 331.5, 0, 511.0, 228.25, 0, 0, 1]))
    rotation = np.asarray(cv2.Rodrigues(np.array([0.1, -0.05, 0.3]))[0])
    ideal = Camera(200, 160, np.array([[400.0, 0, 99.5], [0, 400.0, 79.5], [0, 0, 1]]), np.empty(0), camera.model.NONE)
    columns, rows = camera.undistortion_maps(rotation, ideal.K, (200, 160))
    u, v = np.meshgrid(np.arange(200), np.arange(160))
    expected = camera.project(ideal.unproject(np.column_stack([u.ravel(), v.ravel()])) @ rotation)
    np.testing.assert_allclose(np.column_stack([columns.ravel(), rows.ravel()]), expected, atol=1e-3)


def test_a_pixel_that_a_tangential_part_folds_back_has_no_ray() -> None:
    # v = y + 0.5 (r^2 + 2 y^2) has its minimum on the axis at y = -1/3: pixels above that row have no ray, and those
    # below it two, of which only one is in front of the fold.
    camera = Camera(
        640,
        480,
        np.array([[300.0, 0, 320], [0, 300, 240], [0, 0, 1]]),
        np.array([0, 0, 0.5, 0]),
        DistortionModel.PLUMB_BOB,
    )
    front, folded = [0.0, -0.2, 1.0], [0.0, -7 / 15, 1.0]
    pixels = camera.project([front, folded])
    np.testing.assert_allclose(pixels[0], pixels[1], atol=1e-9)
    np.testing.assert_allclose(camera.unproject(pixels[:1]), [front], atol=1e-8)


def test_a_point_of_the_cropped_and_binned_image_is_projected_to_its_pixel() -> None:
    image = np.zeros((480, 640), np.uint8)
    image[236, 308] = 255
    decimated = image[100:400, 200:600][::2, ::4]
    camera = Camera.from_info(info(roi=Region(200, 100, 400, 300), binning_x=4, binning_y=2))
    assert decimated.shape == (camera.height, camera.width)
    ray = Camera.from_info(info()).unproject([[308, 236]])
    (u, v) = camera.project(ray)[0]
    assert decimated[round(v), round(u)] == 255


def test_a_rectified_image_is_described_by_p_without_distortion() -> None:
    camera = Camera.from_info(info(), rectified=True)
    assert camera.model is DistortionModel.NONE
    assert camera.D.size == 0
    np.testing.assert_array_equal(camera.K, [[498, 0, 325], [0, 498, 236], [0, 0, 1]])
    np.testing.assert_allclose(camera.project([[0.1, 0.2, 1.0]]), [[374.8, 335.6]])


def test_roi_and_binning_are_applied_to_p_as_to_k() -> None:
    camera = Camera.from_info(info(roi=Region(100, 50, 400, 300), binning_x=2, binning_y=2), rectified=True)
    np.testing.assert_allclose(camera.K, [[249, 0, 112.5], [0, 249, 93], [0, 0, 1]])


@pytest.mark.handles(
    "Calibration", "lens model that is not supported, rectified:=true", "answered: P describes the image"
)
def test_the_distortion_model_of_a_rectified_image_is_ignored() -> None:
    assert Camera.from_info(info(distortion_model="thin_prism_fisheye"), rectified=True).width == 640


def test_an_equidistant_lens_with_zero_coefficients_still_distorts() -> None:
    camera = Camera.from_info(info(distortion_model="equidistant", d=[0.0] * 4))
    (u, _) = camera.project([[1.0, 0.0, 1.0]])[0]
    assert u == pytest.approx(331.5 + 520.0 * np.pi / 4)


@pytest.mark.parametrize(
    ("size", "reason"),
    [((1280, 960), "resized or binned"), ((480, 640), "rotated"), ((1280, 720), "another camera")],
)
def test_an_image_of_another_size_is_refused(size: tuple[int, int], reason: str) -> None:
    camera = Camera.from_info(info())
    camera.check_image(640, 480)
    with pytest.raises(
        CameraError, match=f"image is {size[0]}x{size[1]} but camera_info describes 640x480: .*{reason}"
    ):
        camera.check_image(*size)


def rosbags_info(store: Stores, **changes: Any) -> Any:
    types = get_typestore(store).types
    header = types["std_msgs/msg/Header"](
        stamp=types["builtin_interfaces/msg/Time"](sec=1, nanosec=2), frame_id="camera_optical_frame"
    )
    roi = types["sensor_msgs/msg/RegionOfInterest"](x_offset=20, y_offset=10, height=400, width=600, do_rectify=False)
    fields = info()
    values: dict[str, Any] = {
        "header": header,
        "height": 480,
        "width": 640,
        "distortion_model": "plumb_bob",
        "d": np.array(fields.d),
        "k": np.array(fields.k),
        "r": np.eye(3).ravel(),
        "p": np.array(fields.p),
        "binning_x": 2,
        "binning_y": 2,
        "roi": roi,
    }
    return types["sensor_msgs/msg/CameraInfo"](**{**values, **changes})


@pytest.mark.parametrize("store", [Stores.ROS2_HUMBLE, Stores.ROS2_JAZZY])
def test_a_deserialized_message_is_read(store: Stores) -> None:
    typestore = get_typestore(store)
    message_type = "sensor_msgs/msg/CameraInfo"
    message = typestore.deserialize_cdr(typestore.serialize_cdr(rosbags_info(store), message_type), message_type)
    camera = Camera.from_info(message)  # type: ignore[arg-type]
    assert camera == Camera.from_info(info(roi=Region(20, 10, 600, 400), binning_x=2, binning_y=2))


@pytest.mark.handles("Calibration", "K, D, R and P all zeros", "refused: the camera is not calibrated")
def test_a_message_of_zeros_is_refused_as_uncalibrated() -> None:
    message = rosbags_info(Stores.ROS2_JAZZY, d=np.empty(0), k=np.zeros(9), p=np.zeros(12), distortion_model="")
    with pytest.raises(CameraError, match="not calibrated"):
        Camera.from_info(message)


@pytest.mark.handles("Calibration", "K of zeros with P filled, rectified:=true", "answered with P")
def test_a_rectified_image_needs_no_k() -> None:
    # Stereo drivers publish the rectified image with P alone.
    camera = Camera.from_info(info(k=[0.0] * 9, d=[], distortion_model=""), rectified=True)
    assert camera == Camera.from_info(info(), rectified=True)


@pytest.mark.handles(
    "Calibration",
    "P with Tx, from the right camera of a stereo pair",
    "answered relative to the optical centre of this camera, which its frame_id must name",
)
@pytest.mark.parametrize("rectified", [False, True])
def test_points_are_relative_to_the_camera_itself_and_not_to_the_first_of_a_pair(rectified: bool) -> None:
    p = list(info().p)  # type: ignore[call-overload]
    p[3] = -49.8
    right, single = (Camera.from_info(info(p=values), rectified=rectified) for values in (p, [*p[:3], 0.0, *p[4:]]))
    assert right == single


@pytest.mark.handles("Calibration", "R that is a rotation, from a stereo pair", "answered with the axes of the image")
@pytest.mark.parametrize("rectified", [False, True])
def test_the_axes_are_those_of_the_image(rectified: bool) -> None:
    R = cv2.Rodrigues(np.array([0.01, -0.02, 0.005]))[0]
    assert Camera.from_info(info(r=R.ravel()), rectified=rectified) == Camera.from_info(info(), rectified=rectified)


def test_cameras_with_equal_values_are_equal() -> None:
    camera = Camera.from_info(info())
    assert camera == Camera.from_info(info())
    assert hash(camera) == hash(Camera.from_info(info()))
    assert camera != Camera.from_info(info(d=[0.1, 0, 0, 0, 0]))
    assert camera != Camera.from_info(info(binning_x=2))


def test_a_camera_copies_the_values_of_the_message() -> None:
    k = np.array(info().k)
    camera = Camera.from_info(info(k=k))
    k[:] = 0.0
    assert camera.K[0, 0] == 520.0
    with pytest.raises(ValueError, match="read-only"):
        camera.K[0, 0] = 1.0
