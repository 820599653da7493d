"""Ellipsoids and their outlines contain 95 % of samples of the covariance."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.node.ellipsoids import Ellipsoid, image_ellipse

Array = NDArray[np.float64]

K = np.array([[500.0, 0.0, 320.0], [0.0, 450.0, 240.0], [0.0, 0.0, 1.0]])
CAMERAS = {
    "ideal": Camera(640, 480, K, np.empty(0), DistortionModel.NONE),
    "plumb_bob": Camera(640, 480, K, np.array([-0.3, 0.1, 0.001, -0.002, 0.0]), DistortionModel.PLUMB_BOB),
    "equidistant": Camera(640, 480, K, np.array([0.05, -0.02, 0.01, 0.0]), DistortionModel.EQUIDISTANT),
}
COVARIANCE = np.array([[4.0, 1.0, -2.0], [1.0, 3.0, 0.5], [-2.0, 0.5, 9.0]]) * 1e-4


def rotated(quaternion: Array, vectors: Array) -> Array:
    """Return (N, 3) vectors rotated by a unit quaternion x, y, z, w."""
    axis, w = quaternion[:3], quaternion[3]
    return np.asarray(vectors + 2 * np.cross(axis, w * vectors + np.cross(axis, vectors)))


def ellipsoid(covariance: Array) -> Ellipsoid:
    found = Ellipsoid.from_covariance(covariance)
    assert found is not None
    return found


def outline(camera: Camera, position: tuple[float, ...], covariance: Array = COVARIANCE) -> Array:
    found = image_ellipse(camera, np.array(position), covariance)
    assert found is not None
    return found


def test_semi_axes_of_a_diagonal_covariance() -> None:
    found = ellipsoid(np.diag([9e-4, 1e-4, 4e-4]))
    np.testing.assert_allclose(found.semi_axes, np.sqrt(7.815) * np.array([0.01, 0.02, 0.03]))
    np.testing.assert_allclose(np.abs(found.rotation), [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_semi_axes_and_rotation_reproduce_the_covariance(seed: int) -> None:
    factor = np.random.default_rng(seed).normal(size=(3, 3))
    covariance = factor @ factor.T
    found = ellipsoid(covariance)
    assert (np.diff(found.semi_axes) >= 0).all()
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)
    reproduced = found.rotation @ np.diag(found.semi_axes**2 / 7.815) @ found.rotation.T
    np.testing.assert_allclose(reproduced, covariance, atol=1e-9)
    assert np.linalg.norm(found.quaternion) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(rotated(found.quaternion, np.eye(3)), found.rotation.T, atol=1e-4)


@pytest.mark.parametrize("signs", [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
def test_quaternions_of_half_turns_are_exact(signs: tuple[int, ...]) -> None:
    quaternion = Ellipsoid(np.ones(3), np.diag(signs).astype(np.float64)).quaternion
    assert np.linalg.norm(quaternion) == pytest.approx(1.0)
    np.testing.assert_allclose(rotated(quaternion, np.eye(3)), np.diag(signs), atol=1e-6)


def test_the_ellipsoid_contains_95_percent_of_samples() -> None:
    found = ellipsoid(COVARIANCE)
    errors = np.random.default_rng(1).multivariate_normal(np.zeros(3), COVARIANCE, 20_000)
    inside = np.linalg.norm(errors @ found.rotation / found.semi_axes, axis=1) < 1
    assert inside.mean() == pytest.approx(0.95, abs=0.005)


def test_a_singular_covariance_has_a_flat_ellipsoid() -> None:
    np.testing.assert_array_equal(ellipsoid(np.zeros((3, 3))).semi_axes, 0)
    rounded = ellipsoid(np.diag([-1e-20, 1e-4, 1e-4])).semi_axes
    assert rounded[0] == 0
    assert (rounded[1:] > 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_unknown_covariance_has_no_ellipsoid(bad: float) -> None:
    covariance = COVARIANCE.copy()
    covariance[0, 0] = bad
    assert Ellipsoid.from_covariance(covariance) is None
    assert image_ellipse(CAMERAS["ideal"], np.array([0.0, 0.0, 1.0]), covariance) is None


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("position", [(0.0, 0.0, 1.5), (0.6, -0.4, 1.5), (-1.2, 0.5, 2.5)])
def test_the_outline_contains_95_percent_of_the_pixels(camera: Camera, position: tuple[float, ...]) -> None:
    points = np.random.default_rng(2).multivariate_normal(position, COVARIANCE, 20_000)
    offsets = camera.project(points) - camera.project(position)
    polygon = (1000 * outline(camera, position)).astype(np.float32)[:, None]
    inside = [cv2.pointPolygonTest(polygon, offset, False) >= 0 for offset in (1000 * offsets).tolist()]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.008)


def test_the_outline_of_an_ideal_camera_matches_its_formula() -> None:
    found = outline(CAMERAS["ideal"], (0.0, 0.0, 2.0), np.diag([0.01, 0.03, 0.5]) ** 2)
    reach = np.abs(found).max(axis=0)
    np.testing.assert_allclose(reach, np.sqrt(5.991) * np.array([500 * 0.01, 450 * 0.03]) / 2.0, rtol=2e-3)
    np.testing.assert_allclose(np.hypot(*(found / reach).T), 1.0, rtol=2e-3)


@pytest.mark.parametrize("seed", range(10))
def test_the_outline_has_the_mahalanobis_distance_of_95_percent(seed: int) -> None:
    factor = np.random.default_rng(seed).normal(0.0, 0.02, (3, 3))
    x, y, z = 0.3, -0.2, 1.5
    found = outline(CAMERAS["ideal"], (x, y, z), factor @ factor.T)
    jacobian = np.array([[500 / z, 0.0, -500 * x / z**2], [0.0, 450 / z, -450 * y / z**2]])
    distances = np.einsum("ni,ij,nj->n", found, np.linalg.inv(jacobian @ factor @ factor.T @ jacobian.T), found)
    np.testing.assert_allclose(distances, 5.991, rtol=1e-3)


def test_an_error_along_the_ray_has_a_point_outline_and_a_depth_error_a_line() -> None:
    on_ray = np.array([0.6, 0.4, 1.5])
    found = outline(CAMERAS["ideal"], (0.6, 0.4, 1.5), 1e-4 * np.outer(on_ray, on_ray))
    np.testing.assert_allclose(found, 0, atol=1e-3)
    line = outline(CAMERAS["ideal"], (0.6, 0.4, 1.5), np.diag([0.0, 0.0, 1e-2]))
    centre = CAMERAS["ideal"].project([(0.6, 0.4, 1.5)])[0] - [320, 240]
    assert np.linalg.norm(line, axis=1).max() > 10
    np.testing.assert_allclose(line[:, 0] * centre[1] - line[:, 1] * centre[0], 0, atol=1e-3 * np.linalg.norm(centre))


@pytest.mark.parametrize("position", [(0.0, 0.0, -1.0), (0.0, 0.0, 0.0), (np.nan, 0.0, 1.0), (1.0, 0.0, 1e-9)])
@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_a_position_that_does_not_project_has_no_outline(camera: Camera, position: tuple[float, ...]) -> None:
    assert image_ellipse(camera, np.array(position), COVARIANCE) is None


def test_a_position_beyond_the_field_of_view_of_the_lens_has_no_outline() -> None:
    # the field of view ends at x = 0.87 z
    camera = Camera(640, 480, K, np.array([-0.4, 0.0, 0.0, 0.0]), DistortionModel.PLUMB_BOB)
    assert image_ellipse(camera, np.array([0.8, 0.0, 1.0]), COVARIANCE) is not None
    assert image_ellipse(camera, np.array([1.0, 0.0, 1.0]), COVARIANCE) is None
