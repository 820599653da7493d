"""Joints are lifted by the depth of the body, and left out where the depth is something else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from evaluated_people import CAMERA, STANDING
from numpy.typing import NDArray
from rendered_person import depth_image, pixel_of, seen

from taihri_ros.evaluation.labels.body_depth import LeftOut, LiftedPerson, UnlabelledError, lift
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.pipeline.depth_fusion import SURFACE_OFFSETS
from taihri_ros.pipeline.frames import ImageError
from taihri_ros.skeleton import INDEX, JOINTS

Depth = NDArray[np.float32]


@pytest.fixture(scope="module")
def standing() -> Depth:
    return depth_image(STANDING)


def around(depth: Depth, name: str, reach: int) -> Depth:
    """Return the part of a depth image around a joint, to be changed in place."""
    column, row = pixel_of(STANDING, name)
    return depth[max(row - reach, 0) : row + reach + 1, column - reach : column + reach + 1]


def errors(found: LiftedPerson, truth: NDArray[np.float64] = STANDING) -> dict[str, float]:
    """Return the distances to the truth, metres."""
    return {name: float(np.linalg.norm(joint - truth[INDEX[name]])) for name, joint in found.joints.items()}


def with_keypoint(person: Person, name: str, **changes: object) -> Person:
    return replace(
        person,
        keypoints=tuple(replace(each, **changes) if each.name == name else each for each in person.keypoints),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.6])
def test_the_engine_need_not_know_how_far_away_the_person_is(standing: Depth, scale: float) -> None:
    found = lift(seen(STANDING, scale), standing, CAMERA)
    assert set(found.joints) == set(JOINTS)
    assert not found.left_out
    assert np.median(list(errors(found).values())) < 0.01
    assert max(errors(found).values()) < 0.06


def test_deviations_follow_from_pixel_surface_and_sensor(standing: Depth) -> None:
    found = lift(seen(STANDING, deviation_px=4.0), standing, CAMERA)
    for name in ("left_wrist", "right_knee", "spine3"):
        x, y, z = found.deviations[name]
        ray = STANDING[INDEX[name]] / STANDING[INDEX[name], 2]
        depth = np.hypot(SURFACE_OFFSETS[name].sigma, 0.002 * (ray @ [0, 0, 2.0]) ** 2 + 0.002)
        assert z == pytest.approx(depth, rel=0.1)
        across = 4.0 / CAMERA.K[0, 0] * STANDING[INDEX[name], 2]
        assert x == pytest.approx(np.hypot(across, ray[0] * z), rel=0.05)
        assert y == pytest.approx(np.hypot(across, ray[1] * z), rel=0.05)


def wall(depth: Depth) -> None:
    around(depth, "left_wrist", 2)[:] = 4.0


def box(depth: Depth) -> None:
    around(depth, "left_wrist", 12)[:] = 1.0


def hole(depth: Depth) -> None:
    around(depth, "left_wrist", 2)[:] = np.nan


def edge(depth: Depth) -> None:
    part = around(depth, "left_wrist", 3)
    part[:] = np.linspace(1.6, 4.0, part.shape[1])


def held_object(depth: Depth) -> None:
    around(depth, "left_wrist", 3)[:] = 1.42


@pytest.mark.handles("Depth images", "a label's joint before the wall, an object, a hole or an edge", "no label")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (wall, LeftOut.BEHIND),
        (box, LeftOut.IN_FRONT),
        (hole, LeftOut.HOLE),
        (edge, LeftOut.EDGE),
        (held_object, LeftOut.BONE),
    ],
)
def test_a_joint_whose_depth_is_not_the_body_has_no_label(
    standing: Depth, change: Callable[[Depth], None], reason: LeftOut
) -> None:
    depth = standing.copy()
    change(depth)
    found = lift(seen(STANDING), depth, CAMERA)
    assert found.left_out.get("left_wrist") is reason
    assert len(found.joints) >= 20
    assert max(errors(found).values()) < 0.06


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": State.NOT_ANSWERED}, LeftOut.NOT_FOUND),
        ({"state": State.OUT_OF_VIEW, "pixel": np.full(2, np.nan)}, LeftOut.OUTSIDE),
        ({"pixel": np.array([CAMERA.width + 3.0, 50.0])}, LeftOut.OUTSIDE),
        ({"covariance": np.eye(3) * 0.2**2}, LeftOut.UNCERTAIN),
        ({"covariance": np.full((3, 3), np.nan)}, LeftOut.NOT_FOUND),
    ],
)
def test_a_joint_without_a_sure_pixel_has_no_label(
    standing: Depth, changes: dict[str, object], reason: LeftOut
) -> None:
    found = lift(with_keypoint(seen(STANDING), "right_knee", **changes), standing, CAMERA)
    assert found.left_out == {"right_knee": reason}


@pytest.mark.handles("Depth images", "another person or a desk in front of half of a labelled person", "no label")
def test_what_stands_in_front_of_half_the_body_is_left_out(standing: Depth) -> None:
    depth = standing.copy()
    depth[pixel_of(STANDING, "pelvis")[1] - 5 :] = 1.3
    found = lift(seen(STANDING), depth, CAMERA)
    hidden = {name for name in JOINTS if any(part in name for part in ("pelvis", "hip", "knee", "ankle", "foot"))}
    assert hidden <= set(found.left_out)
    assert {found.left_out[name] for name in hidden} == {LeftOut.IN_FRONT}
    assert max(errors(found).values()) < 0.06


def test_the_end_of_a_bone_that_disagrees_with_its_other_bone_is_left_out(standing: Depth) -> None:
    depth = standing.copy()
    around(depth, "left_elbow", 3)[:] = 1.62
    found = lift(seen(STANDING), depth, CAMERA)
    assert found.left_out == {"left_elbow": LeftOut.BONE}


@pytest.mark.handles("Depth images", "a picture of a person on a screen or a poster of another size", "no labels")
def test_a_small_picture_of_a_person_gets_no_labels() -> None:
    flat = np.full((CAMERA.height, CAMERA.width), 0.7, np.float32)
    with pytest.raises(UnlabelledError, match="the bones are too short or too long for a person"):
        lift(seen(STANDING), flat, CAMERA)


def test_too_few_joints_are_no_labels(standing: Depth) -> None:
    with pytest.raises(UnlabelledError, match=r"fewer than 6 joints .* mostly because there is no depth"):
        lift(seen(STANDING), np.full_like(standing, np.nan), CAMERA)
    nobody = Person(tuple(Keypoint(name, State.NOT_ANSWERED) for name in JOINTS), None, 0.0)
    with pytest.raises(UnlabelledError, match="mostly because the engine did not find it"):
        lift(nobody, standing, CAMERA)


def test_a_depth_image_of_another_size_is_refused(standing: Depth) -> None:
    with pytest.raises(ImageError, match="use the depth topic that is registered"):
        lift(seen(STANDING), standing[::2, ::2], CAMERA)
