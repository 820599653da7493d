"""Labels: pixels, visibility and box follow from the camera, the gaps to surfaces and the visible pixels."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.synthetic.labels import OCCLUDED, OUTSIDE, VISIBLE, box, project, visibility

CAMERA = Camera(
    160,
    120,
    np.array([[90.0, 0, 80], [0, 90, 60], [0, 0, 1]]),
    np.array([-0.25, 0.05, 0, 0, 0]),
    DistortionModel.PLUMB_BOB,
)


def test_pixels_follow_the_lens_model_where_it_is_valid_and_are_always_finite() -> None:
    joints = np.array([[0.1, 0.1, 1.0], [9.0, 0.0, 1.0], [0.3, 0.2, -0.5], [0.0, 0.0, 0.0]])
    pixels, inside = project(CAMERA, joints)
    assert pixels[0] == pytest.approx(CAMERA.project(joints[:1])[0], abs=1e-4)
    assert np.isfinite(pixels).all()
    assert inside.tolist() == [True, False, False, False]


def test_the_image_ends_at_the_edge_of_its_outermost_pixels() -> None:
    plain = Camera(160, 120, CAMERA.K, np.empty(0), DistortionModel.NONE)
    rays = plain.unproject([[-0.4, 60.0], [-0.6, 60.0], [159.4, 119.4], [159.6, 60.0]])
    assert project(plain, rays)[1].tolist() == [True, False, True, False]


def test_visibility_depends_on_the_gap_to_own_body_and_to_other_surfaces() -> None:
    gaps = np.zeros((22, 2), np.float32)
    gaps[3, 0] = 0.2  # the spine, not deeper below the skin than its largest depth
    gaps[20, 0] = 0.2  # a wrist behind the person's back
    gaps[5, 1] = 0.01  # a knee behind another person or an object
    inside = np.ones(22, bool)
    inside[7] = False
    gaps[7] = 1.0
    seen = visibility(inside, gaps)
    assert (seen[3], seen[20], seen[5], seen[7]) == (VISIBLE, OCCLUDED, OCCLUDED, OUTSIDE)
    assert (seen == VISIBLE).sum() == 19


def test_the_box_bounds_the_visible_person() -> None:
    seen = np.zeros((10, 20), bool)
    seen[3:6, 7:15] = True
    assert box(seen).tolist() == [7.0, 3.0, 14.0, 5.0]
