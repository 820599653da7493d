"""Rotations, forward kinematics and the Jacobian, against numeric derivatives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from taihri_ros.body.kinematics import (
    Kinematics,
    Posture,
    cross_matrices,
    exponential,
    logarithm,
    quaternions,
    right_jacobian,
)
from taihri_ros.body.mesh import Surface
from taihri_ros.body.template import PARENTS, BodyTemplate
from taihri_ros.skeleton import INDEX


@pytest.fixture
def posture(template: BodyTemplate) -> Posture:
    rng = np.random.default_rng(3)
    return Posture(
        rng.normal(size=3),
        exponential(rng.normal(size=(1, 3)))[0],
        rng.normal(0.0, 0.7, len(template.angle_bones)),
        rng.normal(size=len(template.shape_joints)),
    )


def numeric(kinematics: Kinematics, posture: Posture, size: int) -> np.ndarray:
    steps = 1e-6 * np.eye(size)
    ahead, back = (np.stack([kinematics.place(posture.moved(s * step)).joints for step in steps]) for s in (1.0, -1.0))
    return (ahead - back).reshape(size, -1).T / 2e-6


def test_the_jacobian_is_the_derivative_of_the_joints(kinematics: Kinematics, posture: Posture) -> None:
    jacobian = kinematics.jacobian(kinematics.place(posture))
    assert jacobian == pytest.approx(numeric(kinematics, posture, jacobian.shape[1]), abs=1e-7)


def test_the_jacobian_holds_at_rest_where_rotation_vectors_are_zero(kinematics: Kinematics, posture: Posture) -> None:
    resting = replace(posture, angles=np.zeros_like(posture.angles))
    jacobian = kinematics.jacobian(kinematics.place(resting))
    assert jacobian == pytest.approx(numeric(kinematics, resting, jacobian.shape[1]), abs=1e-7)


@pytest.mark.parametrize("vertex", [7, 900, 2100, 2900])
def test_the_jacobian_of_a_surface_point_is_its_derivative(
    template: BodyTemplate, kinematics: Kinematics, posture: Posture, vertex: int
) -> None:
    surface, placement = Surface(template), kinematics.place(posture)

    def place(step: np.ndarray) -> np.ndarray:
        moved = posture.moved(step)
        return surface.vertices(kinematics.place(moved), moved.shape)[vertex].astype(np.float64)

    rest = template.vertices[vertex] + posture.shape @ template.shape_vertices[:, vertex]
    rest_joints = template.joints + np.tensordot(posture.shape, template.shape_joints, axes=1)
    points = np.einsum("bij,bj->bi", placement.rotations, rest - rest_joints) + placement.joints
    weights = surface.weights[vertex].astype(np.float64)
    jacobian = kinematics.point_jacobian(placement, points, weights, template.shape_vertices[:, vertex])
    steps = 3e-3 * np.eye(jacobian.shape[1])  # the surface is in single precision
    derivative = np.stack([(place(step) - place(-step)) / 6e-3 for step in steps], axis=1)
    assert jacobian == pytest.approx(derivative, abs=2e-4)


def test_bones_keep_their_lengths_and_children_turn_with_their_parents(
    template: BodyTemplate, kinematics: Kinematics, posture: Posture
) -> None:
    mean = replace(posture, shape=np.zeros_like(posture.shape))
    placement, parents = kinematics.place(mean), list(PARENTS[1:])
    lengths = np.linalg.norm(placement.joints[1:] - placement.joints[parents], axis=1)
    at_rest = np.linalg.norm(template.joints[1:] - template.joints[parents], axis=1)
    assert lengths == pytest.approx(at_rest)
    wrist, elbow = INDEX["left_wrist"], INDEX["left_elbow"]
    assert placement.rotations[wrist] == pytest.approx(placement.rotations[elbow])
    assert placement.rotations[0] == pytest.approx(posture.orientation)


def test_an_angle_moves_only_the_joints_beyond_its_bone(kinematics: Kinematics, template: BodyTemplate) -> None:
    still = Posture(np.zeros(3), np.eye(3), np.zeros(len(template.angle_bones)), np.zeros(len(template.shape_joints)))
    bent = replace(still, angles=np.where(template.angle_bones == INDEX["left_elbow"], 1.0, 0.0))
    moved = np.abs(kinematics.place(bent).joints - kinematics.place(still).joints).max(axis=1) > 1e-9
    assert np.flatnonzero(moved).tolist() == [INDEX["left_wrist"]]
    wrist = kinematics.place(bent).joints[INDEX["left_wrist"]] - kinematics.place(still).joints[INDEX["left_wrist"]]
    assert wrist[0] > 0.05  # an elbow bends forward


def test_exponential_and_logarithm_are_inverse() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 3))
    vectors *= (np.linspace(0.0, 3.13, 50) / np.linalg.norm(vectors, axis=1))[:, None]
    assert logarithm(exponential(vectors)) == pytest.approx(vectors, abs=1e-7)


def test_the_right_jacobian_is_the_derivative_of_the_exponential() -> None:
    rng = np.random.default_rng(1)
    vectors, step = np.concatenate([np.zeros((1, 3)), rng.normal(size=(5, 3))]), 1e-6 * rng.normal(size=3)
    turned = exponential(vectors).transpose(0, 2, 1) @ exponential(vectors + step)
    assert logarithm(turned) == pytest.approx(right_jacobian(vectors) @ step, abs=1e-10)


def test_quaternions_are_those_of_ros() -> None:
    quarter = exponential(np.array([[0.0, 0.0, np.pi / 2], [np.pi, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    half = np.sqrt(0.5)
    expected = np.array([[0.0, 0.0, half, half], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    assert quaternions(quarter) == pytest.approx(expected, abs=1e-9)


def test_cross_matrices_multiply_as_the_cross_product() -> None:
    first, second = np.random.default_rng(2).normal(size=(2, 8, 3))
    assert np.einsum("nij,nj->ni", cross_matrices(first), second) == pytest.approx(np.cross(first, second))
