"""CanonicalView: mapping between source and view, the size of the view, and the rendered image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, InfoFields, Region
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.camera.view_size import size_within

LENSES: dict[str, list[float]] = {
    "": [],
    "plumb_bob": [-0.28, 0.09, 0.001, -0.0015, -0.012],
    "rational_polynomial": [0.42, 0.11, 0.0005, -0.0004, 0.01, 0.71, 0.2, 0.02],
    "equidistant": [-0.02, 0.011, -0.006, 0.001],
}
MAX_PIXELS = 2560 * 28 * 28
MIN_PIXELS = 16 * 28 * 28


def rotation(*degrees: float) -> NDArray[Any]:
    return np.asarray(cv2.Rodrigues(np.deg2rad(np.array(degrees)))[0])


def source_camera(lens: str, **changes: Any) -> Camera:
    fields: dict[str, Any] = {
        "width": 1280,
        "height": 960,
        "distortion_model": lens,
        "d": LENSES[lens],
        "k": [1040.0, 0, 663.5, 0, 1022.0, 456.25, 0, 0, 1],
        "p": [0.0] * 12,
        "binning_x": 2,
        "binning_y": 2,
        "roi": Region(),
    }
    return Camera.from_info(InfoFields(**{**fields, **changes}))


def pinhole(width: int, height: int, fx: float, fy: float, cx: float, cy: float) -> Camera:
    return Camera(width, height, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), np.empty(0), DistortionModel.NONE)


def opencv_projection(
    lens: str, points: NDArray[Any], roi: tuple[int, int] = (0, 0), binning: tuple[int, int] = (2, 2)
) -> NDArray[Any]:
    """Project with OpenCV and the unbinned K, then apply ROI and binning to the pixels."""
    K = np.array([[1040.0, 0, 663.5], [0, 1022.0, 456.25], [0, 0, 1]])
    d = np.array(LENSES[lens])
    project = cv2.fisheye.projectPoints if lens == "equidistant" else cv2.projectPoints
    pixels, _ = project(points.reshape(-1, 1, 3), np.zeros(3), np.zeros(3), K, d)
    return (np.asarray(pixels).reshape(-1, 2) - roi) / binning


angles = st.tuples(st.floats(-40, 40), st.floats(-40, 40), st.floats(-180, 180))
points_ahead = st.lists(
    st.tuples(st.floats(-0.7, 0.7), st.floats(-0.5, 0.5), st.floats(0.3, 4.0)), min_size=1, max_size=20
).map(lambda rows: np.array([(x * z, y * z, z) for x, y, z in rows]))


@pytest.mark.parametrize("lens", LENSES)
@given(points=points_ahead, turn=angles, left=st.integers(0, 300), binning_x=st.integers(1, 3))
def test_a_point_has_matching_pixels_in_the_source_and_in_the_view(
    lens: str, points: NDArray[Any], turn: tuple[float, float, float], left: int, binning_x: int
) -> None:
    camera = source_camera(lens, roi=Region(left, 64, 900, 640), binning_x=binning_x)
    view = CanonicalView(camera, 1000.0, 1056, 800, rotation(*turn))
    in_source = opencv_projection(lens, points, (left, 64), (binning_x, 2))
    turned = points @ rotation(*turn).T
    assume((turned[:, 2] > 0.05).all())
    in_view = 1000.0 * turned[:, :2] / turned[:, 2:] + [527.5, 399.5]
    np.testing.assert_allclose(view.source_to_view_pixels(in_source), in_view, atol=0.02)
    np.testing.assert_allclose(view.view_to_source_pixels(in_view), in_source, atol=0.02)
    np.testing.assert_allclose(view.camera.project(view.points_to_view(points)), in_view, atol=1e-6)


@pytest.mark.parametrize("lens", LENSES)
@given(turn=st.tuples(st.floats(-15, 15), st.floats(-15, 15), st.floats(-180, 180)), data=st.data())
def test_source_to_view_inverts_view_to_source(
    lens: str, turn: tuple[float, float, float], data: st.DataObject
) -> None:
    view = CanonicalView.fit(source_camera(lens), rotation=rotation(*turn))
    u, v = data.draw(st.floats(0, view.width - 1)), data.draw(st.floats(0, view.height - 1))
    there = view.view_to_source_pixels([[u, v]])
    assume(np.isfinite(there).all())
    np.testing.assert_allclose(view.source_to_view_pixels(there), [[u, v]], atol=1e-4)


@given(turn=angles, points=points_ahead)
def test_points_and_rays_are_rotated_with_the_view(turn: tuple[float, float, float], points: NDArray[Any]) -> None:
    view = CanonicalView(source_camera(""), 1000.0, 640, 480, rotation(*turn))
    np.testing.assert_allclose(view.points_to_view(points), [rotation(*turn) @ p for p in points], atol=1e-12)
    np.testing.assert_allclose(view.points_to_camera(view.points_to_view(points)), points, atol=1e-12)
    rays = view.view_rays([[319.5, 239.5], [1319.5, 239.5]])
    np.testing.assert_allclose(rays, [[0, 0, 1], [1, 0, 1]], atol=1e-12)


def test_covariances_are_rotated_like_their_samples() -> None:
    view = CanonicalView(source_camera(""), 1000.0, 640, 480, rotation(10, -25, 60))
    random = np.random.default_rng(0)
    samples = random.normal(size=(500, 3)) * [0.01, 0.02, 0.1]
    turned = view.covariances_to_camera([np.cov(samples.T)] * 2)
    assert turned.shape == (2, 3, 3)
    np.testing.assert_allclose(turned[1], np.cov(view.points_to_camera(samples).T), atol=1e-12)


def assert_within_limits(view: CanonicalView, most: tuple[int, int] = (1400, 1400)) -> None:
    assert view.width % 32 == 0
    assert view.height % 32 == 0
    assert view.width <= most[0]
    assert view.height <= most[1]
    assert MIN_PIXELS <= view.width * view.height <= MAX_PIXELS


@settings(max_examples=200)
@given(
    width=st.integers(16, 4000),
    height=st.integers(16, 4000),
    focal=st.floats(50, 8000),
    aspect=st.floats(0.5, 2.0),
    centre=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    most=st.tuples(st.integers(200, 4000), st.integers(200, 4000)),
)
def test_any_pinhole_gets_a_view_within_the_limits(
    width: int,
    height: int,
    focal: float,
    aspect: float,
    centre: tuple[float, float],
    most: tuple[int, int],
) -> None:
    camera = pinhole(width, height, focal, focal * aspect, centre[0] * (width - 1), centre[1] * (height - 1))
    view = CanonicalView.fit(camera, max_size=most)
    assert_within_limits(view, most)
    limit = np.array(most) // 32 * 32
    reach_x = max(camera.K[0, 2] + 0.5, width - 0.5 - camera.K[0, 2]) / focal * 2000.0
    reach_y = max(camera.K[1, 2] + 0.5, height - 0.5 - camera.K[1, 2]) / (focal * aspect) * 2000.0
    smallest = np.array([np.ceil(reach_x / 32 - 1e-9) * 32, np.ceil(reach_y / 32 - 1e-9) * 32])
    if (smallest <= limit).all() and MIN_PIXELS <= smallest.prod() <= MAX_PIXELS:
        assert (view.width, view.height) == tuple(smallest)
    elif smallest.prod() > MAX_PIXELS:
        wanted = np.minimum(smallest, limit)
        cropped = np.array([view.width, view.height]) < wanted
        one_more_column_and_row = (view.width + 32) * (view.height + 32)
        assert not cropped.all() or one_more_column_and_row > MAX_PIXELS


@pytest.mark.parametrize("lens", LENSES)
@given(turn=angles)
@settings(max_examples=30)
def test_any_lens_and_direction_gets_a_view_within_the_limits(lens: str, turn: tuple[float, float, float]) -> None:
    try:
        view = CanonicalView.fit(source_camera(lens), rotation=rotation(*turn))
    except CameraError as error:
        assert "shows nothing" in str(error)  # noqa: PT017
        assert max(abs(turn[0]), abs(turn[1])) > 15
    else:
        assert_within_limits(view)


@pytest.mark.parametrize(
    ("camera", "size"),
    [
        (pinhole(640, 480, 610.0, 610.0, 319.5, 239.5), (1056, 800)),
        (pinhole(640, 480, 610.0, 610.0, 339.5, 239.5), (1120, 800)),
        (pinhole(640, 480, 300.0, 300.0, 319.5, 239.5), (1376, 1376)),
        (pinhole(1920, 1080, 1000.0, 1000.0, 959.5, 539.5), (1376, 1088)),
        (pinhole(64, 48, 1000.0, 1000.0, 31.5, 23.5), (160, 96)),
    ],
)
def test_known_cameras_get_the_expected_size(camera: Camera, size: tuple[int, int]) -> None:
    view = CanonicalView.fit(camera)
    assert (view.width, view.height) == size
    assert view.camera.K[0, 0] == view.camera.K[1, 1] == 1000.0


def test_the_pixel_limit_crops_and_keeps_the_aspect_ratio() -> None:
    camera = pinhole(3000, 1500, 1000.0, 1000.0, 1499.5, 749.5)
    view = CanonicalView.fit(camera, max_size=(4096, 4096))
    assert view.width * view.height > 0.95 * MAX_PIXELS
    assert view.width / view.height == pytest.approx(2.0, rel=0.05)
    assert view.camera.K[0, 0] == 1000.0


def test_the_view_covers_the_corners_of_a_distorted_image() -> None:
    camera = source_camera("plumb_bob")
    view = CanonicalView.fit(camera, max_size=(2000, 2000))
    corners = view.source_to_view_pixels([[0, 0], [639, 0], [639, 479], [0, 479]])
    assert (corners >= -0.5).all()
    assert (corners <= [view.width - 0.5, view.height - 0.5]).all()
    reach = 2.0 * np.abs(corners - [(view.width - 1) / 2, (view.height - 1) / 2]).max(axis=0)
    assert (np.array([view.width, view.height]) - reach < 32 + 10).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation": np.eye(3) * 2}, "must be a 3x3 rotation matrix"),
        ({"rotation": np.diag([1.0, 1.0, -1.0])}, "must be a 3x3 rotation matrix"),
        ({"rotation": np.eye(4)}, "must be a 3x3 rotation matrix"),
        ({"rotation": np.full((3, 3), np.nan)}, "must be a 3x3 rotation matrix"),
        ({"rotation": rotation(0, 180, 0)}, "shows nothing of the camera's image"),
        ({"rotation": rotation(0, 85, 0)}, "shows nothing of the camera's image"),
        ({"max_size": (64, 64)}, "no view of at most 64x64 with sides that are multiples of 32 has 12544 to"),
        ({"min_pixels": 12545, "max_pixels": 12600}, "no view of at most 1376x1376"),
    ],
)
def test_an_impossible_view_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CameraError, match=message):
        CanonicalView.fit(source_camera(""), **options)


@pytest.mark.parametrize(
    ("needed", "size"),
    [
        ((320.0, 160.5), (320, 192)),
        ((0.0, 700.0), (32, 704)),
        ((np.inf, 100.0), (1376, 128)),
        ((np.inf, np.inf), (1248, 1280)),
        ((64.0, 64.0), (128, 128)),
        ((32.0, 288.0), (32, 416)),
    ],
)
def test_the_smallest_size_within_the_limits_is_chosen(needed: tuple[float, float], size: tuple[int, int]) -> None:
    limits = {"max_size": (1400, 1400), "min_pixels": MIN_PIXELS, "max_pixels": 1600000, "multiple": 32}
    assert size_within(needed, **limits) == size  # type: ignore[arg-type]


def test_limits_that_no_size_satisfies_are_refused() -> None:
    with pytest.raises(CameraError, match="no view of at most 64x64"):
        size_within((50, 50), max_size=(64, 64), min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS, multiple=32)


def test_source_box_is_the_part_of_the_view_that_the_source_fills() -> None:
    camera = pinhole(640, 480, 1000.0, 1000.0, 119.5, 239.5)
    view = CanonicalView.fit(camera)
    centre = (view.width - 1) / 2
    np.testing.assert_allclose(view.source_box(), [[centre - 120, -0.5], [centre + 520, 479.5]], atol=1e-9)
    small = CanonicalView(camera, 1000.0, 64, 96, np.eye(3))
    np.testing.assert_allclose(small.source_box(), [[-0.5, -0.5], [63.5, 95.5]])


@pytest.mark.parametrize("turn", [(0, 0, 0), (0, 35, 0), (-30, -20, 10), (0, 75, 0)])
@pytest.mark.parametrize("lens", LENSES)
def test_source_box_bounds_the_visible_source(lens: str, turn: tuple[float, float, float]) -> None:
    camera = source_camera(lens)
    view = CanonicalView(camera, 500.0, 1024, 512, rotation(*turn))
    columns, rows = np.meshgrid(np.linspace(0, camera.width - 1, 161), np.linspace(0, camera.height - 1, 121))
    pixels = view.source_to_view_pixels(np.column_stack([columns.ravel(), rows.ravel()]))
    pixels = np.clip(pixels[np.isfinite(pixels[:, 0])], -0.5, [1023.5, 511.5])
    low, high = view.source_box()
    for expected, edge in ((pixels.min(axis=0), low), (pixels.max(axis=0), high)):
        np.testing.assert_allclose(edge, expected, atol=15)


def blob(camera: Camera, centre: NDArray[Any], sigma: float) -> NDArray[np.uint8]:
    """Draw a smooth round spot with a different brightness in each channel."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    spot = np.exp(-((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (2 * sigma**2))
    return np.round(spot[..., None] * [250.0, 200.0, 150.0]).astype(np.uint8)


