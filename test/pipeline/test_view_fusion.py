"""The fusion of the answers about several views of a person: a mixture, which agreement never makes more certain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.pipeline.uncertainty import probability_within
from taihri_ros.pipeline.view_fusion import fuse_views

SIGMA = 0.1
COVARIANCE = np.diag([SIGMA**2, SIGMA**2, (2 * SIGMA) ** 2])
FACTOR = 0.7


def joint(name: str, position: ArrayLike, covariance: NDArray[np.float64] = COVARIANCE) -> Keypoint:
    point = np.asarray(position, np.float64)
    confidence = float(probability_within(FACTOR**2 * covariance)[0])
    return Keypoint(name, State.MEASURED, "", point, covariance, confidence, 100.0 * point[:2])


def answer(*joints: Keypoint, presence: float = 0.98) -> Person:
    return Person(joints, np.array([0.0, 0.0, 9.0, 9.0]), presence)


def test_a_fused_joint_is_the_mixture_of_the_answers() -> None:
    one, other = joint("head", [0.0, 0.0, 2.0]), joint("head", [0.1, 0.0, 2.2], 2.0 * COVARIANCE)
    person = fuse_views(answer(one), [answer(other, presence=0.99)], FACTOR)
    (fused,) = person.keypoints
    rng = np.random.default_rng(0)
    samples = np.concatenate(
        [rng.multivariate_normal(each.position, each.covariance, 200_000) for each in (one, other)]
    )
    np.testing.assert_allclose(fused.position, samples.mean(axis=0), atol=1e-3)
    np.testing.assert_allclose(fused.covariance, np.cov(samples.T), atol=4e-4)
    np.testing.assert_allclose(fused.pixel, [5.0, 0.0])
    assert fused.confidence == pytest.approx(float(probability_within(FACTOR**2 * fused.covariance)[0]))
    assert fused.confidence < one.confidence
    assert person.presence == 0.98
    assert person.box is not None


@settings(max_examples=50)
@given(
    points=st.lists(st.tuples(*[st.floats(-0.05, 0.05)] * 3), min_size=1, max_size=6),
    scales=st.lists(st.floats(0.5, 2.0), min_size=6, max_size=6),
)
def test_however_many_views_agree_the_covariance_is_no_smaller_than_their_mean(
    points: list[tuple[float, float, float]], scales: list[float]
) -> None:
    joints = [joint("head", point, scale * COVARIANCE) for point, scale in zip(points, scales, strict=False)]
    (fused,) = fuse_views(answer(joints[0]), [answer(each) for each in joints[1:]], FACTOR).keypoints
    mean = np.mean([each.covariance for each in joints], axis=0)
    assert np.linalg.eigvalsh(fused.covariance - mean).min() >= -1e-12
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    assert ((fused.position >= low - 1e-12) & (fused.position <= high + 1e-12)).all()


def test_the_mean_of_two_people_is_nobody() -> None:
    one, other = joint("head", [0.0, 0.0, 2.0]), joint("head", [0.6, 0.0, 2.0])
    (kept,) = fuse_views(answer(one), [answer(other)], FACTOR).keypoints
    np.testing.assert_array_equal(kept.position, one.position)
    np.testing.assert_array_equal(kept.covariance, one.covariance)
    third = joint("head", [0.1, 0.0, 2.0])
    (fused,) = fuse_views(answer(one), [answer(other), answer(third)], FACTOR).keypoints
    np.testing.assert_allclose(fused.position, [0.05, 0.0, 2.0])


@pytest.mark.parametrize("state", [State.NOT_ANSWERED, State.OUT_OF_RANGE, State.NOBODY, State.LOW_CONFIDENCE])
def test_another_view_does_not_locate_what_the_chosen_one_does_not(state: State) -> None:
    missing = Keypoint("head", state, "a reason")
    person = fuse_views(answer(missing), [answer(joint("head", [0.0, 0.0, 2.0]))], FACTOR)
    assert person.keypoints == (missing,)


def test_only_known_covariances_and_positions_are_fused() -> None:
    head = joint("head", [0.0, 0.0, 2.0])
    unknown = replace(head, position=np.array([0.1, 0.0, 2.0]), covariance=np.full((3, 3), np.nan))
    for one, other in (
        (head, unknown),
        (unknown, head),
        (head, Keypoint("head", State.NOT_ANSWERED)),
        (head, joint("neck", [0.1, 0.0, 2.0])),
    ):
        (kept,) = fuse_views(answer(one), [answer(other)], FACTOR).keypoints
        np.testing.assert_array_equal(kept.position, one.position)
        np.testing.assert_array_equal(kept.covariance, one.covariance)
    edge = replace(head, state=State.OUT_OF_VIEW, pixel=np.full(2, np.nan))
    for one, other in ((head, edge), (edge, head)):
        (fused,) = fuse_views(answer(one), [answer(other)], FACTOR).keypoints
        assert fused.state is one.state
        np.testing.assert_array_equal(fused.pixel, one.pixel)
