"""Lenses: every lens model is sampled, and rays and pixels agree with the camera."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.synthetic.lenses import ray_grid, sample_camera
from taihri_ros.synthetic.rendering.raster import _project


@pytest.fixture(scope="module")
def cameras() -> list[Camera]:
    rng = np.random.default_rng(1)
    return [sample_camera(rng, 160)[0] for _ in range(60)]


def test_every_lens_model_is_sampled(cameras: list[Camera]) -> None:
    assert {camera.model for camera in cameras} == set(DistortionModel)


def test_the_longer_side_is_as_requested_and_the_field_of_view_within_bounds(cameras: list[Camera]) -> None:
    for camera in cameras:
        assert max(camera.width, camera.height) == 160
        middle = (camera.height - 1) / 2
        left, right = camera.unproject([[0.0, middle], [camera.width - 1.0, middle]])
        angle = np.degrees(np.arctan2(right[0], 1.0) - np.arctan2(left[0], 1.0))
        assert 25.0 < angle < 108.0


def test_rays_project_back_to_their_pixels(cameras: list[Camera]) -> None:
    for camera in cameras[:20]:
        rays = ray_grid(camera)
        assert rays.shape == (camera.height, camera.width, 2)
        pixels = np.stack(np.meshgrid(np.arange(camera.width), np.arange(camera.height)), axis=-1)
        back = camera.project(np.dstack([rays, np.ones(rays.shape[:2])]).reshape(-1, 3))
        assert np.abs(back - pixels.reshape(-1, 2)).max() < 0.05


def test_vertices_are_projected_like_the_camera(cameras: list[Camera]) -> None:
    rng = np.random.default_rng(2)
    points = (rng.uniform([-0.6, -0.6, 1.0], [0.6, 0.6, 2.0], (200, 3))).astype(np.float32)
    for camera in cameras[:20]:
        projected = _project(camera, points)
        assert np.abs(projected[:, :2] - camera.project(points)).max() < 1e-2
        assert projected[:, 2] == pytest.approx(1.0 / points[:, 2], rel=1e-5)
    assert _project(cameras[0], np.array([[0.0, 0.0, -1.0]], np.float32))[0, 2] == 0.0
