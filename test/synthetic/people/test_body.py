"""Bodies: stature, joints, poses and clothes of the parametric person."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from taihri_ros.skeleton import BONES, INDEX
from taihri_ros.synthetic.people.body import Body, BodyModel, Place, body_model, moved
from taihri_ros.synthetic.people.phenotype import Phenotype, height_parameter, sample_phenotype
from taihri_ros.synthetic.people.poses import TASKS, blend, sample_pose


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return body_model()


def person(gender: float, stature: float) -> Phenotype:
    return Phenotype(gender, 0.75, 0.5, 0.5, height_parameter(stature, gender), 0.5)


def posed(model: BodyModel, task: str, seed: int = 0) -> Body:
    return model.pose([(person(0.5, 1.7), sample_pose(np.random.default_rng(seed), task))])[0]


def joint(body: Body, name: str) -> np.ndarray:
    return body.joints[INDEX[name]]


@pytest.mark.parametrize("gender", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("stature", [1.5, 1.95])
def test_people_have_the_requested_stature(model: BodyModel, gender: float, stature: float) -> None:
    vertices, _ = model.rest([person(gender, stature)])
    assert float(np.ptp(vertices[0].numpy()[:, 2])) == pytest.approx(stature, abs=0.02)


def test_statures_are_those_of_adults() -> None:
    rng = np.random.default_rng(0)
    heights = [
        1.352 - 0.136 * shape.gender + 1.09 * shape.height for shape in (sample_phenotype(rng) for _ in range(500))
    ]
    assert np.mean(heights) == pytest.approx(1.71, abs=0.03)
    assert np.std(heights) < 0.13
    assert min(heights) > 1.4
    assert max(heights) < 2.11


@pytest.mark.parametrize("task", TASKS)
def test_the_body_of_every_task_is_on_the_ground_and_keeps_its_bone_lengths(model: BodyModel, task: str) -> None:
    bodies = [posed(model, task, seed) for seed in range(3)]
    for body in bodies:
        assert body.vertices[:, 2].min() == pytest.approx(0.0, abs=1e-4)
        assert np.isfinite(body.vertices).all()
        assert joint(body, "neck")[2] > 0.25
    limbs = [pair for pair in BONES if any(part in pair[1] for part in ("knee", "ankle", "elbow", "wrist"))]
    for parent, child in limbs:
        lengths = [np.linalg.norm(joint(body, parent) - joint(body, child)) for body in bodies]
        assert np.ptp(lengths) < 1e-4, (parent, child)


def test_joints_lie_within_the_body(model: BodyModel) -> None:
    body = posed(model, "stand")
    for index, place in enumerate(body.joints):
        distances = np.linalg.norm(body.vertices - place, axis=1)
        assert distances.min() < 0.13, index
        nearest = body.vertices[distances.argsort()[:400]] - place
        assert (nearest.min(axis=0) < 0.02).all(), index  # skin on all sides of the joint
        assert (nearest.max(axis=0) > -0.02).all(), index


def test_left_joints_are_on_the_left_of_the_person(model: BodyModel) -> None:
    body = posed(model, "stand")
    for part in ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist"):
        assert joint(body, f"left_{part}")[0] > joint(body, f"right_{part}")[0], part
    toes = joint(body, "left_foot") - joint(body, "left_ankle")
    assert toes[1] < -0.05  # the person faces -y


@pytest.mark.parametrize(
    ("task", "side"), [("handshake", "right"), ("handshake_left", "left"), ("hand_over_left", "left"), ("hug", "left")]
)
def test_a_gesture_reaches_forward_with_its_hand(model: BodyModel, task: str, side: str) -> None:
    reach = [joint(b, "pelvis")[1] - joint(b, f"{side}_wrist")[1] for b in (posed(model, task, s) for s in range(12))]
    assert np.median(reach) > 0.2


def test_a_seated_person_has_a_seat_under_the_pelvis(model: BodyModel) -> None:
    body = posed(model, "sit")
    assert body.seat is not None
    assert 0.2 < body.seat < joint(body, "pelvis")[2]
    assert posed(model, "stand").seat is None


def test_blending_moves_every_joint_smoothly(model: BodyModel) -> None:
    first, second = (sample_pose(np.random.default_rng(0), task) for task in ("stand", "hug"))
    shape = person(0.5, 1.7)
    steps = [model.pose([(shape, blend(first, second, share))])[0] for share in np.linspace(0.0, 1.0, 9)]
    moves = [np.linalg.norm(b.joints - a.joints, axis=1).max() for a, b in itertools.pairwise(steps)]
    assert max(moves) < 0.3
    assert steps[0].joints == pytest.approx(model.pose([(shape, first)])[0].joints)
    assert steps[-1].joints == pytest.approx(model.pose([(shape, second)])[0].joints)


def test_a_moved_body_keeps_its_shape(model: BodyModel) -> None:
    body = posed(model, "stand")
    there = moved(body, Place(1.0, -2.0, np.pi / 2))
    assert there.joints[0] == pytest.approx([1.0 - body.joints[0, 1], -2.0 + body.joints[0, 0], body.joints[0, 2]])
    assert there.vertices[100] - there.joints[5] == pytest.approx(
        np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]) @ (body.vertices[100] - body.joints[5]), abs=1e-5
    )


def test_clothes_lie_outside_the_skin(model: BodyModel) -> None:
    shape, pose = person(0.5, 1.7), sample_pose(np.random.default_rng(0), "stand")
    thick = np.full((1, len(model.template.vertices)), 0.02, np.float32)
    bare, dressed = model.pose([(shape, pose)])[0], model.pose([(shape, pose)], thick)[0]
    trunk = np.abs(bare.vertices[:, 2] - bare.joints[INDEX["spine3"], 2]) < 0.05
    shift = np.linalg.norm(dressed.vertices[trunk, :2] - bare.vertices[trunk, :2], axis=1)
    assert 0.01 < np.median(shift) < 0.025