def centroid(image: NDArray[np.uint8]) -> NDArray[Any]:
    weights = image[..., 0].astype(float)
    u, v = np.meshgrid(np.arange(image.shape[1]), np.arange(image.shape[0]))
    return np.array([(weights * u).sum(), (weights * v).sum()]) / weights.sum()


@pytest.mark.parametrize("turn", [(0, 0, 0), (8, -6, 20)])
@pytest.mark.parametrize("lens", LENSES)
def test_a_spot_is_rendered_where_source_to_view_pixels_puts_it(lens: str, turn: tuple[float, float, float]) -> None:
    camera = source_camera(lens)
    view = CanonicalView.fit(camera, rotation=rotation(*turn))
    for place in ([250.3, 180.7], [400.0, 300.5]):
        centre = np.array(place)
        rendered = view.render(blob(camera, centre, 3.0))
        assert rendered.shape == (view.height, view.width, 3)
        assert rendered.dtype == np.uint8
        assert rendered.flags.c_contiguous
        np.testing.assert_allclose(centroid(rendered), view.source_to_view_pixels([centre])[0], atol=0.12)
        assert rendered.reshape(-1, 3).max(axis=0) == pytest.approx([250, 200, 150], abs=8)


FOLDING = Camera(640, 480, source_camera("").K, np.array([-0.4, 0.0, 0.0, 0.0]), DistortionModel.PLUMB_BOB)


