"""Zoom: what a model sees of a person through a longer focal length, its exact inverse, and labels in bins."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.model.zoom import real_points, seen_points

BODY = np.array([[0.05, 0.1, 0.0], [0.0, -0.6, -0.05], [-0.5, 0.2, -0.4], [0.3, 0.9, 0.2]])
"""A pelvis and three joints around it, metres."""


@pytest.mark.parametrize("zoom", [0.5, 1.0, 1.7, 3.0])
def test_the_root_is_seen_nearer_and_the_pose_stays_in_metres(zoom: float) -> None:
    real = BODY + np.array([0.4, -0.2, 3.0])
    seen = seen_points(real, real[0, 2], zoom)
    assert seen[0, 2] == pytest.approx(real[0, 2] / zoom)
    np.testing.assert_array_equal(seen[:, :2], real[:, :2])
    np.testing.assert_allclose(seen - seen[0], real - real[0], atol=1e-12)


@pytest.mark.parametrize("zoom", [0.5, 1.7, 3.0])
def test_real_points_inverts_seen_points(zoom: float) -> None:
    real = BODY + np.array([0.4, -0.2, 3.7])
    seen = seen_points(real, real[0, 2], zoom)
    np.testing.assert_allclose(real_points(seen, seen[0, 2], zoom), real, atol=1e-12)


def test_without_zoom_no_bit_changes() -> None:
    real = BODY + np.array([0.4, -0.2, 3.7])
    assert seen_points(real, 3.7, 1.0).tobytes() == real_points(real, 3.7, 1.0).tobytes() == real.tobytes()


@pytest.mark.parametrize("zoom", [0.6, 1.0, 1.7, 3.0])
def test_labels_in_bins_give_the_points_within_half_a_bin_of_joint_and_root(zoom: float) -> None:
    space, rng = InteractionSpace(), np.random.default_rng(5)
    for depth in zoom * rng.uniform(0.8, 3.5, 200):
        real = BODY + np.array([*rng.uniform(-0.5, 0.5, 2), depth])
        bins = space.encode(seen_points(real, depth, zoom))
        seen = space.decode(bins)
        found = real_points(seen, seen[0, 2], zoom)
        bound = space.step / 2 * [1.0, 1.0, 1.0 + abs(zoom - 1.0)]
        assert (np.abs(found - real) <= bound + 1e-9).all()
        assert abs(found[0, 2] - depth) <= zoom * space.step[2] / 2 + 1e-9
