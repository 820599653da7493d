"""The terms have the stated values, are bounded, fall with the error, and have no cliff."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rewarded_people import STANDING

from taihri_ros.skeleton import BONES, INDEX
from taihri_ros.training.rewards.terms import (
    BONE_JOINTS,
    BONE_LIMITS,
    OKS_CONSTANTS,
    PointShape,
    bone_reward,
    choice_reward,
    closeness,
    format_reward,
    pixel_reward,
    point_reward,
    projection_reward,
    root_depth_reward,
)

SHAPES: tuple[PointShape, ...] = ("rational", "exponential", "gaussian")
DISTANCES = st.floats(0.0, 1e6)


def one(*joints: int) -> np.ndarray:
    row = np.zeros((1, 22), np.bool_)
    row[0, list(joints)] = True
    return row


YES, NO = np.array([True]), np.array([False])


@pytest.mark.parametrize(
    ("named", "written", "asked", "expected"),
    [
        (one(1, 2), one(1, 2), one(1, 2), 1.0),
        (one(1), one(1), one(1, 2, 3, 4), 0.25),
        (one(1, 2), one(1), one(1, 2), 0.5),
        (one(1, 2, 3), one(1, 2, 3), one(1, 2), 2 / 3),
        (one(), one(), one(), 1.0),
    ],
)
def test_format_is_the_share_of_joints_in_both_blocks(
    named: np.ndarray, written: np.ndarray, asked: np.ndarray, expected: float
) -> None:
    assert format_reward(YES, named, written, asked)[0] == pytest.approx(expected)
    assert format_reward(NO, named, written, asked)[0] == 0.0


@pytest.mark.parametrize(
    ("answered", "absent", "wanted", "free", "person", "expected"),
    [
        (one(1, 2), one(), one(1, 2), YES, YES, 1.0),
        (one(1), one(), one(1, 2), YES, YES, 2 / 3),
        (one(1, 3), one(), one(1, 2), YES, YES, 0.5),
        (one(*range(22)), one(), one(1, 2), YES, YES, 4 / 24),
        (one(3), one(), one(1, 2), YES, YES, 0.0),
        (one(), one(), one(1, 2), YES, YES, 0.0),
        (one(), one(), one(), YES, YES, 1.0),  # the command asks for nothing
        (one(5), one(), one(), YES, YES, 0.0),
        (one(), one(), one(), YES, NO, 1.0),
        (one(5), one(), one(), YES, NO, 0.0),
        (one(), one(5), one(), YES, NO, 0.0),
        (one(1), one(2), one(1, 2), YES, YES, 0.5),
        (one(1, 2), one(), one(1, 2), NO, YES, 1.0),
        (one(1), one(2), one(1, 2), NO, YES, 0.5),
        (one(), one(1, 2), one(1, 2), NO, YES, 0.0),
        (one(), one(1, 2), one(1, 2), NO, NO, 1.0),
        (one(1, 2), one(), one(1, 2), NO, NO, 0.0),
    ],
)
def test_choice_is_f1_for_free_commands_and_presence_for_named_joints(
    answered: np.ndarray, absent: np.ndarray, wanted: np.ndarray, free: np.ndarray, person: np.ndarray, expected: float
) -> None:
    rewards = [
        choice_reward(valid, answered | absent, answered, absent, wanted, free=free, person=person)[0]
        for valid in (YES, NO)
    ]
    assert rewards == pytest.approx([expected, 0.0])


def test_pixels_are_rewarded_by_the_similarity_of_coco() -> None:
    """The standard deviations of COCO are doubled, as in its evaluation."""
    wrist = OKS_CONSTANTS[INDEX["left_wrist"]]
    assert wrist == pytest.approx(2 * 0.062)
    assert pixel_reward(np.array([0.0, 12.4]), np.array(100.0), wrist) == pytest.approx([1.0, np.exp(-0.5)])
    assert OKS_CONSTANTS[INDEX["right_hip"]] == pytest.approx(0.214)
    assert OKS_CONSTANTS[INDEX["left_foot"]] == pytest.approx(0.136)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_shapes_are_one_half_at_the_same_distance(shape: PointShape) -> None:
    assert closeness(np.array([0.0, 0.15]), shape, 0.15) == pytest.approx([1.0, 0.5])
    two = {"rational": 0.2, "exponential": 0.25, "gaussian": 1 / 16}[shape]
    assert point_reward(np.array([0.3, 1.0, 2.0]), np.array([0.3, 1.0, 2.3]), shape, 0.15) == pytest.approx(two)
    assert root_depth_reward(np.array(1.7), np.array(2.0), shape, 0.15) == pytest.approx(two)


def test_only_the_gaussian_treats_far_answers_alike() -> None:
    near, far = (closeness(np.array(distance), "rational", 0.15) for distance in (0.9, 1.0))
    assert near - far > 0.004
    assert closeness(np.array(0.9), "gaussian", 0.15) < 1e-9


def test_projections_beyond_the_edge_agree_with_a_pixel_at_the_edge() -> None:
    pixels = np.tile([[160.0, 60.0]], (1, 22, 1))
    projected = np.tile([[500.0, 60.0]], (1, 22, 1))
    scale, size = np.array([80.0]), np.array([[160, 128]])
    assert projection_reward(pixels, projected, size, scale) == pytest.approx(1.0)
    assert projection_reward(pixels - [80.0, 0.0], projected, size, scale).max() < 0.1


def test_bones_are_rewarded_within_human_limits() -> None:
    limits = BONE_LIMITS[BONES.index(("left_elbow", "left_wrist"))]
    lengths = np.array([limits[0] - 0.05, *limits, limits.mean(), limits[1] + 0.05, limits[1] + 0.1])
    points = np.full((len(lengths), 22, 3), np.nan)
    points[:, INDEX["left_elbow"]] = [0.1, 0.2, 1.5]
    points[:, INDEX["left_wrist"]] = np.array([0.1, 0.2, 1.5]) + np.array([0.0, 0.0, 1.0]) * lengths[:, None]
    rewards = bone_reward(points)
    forearm = rewards[:, BONES.index(("left_elbow", "left_wrist"))]
    assert forearm == pytest.approx([0.5, 1.0, 1.0, 1.0, 0.5, 0.2])
    assert np.isfinite(rewards).sum() == len(lengths)
    upright = STANDING + np.array([0.0, 0.0, 1.0])
    assert bone_reward(3.0 * upright[None]).mean() < 0.4


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=60, deadline=None)
@given(first=DISTANCES, second=DISTANCES)
def test_rewards_of_distances_are_bounded_and_monotone(shape: PointShape, first: float, second: float) -> None:
    distances = np.sort([first, second])
    scale, wrist = np.array(60.0), OKS_CONSTANTS[INDEX["left_wrist"]]
    for rewards in (closeness(distances, shape, 0.15), pixel_reward(distances, scale, wrist)):
        assert 0.0 <= rewards[1] <= rewards[0] <= 1.0


@settings(max_examples=60, deadline=None)
@given(length=st.floats(0.0, 100.0), bone=st.integers(0, len(BONES) - 1))
def test_rewards_of_bones_are_bounded_and_fall_away_from_the_limits(length: float, bone: int) -> None:
    points = np.zeros((2, 22, 3))
    points[:, BONE_JOINTS[bone, 1], 2] = [length, length * 1.1]
    rewards = bone_reward(points)[:, bone]
    assert ((rewards >= 0.0) & (rewards <= 1.0)).all()
    if length >= BONE_LIMITS[bone, 1]:
        assert rewards[1] <= rewards[0]
    elif length * 1.1 <= BONE_LIMITS[bone, 0]:
        assert rewards[1] >= rewards[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_reward_has_a_cliff(shape: PointShape) -> None:
    """A step of a bin, 5 mm or a fifth of a pixel, changes no reward by more than 7 % of its range."""
    metres = closeness(np.arange(0.0, 3.0, 0.005), shape, 0.15)
    pixels = pixel_reward(np.arange(0.0, 160.0, 0.2), np.array(60.0), OKS_CONSTANTS[INDEX["left_wrist"]])
    points = np.zeros((400, 22, 3))
    points[:, INDEX["left_wrist"], 2] = np.arange(400) * 0.005
    forearm = bone_reward(points)[:, BONES.index(("left_elbow", "left_wrist"))]
    assert all(np.abs(np.diff(rewards)).max() < 0.07 for rewards in (metres, pixels, forearm))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_choice_and_format_are_bounded(data: st.DataObject) -> None:
    named, written, wanted, absent = (
        np.array([data.draw(st.lists(st.booleans(), min_size=22, max_size=22))]) for _ in range(4)
    )
    free, person = np.array([data.draw(st.booleans())]), np.array([data.draw(st.booleans())])
    written &= named
    rewards = (
        format_reward(YES, named, written, wanted)[0],
        choice_reward(YES, named, written & ~absent, written & absent, wanted, free=free, person=person)[0],
    )
    assert all(0.0 <= reward <= 1.0 for reward in rewards)