@pytest.mark.parametrize(
    "turn", [(0, 0, 0), (-25, 40, 15), (30, 45, 0), (20, 0, 0), (-20, 0, 0), (0, 20, 0), (0, -20, 0)]
)
@pytest.mark.parametrize("lens", [*LENSES, "folding"])
def test_every_pixel_is_rendered_from_its_source_pixel(lens: str, turn: tuple[float, float, float]) -> None:
    camera = FOLDING if lens == "folding" else source_camera(lens)
    view = CanonicalView(camera, 200.0, 256, 224, rotation(*turn))
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    ramps = np.stack([u / 3, v / 2, np.full(u.shape, 200.0)], axis=-1).round().astype(np.uint8)
    rendered = view.render(ramps).reshape(-1, 3).astype(float)
    columns, rows = np.meshgrid(np.arange(view.width), np.arange(view.height))
    sources = view.view_to_source_pixels(np.column_stack([columns.ravel(), rows.ravel()]))
    inside = ((sources >= 4) & (sources <= [camera.width - 5, camera.height - 5])).all(axis=1)
    outside = ~((sources >= -4) & (sources <= [camera.width + 3, camera.height + 3])).all(axis=1)
    assert inside.sum() > 1000
    np.testing.assert_allclose(rendered[inside, :2], sources[inside] / [3, 2], atol=1.1)
    assert (rendered[inside, 2] == 200).all()
    assert not rendered[outside].any()


