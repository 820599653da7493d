"""Covariances in metres and confidences match sampled points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.model.quantization import InteractionSpace, decode_pixels
from taihri_ros.pipeline.uncertainty import (
    CONFIDENCE_RADIUS_M,
    Calibration,
    bins_covariance,
    pixel_covariance,
    probability_within,
)

SAMPLES = 200_000
SPACE = InteractionSpace()
CALIBRATION = Calibration(bins=(0.5, 2.0, 3.0), pixel=(2.0, 0.5, 3.0))
CAMERA = Camera(640, 480, np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), np.empty(0), DistortionModel.NONE)
VIEW = CanonicalView.fit(CAMERA, focal_px=500.0)
MEANS = np.array([[500.0, 400.0, 250.0], [120.0, 850.0, 700.0]])
VARIANCES = np.array([[30.0, 8.0, 400.0], [2.0, 60.0, 90.0]])


def sample(row: int, factors: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return samples of three coordinates, (SAMPLES, 3) bins, with standard deviations scaled by the factors."""
    rng = np.random.default_rng(row)
    return MEANS[row] + rng.normal(size=(SAMPLES, 3)) * np.sqrt(VARIANCES[row]) * np.array(factors)


def assert_covariance(covariance: NDArray[np.float64], points: NDArray[np.float64]) -> None:
    """Assert that a covariance is that of sampled points, to sampling accuracy."""
    sampled = np.cov(points.T)
    scale = np.sqrt(np.outer(np.diag(sampled), np.diag(sampled)))
    np.testing.assert_allclose(covariance / scale, sampled / scale, atol=0.015)


@pytest.mark.parametrize("calibration", [Calibration(), CALIBRATION])
@pytest.mark.parametrize("row", [0, 1])
def test_bins_covariance_matches_samples(row: int, calibration: Calibration) -> None:
    covariances = bins_covariance(VARIANCES, SPACE, calibration)
    assert covariances.shape == (2, 3, 3)
    assert_covariance(covariances[row], SPACE.low + sample(row, calibration.bins) * SPACE.step)


@pytest.mark.parametrize("calibration", [Calibration(), CALIBRATION])
@pytest.mark.parametrize("row", [0, 1])
def test_pixel_covariance_matches_samples(row: int, calibration: Calibration) -> None:
    size = (VIEW.width, VIEW.height)
    rays, depths = VIEW.view_rays(decode_pixels(MEANS[:, :2], size)), SPACE.low[2] + MEANS[:, 2] * SPACE.step[2]
    covariances = pixel_covariance(VARIANCES, depths, rays, VIEW, SPACE, calibration)
    assert covariances.shape == (2, 3, 3)
    samples = sample(row, calibration.pixel)
    points = VIEW.view_rays(decode_pixels(samples[:, :2], size)) * (SPACE.low[2] + samples[:, 2:] * SPACE.step[2])
    assert_covariance(covariances[row], points)


def test_a_depth_error_moves_a_point_along_its_ray() -> None:
    ray = np.array([[0.6, -0.3, 1.0]])
    variances = np.array([[0.0, 0.0, 100.0]])
    (covariance,) = pixel_covariance(variances, np.array([2.0]), ray, VIEW, SPACE, Calibration())
    values, axes = np.linalg.eigh(covariance)
    assert values[:2] == pytest.approx(0.0, abs=1e-12)
    assert abs(axes[:, 2] @ ray[0]) == pytest.approx(np.linalg.norm(ray[0]))
    assert math.sqrt(covariance[2, 2]) == pytest.approx(10 * SPACE.step[2])


def test_calibration_factors_scale_a_covariance_quadratically() -> None:
    rays, depths = np.array([[0.6, -0.3, 1.0]] * 2), np.array([2.0, 0.5])
    plain = bins_covariance(VARIANCES, SPACE, Calibration())
    scaled = bins_covariance(VARIANCES, SPACE, Calibration(bins=(3.0, 3.0, 3.0), pixel=(9.0, 9.0, 9.0)))
    np.testing.assert_allclose(scaled, 9.0 * plain)
    for factors in ((3.0, 3.0, 1.0), (1.0, 1.0, 3.0)):
        square = np.array(factors) ** 2
        calibration = Calibration(pixel=factors)
        np.testing.assert_allclose(
            pixel_covariance(VARIANCES, depths, rays, VIEW, SPACE, calibration),
            pixel_covariance(VARIANCES * square, depths, rays, VIEW, SPACE, Calibration()),
        )


def test_unknown_variances_give_nan() -> None:
    unknown = np.full((1, 3), np.nan)
    assert np.isnan(np.diagonal(bins_covariance(unknown, SPACE, Calibration()), axis1=1, axis2=2)).all()
    covariance = pixel_covariance(unknown, np.ones(1), np.ones((1, 3)), VIEW, SPACE, Calibration())
    assert np.isnan(covariance).all()
    assert np.isnan(probability_within(covariance)).all()


SIZES = np.array([0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0])
SHAPES = {
    "sphere": (1.0, 1.0, 1.0),
    "thick disc": (1.0, 1.0, 0.3),
    "thin disc": (1.0, 1.0, 0.02),
    "prolate spheroid": (1.0, 0.5, 0.5),
    "flat ellipsoid": (1.0, 0.5, 0.1),
    "thick needle": (1.0, 0.3, 0.3),
    "needle": (1.0, 0.1, 0.1),
    "thin needle": (1.0, 0.02, 0.01),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_probability_within_matches_samples(shape: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    axes = turn * np.array(shape)
    distances = np.linalg.norm(rng.normal(size=(SAMPLES, 3)) @ axes.T, axis=1)
    within = [np.mean(size * distances <= CONFIDENCE_RADIUS_M) for size in SIZES]
    covariances = SIZES[:, None, None] ** 2 * (axes @ axes.T)
    np.testing.assert_allclose(probability_within(covariances), within, atol=0.02)


def test_the_probability_falls_from_one_to_zero_with_the_spread() -> None:
    steps = np.geomspace(1e-3, 30.0, 60)
    probabilities = probability_within(np.eye(3) * steps[:, None, None] ** 2)
    assert probabilities[0] == pytest.approx(1.0)
    assert probabilities[-1] == pytest.approx(0.0, abs=1e-3)
    assert (np.diff(probabilities) <= 1e-9).all(), "a wider distribution has a lower confidence"
    assert ((probabilities >= 0.0) & (probabilities <= 1.0)).all()
    (wider,) = probability_within(np.eye(3) * 0.1**2, 10.0)
    assert wider == pytest.approx(1.0)


def test_probabilities_in_a_batch_are_independent() -> None:
    covariances = np.array([np.eye(3) * 0.05**2, np.full((3, 3), np.nan), np.eye(3) * 0.2**2])
    together = probability_within(covariances)
    assert np.isnan(together[1])
    for row in (0, 2):
        assert together[row] == probability_within(covariances[row])[0]
