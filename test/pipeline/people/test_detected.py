"""Of the answers in detected boxes, those about the person in the box count; the other boxes stand for themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import joint_command
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.model.zoom import ROOT
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.guards import Guards, Workspace
from taihri_ros.pipeline.people.detected import Detected, detected_people
from taihri_ros.pipeline.people.people_tracker import PeopleTracker
from taihri_ros.pipeline.people.person_track import TrackState

CAMERA = Camera(640, 480, [[500.0, 0, 320], [0, 500.0, 240], [0, 0, 1]], [], DistortionModel.NONE)
LEFT, RIGHT = np.array([-0.6, 0.1, 2.5]), np.array([0.5, 0.1, 3.0])


def box_at(root: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the box of an adult around the pelvis."""
    corners = CAMERA.project([root + np.array([x, y, 0.0]) for x, y in ((-0.25, -0.85), (0.25, 0.85))])
    return np.asarray(corners.ravel())


def answer(root: NDArray[np.float64] | None, confidence: float = 0.8) -> Estimate:
    """Return an answer about somebody's pelvis; None for one that is not believed."""
    if root is None:
        keypoint = Keypoint(ROOT, State.LOW_CONFIDENCE, "not sure enough")
    else:
        covariance = np.diag([0.05, 0.05, 0.2]) ** 2
        keypoint = Keypoint(ROOT, State.MEASURED, position=root, covariance=covariance, confidence=confidence)
    return Estimate(joint_command([ROOT]), Person((keypoint,), None), "", {}, "manual")


def of_joints(*places: object) -> Estimate:
    """Return an answer about the pelvis, both hands and so on."""
    keypoints = tuple(
        Keypoint(name, State.MEASURED, position=np.asarray(place, float), covariance=np.eye(3) * 1e-4, confidence=0.8)
        for name, place in zip((ROOT, "left_wrist", "right_wrist"), places, strict=False)
    )
    return Estimate(joint_command([each.name for each in keypoints]), Person(keypoints, None), "", {}, "manual")


@pytest.mark.handles("People and belief", "a person whose joints a guard refuses", "nobody is tracked for them alone")
def test_joints_that_a_guard_refuses_do_not_say_where_somebody_is() -> None:
    guards = Guards(workspace=Workspace.parse("-1 1 -1 1 0.3 1.5"))
    pelvis, left, right = (0.0, 0.0, 1.9), (-0.2, 0.0, 1.3), (0.2, 0.1, 1.4)
    assert Detected.of(of_joints(pelvis, (0, 0, 1.6)), None, guards) is None
    estimate = of_joints(pelvis, left, right)
    for answered in (estimate, replace(estimate, decoded=estimate.person)):
        reaching = Detected.of(answered, None, guards)
        assert reaching is not None
        np.testing.assert_allclose(reaching.detection.root, np.mean([left, right], axis=0))
        assert reaching.detection.joints is not None
        assert np.isfinite(reaching.detection.joints).all(axis=1).sum() == 2
        assert reaching.estimate is answered, "the reasons of the joints are published"
    inside = Detected.of(of_joints(left, right), None, guards)
    assert inside is not None
    assert inside.detection.root.tolist() == list(left)


def roots(people: list[Detected], *, of_boxes: bool) -> list[list[float]]:
    return [each.detection.root.tolist() for each in people if each.detection.is_box == of_boxes]


@pytest.mark.handles(
    "People and belief",
    "answer about somebody beside the detected box",
    "joints missing; the box keeps the id",
)
def test_an_answer_about_somebody_beside_the_box_leaves_the_box_alone() -> None:
    people = detected_people([answer(RIGHT), answer(RIGHT)], [box_at(LEFT), box_at(RIGHT)], CAMERA)
    assert roots(people, of_boxes=False) == [RIGHT.tolist()]
    (alone,) = [each for each in people if each.detection.is_box]
    assert alone.detection.box is not None
    assert alone.detection.box.tolist() == box_at(LEFT).tolist()
    np.testing.assert_allclose(alone.detection.root, LEFT, atol=0.2)
    (keypoint,) = alone.estimate.person.keypoints
    assert keypoint.state is State.NOT_ANSWERED
    assert keypoint.reason == "the answer is about somebody else in the view"
    along, *across = np.linalg.eigvalsh(alone.detection.covariance)[::-1]
    assert along > 4 * max(across), "the distance is least known"


