"""Usual angles, limits, and the shape that becomes steadier."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.body.priors import INDEPENDENT_S, LIMIT_RAD, PosePrior, ShapePrior
from taihri_ros.body.template import BodyTemplate
from taihri_ros.skeleton import INDEX


def test_the_usual_pose_costs_nothing(template: BodyTemplate) -> None:
    prior = PosePrior(template)
    assert prior.cost(prior.means) == 0.0
    assert not prior.expand(prior.means).gradient.any()


def test_the_expansion_is_half_the_derivative_of_the_cost(template: BodyTemplate) -> None:
    prior, rng = PosePrior(template), np.random.default_rng(0)
    angles = template.angle_means + rng.normal(0.0, 1.0, len(template.angle_means))  # some beyond their limits
    expanded = prior.expand(angles)
    assert expanded.cost == pytest.approx(prior.cost(angles))
    steps = 1e-6 * np.eye(len(angles))
    slopes = np.array([(prior.cost(angles + step) - prior.cost(angles - step)) / 4e-6 for step in steps])
    assert expanded.gradient == pytest.approx(slopes, rel=1e-4, abs=1e-4)
    bends = np.array([(prior.expand(angles + s).gradient - prior.expand(angles - s).gradient) / 2e-6 for s in steps])
    assert expanded.curvature == pytest.approx(bends, rel=1e-4, abs=1e-3)


def test_a_knee_that_bends_forward_costs(template: BodyTemplate) -> None:
    prior, knee = PosePrior(template), np.flatnonzero(template.angle_bones == INDEX["left_knee"])[0]
    angles = prior.means.copy()
    angles[knee] = template.angle_limits[knee, 0]
    at_limit = prior.cost(angles)
    angles[knee] -= 4.0 * LIMIT_RAD
    assert prior.cost(angles) - at_limit > 16.0


def test_a_shape_becomes_certain_with_independent_frames() -> None:
    prior, seen = ShapePrior(2), np.array([1.0, -0.5])
    deviations = []
    for _ in range(20):
        precision = prior.precision + np.diag([4.0, 0.0])  # the frames show the first number only
        shape = np.linalg.solve(precision, prior.precision @ prior.means + np.array([4.0, 0.0]) * seen)
        prior.learn(shape, np.linalg.inv(precision), INDEPENDENT_S)
        deviations.append(1.0 / np.sqrt(np.diag(prior.precision)))
    assert deviations[-1][0] < 0.13 < 0.4 < deviations[0][0]
    assert deviations[-1][1] == pytest.approx(1.0)
    assert prior.means == pytest.approx([1.0, 0.0], abs=0.03)


def test_a_burst_of_frames_counts_as_its_duration() -> None:
    burst, single = ShapePrior(1), ShapePrior(1)
    for prior, frames in ((burst, 10), (single, 1)):
        for _ in range(frames):
            precision = prior.precision + 4.0
            shape = np.linalg.solve(precision, prior.precision @ prior.means + np.array([4.0]) * 0.8)
            prior.learn(shape, np.linalg.inv(precision), INDEPENDENT_S / frames)
    assert burst.precision[0, 0] == pytest.approx(single.precision[0, 0], rel=0.01)
    assert burst.means == pytest.approx(single.means, rel=0.01)


def test_information_is_limited() -> None:
    prior = ShapePrior(1)
    for _ in range(2000):
        prior.learn(np.zeros(1), np.linalg.inv(prior.precision + 4.0), INDEPENDENT_S)
    assert prior.precision[0, 0] == pytest.approx(1.0 + 4.0 * 100.0, rel=0.01)
