"""A person's pixels become the 18 points of skeleton2d and a region."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node.ros4hri.skeleton import region, skeleton_points
from taihri_ros.skeleton import JOINTS

WIDTH, HEIGHT = 200, 100
OPEN_POSE = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "left_eye", "right_eye", "left_ear", "right_ear",
)  # fmt: skip
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


def keypoint(name: str) -> Keypoint:
    """Return a joint whose pixel and confidence tell its name."""
    index = JOINTS.index(name)
    pixel, position = np.array([10.0 + 5.0 * index, 80.0 - 3.0 * index]), np.array([0.0, 0.0, 2.0])
    return Keypoint(name, State.MEASURED, position=position, confidence=0.5 + index / 100, pixel=pixel)


def person(**changed: Keypoint) -> Person:
    return Person(tuple(changed.get(name, keypoint(name)) for name in JOINTS), None)


def points(shown: Person) -> dict[str, NDArray[np.float64]]:
    return dict(zip(OPEN_POSE, skeleton_points(shown, WIDTH, HEIGHT), strict=True))


def test_the_points_have_openposes_order_and_are_shares_of_the_image() -> None:
    found = points(person())
    for name in set(OPEN_POSE) & set(JOINTS) - {"neck"}:
        expected = keypoint(name)
        u, v = expected.pixel
        np.testing.assert_allclose(found[name], [(u + 0.5) / WIDTH, (v + 0.5) / HEIGHT, expected.confidence])
    middle = (found["left_shoulder"] + found["right_shoulder"]) / 2
    np.testing.assert_allclose(found["neck"], [*middle[:2], found["left_shoulder"][2]])


def test_the_face_is_not_known() -> None:
    assert {name for name, point in points(person()).items() if point[2] == 0.0} == set(FACE)
    assert not any(points(person())[name].any() for name in FACE)


def test_joints_that_are_missing_or_outside_the_image_are_unknown() -> None:
    outside = dataclasses.replace(keypoint("left_wrist"), pixel=np.array([WIDTH + 5.0, 50.0]))
    unseen = dataclasses.replace(keypoint("left_knee"), state=State.OUT_OF_VIEW, pixel=np.full(2, np.nan))
    refused = Keypoint("left_shoulder", State.LOW_CONFIDENCE, confidence=0.1)
    found = points(person(left_wrist=outside, left_knee=unseen, left_shoulder=refused))
    unknown = {name for name, point in found.items() if point[2] == 0.0}
    assert unknown == {*FACE, "left_wrist", "left_knee", "left_shoulder", "neck"}
    assert not any(found[name].any() for name in unknown)


def test_a_joint_without_a_confidence_is_neither_sure_nor_unknown() -> None:
    unrated = dataclasses.replace(keypoint("left_wrist"), confidence=float("nan"))
    assert points(person(left_wrist=unrated))["left_wrist"][2] == 0.5


def test_the_region_is_the_box_within_the_image() -> None:
    box = np.array([-20.0, 10.5, 150.0, 130.0])
    np.testing.assert_allclose(region(person(), box, WIDTH, HEIGHT), [0.0, 10.5, 150.0, 100.0])  # type: ignore[arg-type]
    assert region(person(), np.array([210.0, 10.0, 240.0, 50.0]), WIDTH, HEIGHT) is None


def test_without_a_box_the_region_bounds_the_joints() -> None:
    found = region(person(), None, WIDTH, HEIGHT)
    np.testing.assert_allclose(found, [10.0, 17.0, 115.0, 80.0])  # type: ignore[arg-type]
    assert region(Person((keypoint("head"),), None), None, WIDTH, HEIGHT) is None
    assert region(Person((), None), None, WIDTH, HEIGHT) is None