@pytest.mark.handles("Calibration", "skew in K, in the view for the model", "undone: the view has no skew")
@pytest.mark.parametrize("lens", LENSES)
def test_the_view_has_no_skew(lens: str) -> None:
    camera = source_camera(lens, k=[1040.0, 30.0, 663.5, 0, 1022.0, 456.25, 0, 0, 1])
    view = CanonicalView.fit(camera, rotation=rotation(4, -3, 10))
    centre = np.array([250.3, 100.7])
    rendered = view.render(blob(camera, centre, 3.0))
    in_view = view.source_to_view_pixels([centre])
    np.testing.assert_allclose(centroid(rendered), in_view[0], atol=0.12)
    np.testing.assert_allclose(view.view_to_source_pixels(in_view), [centre], atol=1e-6)
    straight = CanonicalView.fit(source_camera(lens), rotation=rotation(4, -3, 10)).source_to_view_pixels([centre])
    assert np.abs(straight - in_view).max() > 3.0


@pytest.mark.parametrize("focal", [1700.0, 2100.0, 3300.0])
def test_a_much_larger_source_is_rendered_in_the_right_place(focal: float) -> None:
    camera = pinhole(1923, 1081, focal, focal, 975.0, 530.0)
    view = CanonicalView.fit(camera)
    centre = np.array([700.4, 600.2])
    np.testing.assert_allclose(
        centroid(view.render(blob(camera, centre, 9.0))), view.source_to_view_pixels([centre])[0], atol=0.1
    )


