"""Kinematics: rotations, inverse kinematics of limbs and forward kinematics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taihri_ros.synthetic.people.kinematics import bend_limb, cross, euler, forward_kinematics, frame, rotation, unit

coordinate = st.floats(-1.0, 1.0)
vector = st.tuples(coordinate, coordinate, coordinate).filter(lambda v: np.linalg.norm(v) > 0.1).map(np.array)


def test_a_rotation_is_right_handed() -> None:
    assert rotation([0, 0, 2.0], np.pi / 2) @ [1.0, 0.0, 0.0] == pytest.approx([0.0, 1.0, 0.0])


@given(vector, st.floats(-3.0, 3.0))
def test_rotations_are_orthonormal(axis: np.ndarray, angle: float) -> None:
    matrix = rotation(axis, angle)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    assert matrix @ axis == pytest.approx(axis)


def test_the_trunk_bends_forward_to_the_left_and_turns_left() -> None:
    up, front = np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])
    assert (euler(0.5, 0.0, 0.0) @ up)[1] < -0.4
    assert (euler(0.0, 0.5, 0.0) @ up)[0] > 0.4
    assert (euler(0.0, 0.0, 0.5) @ front)[0] > 0.4


@given(vector, vector)
def test_cross_is_the_cross_product(first: np.ndarray, second: np.ndarray) -> None:
    assert cross(first, second) == pytest.approx(np.cross(first, second))


@given(vector, vector, vector)
def test_a_limb_keeps_its_lengths_and_reaches_targets_in_reach(
    root: np.ndarray, target: np.ndarray, pole: np.ndarray
) -> None:
    assume(np.linalg.norm(target - root) > 0.01)
    upper, lower = 0.3, 0.25
    middle, end = bend_limb(root, target, upper, lower, pole)
    assert np.linalg.norm(middle - root) == pytest.approx(upper)
    assert np.linalg.norm(end - middle) == pytest.approx(lower)
    if 0.1 < np.linalg.norm(target - root) < 0.54:
        assert end == pytest.approx(target)


def test_the_elbow_points_to_its_pole() -> None:
    middle, _ = bend_limb(np.zeros(3), np.array([0.0, -0.4, 0.0]), 0.3, 0.25, np.array([0.0, 0.0, -1.0]))
    assert middle[2] < -0.1


def test_a_frame_keeps_the_direction_and_the_orthogonal_part_of_the_hinge() -> None:
    made = frame(np.array([0.0, 0.0, 3.0]), np.array([1.0, 0.0, 5.0]))
    assert made == pytest.approx(np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=float))


def test_bones_without_a_rotation_move_with_their_parents() -> None:
    rest = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 2.0], [0.0, 0.0, 3.0]])
    turned, placed = forward_kinematics([0, 0, 1], rest, {0: rotation([1, 0, 0], np.pi / 2)})
    assert placed == pytest.approx(np.array([[0, 0, 1], [0, -1, 1], [0, -2, 1]], dtype=float))
    assert turned[2] == pytest.approx(turned[0])
    assert unit([0.0, 3.0, 4.0]) == pytest.approx([0.0, 0.6, 0.8])
