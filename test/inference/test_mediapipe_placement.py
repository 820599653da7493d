"""Landmarks of somebody whose place is known are put there, and their joints follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from landmark_person import FOCAL_PX, SIZE, adult, seen

from taihri_ros.inference.mediapipe.joints import WEIGHTS
from taihri_ros.inference.mediapipe.landmarks import BODY, BONES, LENGTHS_M, NAMES, NUMBER
from taihri_ros.inference.mediapipe.placement import place
from taihri_ros.skeleton import INDEX, JOINTS

LEFT_WRIST = NUMBER["left_wrist"]
LEGS = [NUMBER[f"{side}_{part}"] for side in ("left", "right") for part in ("knee", "ankle", "heel", "toe")]


def test_the_bones_are_those_of_the_body() -> None:
    lengths = {tuple(NAMES[BODY[end]] for end in ends): length for ends, length in zip(BONES, LENGTHS_M, strict=True)}
    assert len(lengths) == 12
    assert lengths["left_shoulder", "right_shoulder"] == 0.344
    assert lengths["left_elbow", "left_wrist"] == lengths["right_elbow", "right_wrist"] == 0.232


@pytest.mark.parametrize("turned", [0.0, 0.8])
@pytest.mark.parametrize(("distance_m", "beside_m"), [(1.5, 0.0), (2.5, -0.6), (5.0, 1.0)])
def test_exact_landmarks_are_placed_where_they_are(distance_m: float, beside_m: float, turned: float) -> None:
    points = adult(distance_m, beside_m=beside_m, turned=turned)
    placed = place(seen(points), FOCAL_PX)
    assert np.linalg.norm(placed.points - points, axis=1).max() < 0.03 * distance_m
    assert placed.size == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_the_distance_is_that_of_an_adult_whatever_size_the_landmarks_have(scale: float) -> None:
    """BlazePose's own size would put them 20 or 25 % nearer or farther."""
    points = adult(2.5)
    placed = place(seen(points, scale=scale), FOCAL_PX)
    assert abs(placed.points[:, 2].mean() / points[:, 2].mean() - 1.0) < 0.09


def test_a_landmark_in_the_picture_stays_on_its_ray() -> None:
    found = seen(adult(2.5, beside_m=0.3))
    placed = place(found, FOCAL_PX)
    pixels = placed.points[:, :2] / placed.points[:, 2:] * FOCAL_PX + (np.array(SIZE) - 1) / 2
    np.testing.assert_allclose(pixels, found.pixels, atol=1e-6)
    assert placed.seen.all()


def test_a_limb_that_points_at_the_camera_keeps_its_length() -> None:
    """BlazePose makes such a limb too short: its difference in depth is half of the true one."""
    points = adult(2.0)
    points[LEFT_WRIST] = points[NUMBER["left_elbow"]] + (0.0, -0.02, -0.231)
    found = seen(points)
    world = found.world.copy()
    world[LEFT_WRIST, 2] += 0.115
    placed = place(replace(found, world=world), FOCAL_PX).points
    assert placed[LEFT_WRIST, 2] - placed[NUMBER["left_elbow"], 2] < -0.15


@pytest.mark.parametrize("hidden", ["out of the picture", "hidden"])
def test_legs_that_are_not_seen_are_placed_below_the_hips(hidden: str) -> None:
    """Their pixels are wild guesses, which must not move the rest."""
    points = adult(1.2)
    found = seen(points)
    pixels, visibility = found.pixels.copy(), found.visibility.copy()
    pixels[LEGS] = pixels[LEGS] + (0.0, 900.0) if hidden == "out of the picture" else (20.0, 20.0)
    visibility[LEGS] = 0.9 if hidden == "out of the picture" else 0.05
    placed = place(replace(found, pixels=pixels, visibility=visibility), FOCAL_PX)
    assert not placed.seen[LEGS].any()
    assert np.linalg.norm(placed.points - points, axis=1).max() < 0.06


@pytest.mark.parametrize("count", [0, 1, 3, 7])
@pytest.mark.handles("People and belief", "BlazePose sees only some landmarks", "placed by the most visible ones")
def test_few_landmarks(count: int) -> None:
    points = adult(2.0)
    found = seen(points, visibility=0.2)
    visibility = found.visibility + np.linspace(0.0, 0.05, len(points))
    visibility[list(BODY[:count])] = 0.99
    placed = place(replace(found, visibility=visibility), FOCAL_PX)
    assert placed.seen.sum() == count
    assert np.linalg.norm(placed.points - points, axis=1).max() < 0.15


def test_somebody_behind_the_camera_is_not_mirrored() -> None:
    """Landmarks on the wrong sides have their best place behind the camera; every number stays finite."""
    found = seen(adult(1.0))
    placed = place(replace(found, world=-found.world), FOCAL_PX)
    assert np.isfinite(placed.points).all()
    assert np.isfinite(placed.size)


def test_the_weights_of_a_joint_sum_to_1() -> None:
    np.testing.assert_allclose(WEIGHTS.sum(axis=1), 1.0)


def test_joints_of_an_adult() -> None:
    points = adult(2.0)
    joints = dict(zip(JOINTS, WEIGHTS @ points, strict=True))
    heights = [joints[name][1] for name in ("head", "neck", "spine3", "spine2", "pelvis", "left_knee", "left_ankle")]
    assert heights == sorted(heights), "from top to bottom"
    np.testing.assert_allclose(joints["left_shoulder"], points[NUMBER["left_shoulder"]])
    assert points[NUMBER["left_ankle"], 1] < joints["left_ankle"][1] < points[NUMBER["left_heel"], 1]
    for name in JOINTS:
        if name.startswith("left_"):
            mirrored = WEIGHTS[INDEX[name.replace("left", "right")]] @ points
            np.testing.assert_allclose(mirrored, joints[name] * (-1, 1, 1), atol=1e-12)