def test_of_two_answers_about_one_person_that_in_their_own_box_counts() -> None:
    """The people stand one behind the other; the more confident answer in the far one's box is about the near one."""
    far = np.array([-0.45, 0.1, 4.0])
    for order in (slice(None), slice(None, None, -1)):
        looks = [(answer(LEFT, 0.5), box_at(LEFT)), (answer(LEFT + 0.02, 0.9), box_at(far) - [40, 0, 40, 0])][order]
        estimates, boxes = zip(*looks, strict=True)
        people = detected_people(estimates, boxes, CAMERA)
        assert roots(people, of_boxes=False) == [LEFT.tolist()]
        assert len(roots(people, of_boxes=True)) == 1


def test_an_answer_that_is_not_believed_leaves_the_box_and_why() -> None:
    (alone,) = detected_people([answer(None)], [box_at(LEFT)], CAMERA)
    assert alone.detection.is_box
    assert alone.estimate.person.keypoints[0].reason == "not sure enough"
    assert detected_people([answer(None)], [None], CAMERA) == []


def test_a_box_that_was_found_twice_is_nobody_else() -> None:
    people = detected_people([answer(LEFT), answer(LEFT)], [box_at(LEFT), box_at(LEFT) + 5.0], CAMERA)
    assert len(people) == 1


def test_an_answer_whose_root_the_camera_cannot_see_does_not_count() -> None:
    (alone,) = detected_people([answer(np.array([0.1, 0.0, -1.0]))], [box_at(LEFT)], CAMERA)
    assert alone.detection.is_box


@pytest.mark.handles("People and belief", "detections of whom the model does not believe", "nobody is confirmed")
def test_boxes_alone_keep_who_is_known_and_confirm_nobody() -> None:
    """A person walks to the right while the model answers about somebody else, who stands at the right."""
    tracker = PeopleTracker(seed=1)

    def see(stamp: int, left: NDArray[np.float64], estimate: Estimate) -> dict[str, TrackState]:
        people = detected_people([estimate, answer(RIGHT)], [box_at(left), box_at(RIGHT)], CAMERA)
        found = tracker.update([each.detection for each in people], 0.1 * stamp)
        places = {each.id: each.root for each in found}
        walker = min(places, key=lambda name: float(np.linalg.norm(places[name] - left)))
        assert np.linalg.norm(places[walker] - left) < 0.4
        names.append(walker)
        return {each.id: each.state for each in found}

    names: list[str] = []
    steps = [LEFT + np.array([0.05 * step, 0.0, 0.0]) for step in range(14)]
    for stamp, left in enumerate(steps[:4]):
        states = see(stamp, left, answer(left))
    for stamp, left in enumerate(steps[4:], start=4):
        states = see(stamp, left, answer(RIGHT + 0.01))
    assert len(set(names)) == 1
    assert set(states.values()) == {TrackState.CONFIRMED}
    assert len(states) == 2
    unknown = PeopleTracker(seed=2)
    for stamp in range(10):
        (alone,) = detected_people([answer(None)], [box_at(LEFT)], CAMERA)
        (person,) = unknown.update([alone.detection], 0.1 * stamp)
    assert person.state is TrackState.TENTATIVE, "a poster, for example: the model sees nobody"


@pytest.mark.parametrize("period_s", [0.05, 0.5])
def test_a_newcomer_may_be_missed_once_however_slow_the_frames_are(period_s: float) -> None:
    tracker = PeopleTracker(seed=3)
    seen, missed = detected_people([answer(LEFT)], [box_at(LEFT)], CAMERA), list[Detected]()
    for stamp, people in enumerate((seen, missed, seen, seen)):
        found = tracker.update([each.detection for each in people], period_s * stamp)
    assert [each.state for each in found] == [TrackState.CONFIRMED]