def test_a_much_larger_source_is_rendered_without_aliasing() -> None:
    camera = pinhole(1920, 1080, 2500.0, 2500.0, 959.5, 539.5)
    stripes = np.zeros((1080, 1920, 3), np.uint8)
    stripes[:, ::2] = 255
    view = CanonicalView.fit(camera)
    inside = view.render(stripes)[60:-60, 60:-60].astype(float)
    assert inside.mean() == pytest.approx(127.5, abs=3)
    assert inside.std() < 45  # 104 without the reduction, by aliasing


def test_pixels_outside_the_source_are_black() -> None:
    camera = pinhole(640, 480, 1000.0, 1000.0, 119.5, 239.5)
    white = np.full((480, 640, 3), 255, np.uint8)
    view = CanonicalView.fit(camera)
    rendered = view.render(white)
    assert (view.width, view.height) == (1056, 480)
    left_edge = (view.width - 1) / 2 - 119.5
    assert not rendered[:, : int(left_edge)].any()
    assert (rendered[1:-1, int(left_edge) + 1 : int(left_edge) + 639] == 255).all()


def test_pixels_beyond_the_fold_of_a_lens_are_black() -> None:
    view = CanonicalView(FOLDING, 300.0, 1024, 1024, np.eye(3))
    rendered = view.render(np.full((480, 640, 3), 255, np.uint8))
    beyond_the_fold = [511.5 + 300.0 * 1.3, 511.5]
    assert np.isnan(view.view_to_source_pixels([beyond_the_fold])).all()
    assert not rendered[511, int(beyond_the_fold[0])].any()
    assert rendered[511, 511].all()


def test_images_in_any_memory_order_are_rendered() -> None:
    camera = source_camera("plumb_bob")
    view = CanonicalView.fit(camera)
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    np.testing.assert_array_equal(view.render(image[..., ::-1]), view.render(image)[..., ::-1])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((480, 640), np.uint8), r"must be uint8 \(height, width, 3\), not uint8 \(480, 640\)"),
        (np.zeros((480, 640, 4), np.uint8), r"not uint8 \(480, 640, 4\)"),
        (np.zeros((480, 640, 3), np.float32), r"not float32"),
        (np.zeros((0, 0, 3), np.uint8), r"image is 0x0 but camera_info describes 640x480"),
        (np.zeros((720, 1280, 3), np.uint8), r"image is 1280x720 but camera_info describes 640x480"),
    ],
)
def test_an_image_of_another_size_or_type_is_refused(image: NDArray[Any], message: str) -> None:
    with pytest.raises(CameraError, match=message):
        CanonicalView.fit(source_camera("")).render(image)
