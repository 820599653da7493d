"""The measurement of body recovery counts errors as docs/body.md says; that page has the metrics of all people."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.evaluation.benchmark.body_accuracy import UPPER_BODY, Recovered, Subject, noisy_frames, summarize
from taihri_ros.skeleton import JOINTS


@pytest.fixture(scope="module")
def person() -> Subject:
    """Somebody 2 m away, of whom the picture shows half of the vertices."""
    joints = BodyRecovery().rest_joints() + np.array([0.0, 0.0, 2.0])
    body = BodyRecovery().update(joints, np.tile(0.005**2 * np.eye(3), (22, 1, 1)), stamp_ns=0)
    assert body is not None
    return Subject(body.joints, body.vertices, np.arange(len(body.vertices)) % 2 == 0)


def recovered(person: Subject, noise_m: float, names: tuple[str, ...] = JOINTS) -> Recovered:
    return Recovered(person, noisy_frames(person, noise_m, names, np.random.default_rng(0)), shared=0.5)


def test_errors_are_those_of_the_first_frame(person: Subject) -> None:
    exact, noisy = recovered(person, 0.0), recovered(person, 0.03)
    assert exact.found
    assert exact.keypoints.max() == exact.relative_keypoints.max() == 0.0
    assert exact.surface.max() < 0.01
    summary = summarize([noisy, noisy])
    assert summary["people"] == 2
    assert summary["keypoint mean"] == pytest.approx(48.0, rel=0.2)  # 30 mm times the mean of Maxwell's distribution
    assert summary["joint mean"] < 0.8 * summary["keypoint mean"]
    assert summary["first fit ms"] > 0.0
    assert summary["warm fit with mesh ms"] > summary["warm fit ms"] > 0.0


def test_joints_without_a_keypoint_have_no_error(person: Subject) -> None:
    upper = recovered(person, 0.03, UPPER_BODY)
    assert len(upper.keypoints) == len(upper.joints) == len(UPPER_BODY)
    assert not upper.supported.all()
    without_pelvis = recovered(person, 0.03, UPPER_BODY[1:])
    assert len(without_pelvis.relative_joints) == 0
    assert not recovered(person, 0.03, ("left_wrist",)).found
