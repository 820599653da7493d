"""Who is tracked: the only person of a node, or several with their own bodies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node.body_fits import Bodies, BodyFits
from taihri_ros.node.ros4hri.tracked_humans import KEEP_S, TrackedHumans
from taihri_ros.pipeline.estimate import PersonInFrame
from taihri_ros.pipeline.frames import Result
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState
from taihri_ros.skeleton import JOINTS

STANDING = BodyRecovery().rest_joints() + np.array([0.0, 0.15, 3.0])


@pytest.fixture
def tracked() -> TrackedHumans:
    return TrackedHumans(several=False, seed=1)


def person(x: float = 0.0) -> Person:
    points = STANDING + np.array([x, 0.0, 0.0])
    return Person(
        tuple(
            Keypoint(name, State.MEASURED, position=point, covariance=1e-4 * np.eye(3))
            for name, point in zip(JOINTS, points, strict=True)
        ),
        np.array([1.0, 2.0, 30.0, 40.0]),
    )


def at(result: Result, stamp_s: float, whole: Person, people: tuple[PersonInFrame, ...] = ()) -> Result:
    estimate = dataclasses.replace(result.estimate, whole=whole, people=people)
    frame = dataclasses.replace(result.frame, stamp_ns=round(stamp_s * 1e9))
    return dataclasses.replace(result, estimate=estimate, frame=frame)


def in_frame(name: str, state: TrackState, whole: Person | None) -> PersonInFrame:
    box = np.array([5.0, 5.0, 20.0, 40.0])
    track = TrackedPerson(name, np.zeros(3), np.zeros(3), np.eye(3), 1.0, 0.0, state, box=box)
    return PersonInFrame(track, whole, selected=False, whole=whole)


def test_the_only_person_keeps_the_id_while_seen(tracked: TrackedHumans, result: Result) -> None:
    nobody = Person((), None)
    assert tracked.update(at(result, 1.0, nobody), Bodies()) == []
    (first,) = tracked.update(at(result, 2.0, person()), Bodies())
    (lost,) = tracked.update(at(result, 2.0 + KEEP_S, nobody), Bodies())
    (back,) = tracked.update(at(result, 3.9, person()), Bodies())
    assert first.id == lost.id == back.id
    assert len(first.id) == 5
    assert first.person is not None
    assert first.box is first.person.box
    assert (lost.person, lost.body) == (None, None)


def test_the_only_person_is_new_after_a_while_and_after_a_jump_back(tracked: TrackedHumans, result: Result) -> None:
    ids = [tracked.update(at(result, stamp_s, person()), Bodies())[0].id for stamp_s in (10.0, 12.1, 1.0)]
    assert len(set(ids)) == 3
    assert tracked.update(at(result, 3.1, Person((), None)), Bodies()) == []


def test_several_people_have_their_own_bodies(result: Result) -> None:
    tracked = TrackedHumans(several=True)
    people = (
        in_frame("kamul", TrackState.CONFIRMED, person(-0.8)),
        in_frame("jodan", TrackState.CONFIRMED, person(0.8)),
        in_frame("wezit", TrackState.LOST, None),
        in_frame("nanik", TrackState.TENTATIVE, person()),
        in_frame("tilon", TrackState.ENDED, None),
    )
    seen = at(result, 1.0, person(-0.8), people)
    bodies = BodyFits().update(seen.estimate, seen.frame.stamp_ns)
    found = {human.id: human for human in tracked.update(seen, bodies)}
    assert set(found) == {"kamul", "jodan", "wezit"}
    assert found["wezit"].person is None
    for name, x in (("kamul", -0.8), ("jodan", 0.8)):
        body, box = found[name].body, found[name].box
        assert body is not None
        assert abs(body.joints[0, 0] - x) < 0.05
        assert box is not None
        assert box[2] == 20.0


def test_several_people_who_are_not_sure_yet_are_nobody(result: Result) -> None:
    tracked = TrackedHumans(several=True)
    newcomer = in_frame("kamul", TrackState.TENTATIVE, person())
    assert tracked.update(at(result, 1.0, person(), (newcomer,)), Bodies()) == []
    assert tracked.update(at(result, 2.0, person()), Bodies()) == []
