"""People keep their ids over crossings, misses and short losses, and get new ones after that."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from taihri_ros.pipeline.people.people_tracker import PeopleError, PeopleSettings, PeopleTracker
from taihri_ros.pipeline.people.person_track import (
    DetectionError,
    PersonDetection,
    TrackedPerson,
    TrackState,
    overlap,
)
from taihri_ros.skeleton import BONES, INDEX, JOINTS

COVARIANCE = np.diag([0.05, 0.05, 0.15]) ** 2
RNG = np.random.default_rng(2)
SKELETON = np.cumsum(RNG.normal(0.0, 0.2, (len(JOINTS), 3)), axis=0)


def seen(x: float, z: float, *, noise: bool = False, **more: object) -> PersonDetection:
    error = np.sqrt(np.diag(COVARIANCE)) * RNG.normal(size=3) if noise else np.zeros(3)
    return PersonDetection(np.array([x, 0.3, z]) + error, COVARIANCE, **more)  # type: ignore[arg-type]


def run(
    tracker: PeopleTracker, frames: Sequence[Sequence[PersonDetection]], start_s: float = 0.0
) -> list[list[TrackedPerson]]:
    return [tracker.update(frame, start_s + 0.1 * number) for number, frame in enumerate(frames)]


def states(people: Sequence[TrackedPerson]) -> list[TrackState]:
    return [person.state for person in people]


def test_a_person_is_tentative_then_confirmed_then_lost_then_ended() -> None:
    tracker = PeopleTracker(PeopleSettings(keep_s=0.55), seed=1)
    found = run(tracker, [[seen(0, 2)]] * 4 + [[]] * 7)
    expected = [TrackState.TENTATIVE] * 2 + [TrackState.CONFIRMED] * 2 + [TrackState.LOST] * 5 + [TrackState.ENDED]
    assert [people[0].state for people in found[:-1]] == expected
    assert found[-1] == []
    assert [round(people[0].since_seen_s, 1) for people in found[3:6]] == [0.0, 0.1, 0.2]
    assert [people[0].detection for people in found[3:5]] == [0, None]
    assert found[8][0].age_s == pytest.approx(0.8)
    assert len({people[0].id for people in found[:-1]}) == 1


def test_the_position_of_a_lost_person_is_predicted_with_growing_covariance() -> None:
    tracker = PeopleTracker(seed=1)
    found = run(tracker, [[seen(0.1 * number, 2)] for number in range(10)] + [[]] * 10)
    volumes = [np.linalg.det(people[0].covariance) for people in found[9:]]
    assert all(later > before for before, later in itertools.pairwise(volumes))
    last = found[-1][0]
    assert last.velocity[0] == pytest.approx(1.0, abs=0.1)
    assert last.root[0] == pytest.approx(1.9, abs=0.1)


def test_a_single_false_detection_never_becomes_a_person() -> None:
    found = run(PeopleTracker(seed=1), [[seen(0, 2)], *[[]] * 6])
    assert {state for people in found for state in states(people)} == {TrackState.TENTATIVE, TrackState.ENDED}
    assert found[-1] == []


def test_ids_stay_when_two_people_cross_and_one_is_hidden() -> None:
    for seed in range(10):
        tracker = PeopleTracker(seed=seed)
        first, last = [], []
        for number in range(50):
            left, right = -2.0 + 0.08 * number, 2.0 - 0.08 * number
            people = [seen(left, 2.0, noise=True)]
            if abs(left - right) > 0.7:  # about a second
                people.append(seen(right, 3.0, noise=True))
            order = RNG.permutation(len(people))
            tracked = tracker.update([people[index] for index in order], 0.1 * number)
            names = {int(order[person.detection]): person.id for person in tracked if person.detection is not None}
            first, last = (names, last) if number == 5 else (first, names)
        assert first == last, f"seed {seed}"
        assert len(last) == 2


def test_two_people_at_one_place_are_told_apart_by_their_size() -> None:
    def with_size(x: float, size: float) -> PersonDetection:
        return seen(x, 2.0, joints=size * SKELETON)

    apart = [[with_size(-0.5, 0.9), with_size(0.5, 1.1)]] * 5
    tracker = PeopleTracker(seed=1)
    before = run(tracker, apart)[-1]
    together = run(tracker, [[with_size(0.02, 1.1), with_size(-0.02, 0.9)]] * 1, 2.2)[-1]
    ids = {person.detection: person.id for person in together if person.state is TrackState.CONFIRMED}
    assert ids == {0: before[1].id, 1: before[0].id}


def test_missing_joints_say_nothing_about_the_size() -> None:
    few = np.full((len(JOINTS), 3), np.nan)
    few[[INDEX[name] for bone in BONES[:2] for name in bone]] = 0.3
    tracker = PeopleTracker(seed=1)
    found = run(tracker, [[seen(0, 2, joints=SKELETON)], [seen(0, 2, joints=few)], [seen(0, 2, joints=5 * few)]])
    assert [len(people) for people in found] == [1, 1, 1]


def test_boxes_decide_between_two_equally_near_detections() -> None:
    left, right = np.array([0.0, 0.0, 50.0, 100.0]), np.array([60.0, 0.0, 110.0, 100.0])
    tracker = PeopleTracker(seed=1)
    before = run(tracker, [[seen(-0.2, 2, box=left), seen(0.2, 2, box=right)]] * 4)[-1]
    after = tracker.update([seen(0, 2, box=right), seen(0, 2, box=left)], 0.4)
    assert {person.detection: person.id for person in after} == {0: before[1].id, 1: before[0].id}
    assert (after[0].box == left).all()


def test_somebody_far_from_every_prediction_is_a_new_person() -> None:
    tracker = PeopleTracker(seed=1)
    run(tracker, [[seen(0, 2)]] * 5)
    people = tracker.update([seen(1.5, 2)], 0.5)
    assert states(people) == [TrackState.LOST, TrackState.TENTATIVE]
    assert people[0].id != people[1].id


@pytest.mark.parametrize("rate_hz", [5, 30])
def test_other_frame_rates_keep_the_ids_too(rate_hz: int) -> None:
    tracker = PeopleTracker(seed=1)
    ids = set()
    for number in range(4 * rate_hz):
        x = 1.2 * np.sin(1.5 * number / rate_hz)
        people = tracker.update([seen(x, 2, noise=True), seen(-x, 3, noise=True)], number / rate_hz)
        ids |= {person.id for person in people}
    assert len(ids) == 2


def test_after_a_jump_back_in_time_everybody_is_new() -> None:
    tracker = PeopleTracker(seed=1)
    before = run(tracker, [[seen(0, 2)]] * 5)[-1]
    after = tracker.update([seen(0, 2)], 0.1)
    assert states(after) == [TrackState.TENTATIVE]
    assert after[0].id != before[0].id


def test_a_detection_without_a_position_is_refused() -> None:
    good = seen(0, 2)
    for wrong in (
        {"root": np.full(3, np.nan)},
        {"covariance": np.zeros((3, 3))},
        {"covariance": np.full((3, 3), np.inf)},
    ):
        with pytest.raises(DetectionError, match="leave out"):
            replace(good, **wrong)


@pytest.mark.parametrize("setting", [{"keep_s": 0.0}, {"acceleration": float("nan")}, {"confirm_frames": 0}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(PeopleError, match=f"people.{next(iter(setting))} must be"):
        PeopleSettings(**setting)  # type: ignore[arg-type]


def test_the_overlap_of_boxes() -> None:
    box = np.array([0.0, 0.0, 10.0, 10.0])
    assert overlap(box, box) == 1.0
    assert overlap(box, box + 10.0) == 0.0
    assert overlap(box, box + np.array([5.0, 0.0, 5.0, 0.0])) == pytest.approx(1 / 3)
    assert overlap(box, np.zeros(4)) == 0.0
