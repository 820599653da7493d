"""Several people in the demo: who is who, how far off they are, their bodies, and what is drawn and said."""

from __future__ import annotations

import numpy as np
import pytest
from recorded import CAMERA, MEAN_POSE, TRUTH, answer, keypoint, record

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.demo.people import PeopleRecord, describe_people, people_summary, recovered_people, selected_truths
from taihri_ros.demo.pictures import draw
from taihri_ros.demo.planner import Record
from taihri_ros.demo.summary import describe, summarize
from taihri_ros.keypoints import Person
from taihri_ros.pipeline.estimate import PersonInFrame
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState
from taihri_ros.skeleton import INDEX

PERIOD_NS = 100_000_000
FAR = TRUTH + np.array([0.0, 0.0, 1.0])


def seen(name: str, root: np.ndarray, *, selected: bool = False, error_m: float = 0.1) -> PersonInFrame:
    track = TrackedPerson(name, root, np.zeros(3), np.eye(3), 1.0, 0.0, TrackState.CONFIRMED, detection=0)
    return PersonInFrame(track, Person((keypoint("head", error_m),), None), selected)


def hidden(name: str, root: np.ndarray) -> PersonInFrame:
    track = TrackedPerson(name, root, np.zeros(3), np.eye(3), 1.0, 0.3, TrackState.LOST)
    return PersonInFrame(track, None, selected=False)


@pytest.fixture
def people() -> PeopleRecord:
    """Two people; the far one has another id from the third image on. In the last image only the near one is seen."""
    near, far = seen("kamul", TRUTH[0] + 0.05, selected=True), seen("jodan", FAR[0])
    made = PeopleRecord()
    frames = [(near, far), (near, far), (near, seen("wezit", FAR[0], error_m=1.2)), (near, hidden("wezit", FAR[0]))]
    for number, tracked in enumerate(frames):
        stamp = number * PERIOD_NS
        made.truths[stamp] = np.array([TRUTH, FAR])
        made.visible[stamp] = frozenset({0, 1} if number < 3 else {0})
        made.tracked[stamp] = tracked
        made.latencies_ms[stamp] = 200.0 if number < 3 else 120.0
    made.truths[9 * PERIOD_NS] = np.array([TRUTH, FAR])
    return made


def test_each_id_is_compared_with_the_person_whom_it_means(people: PeopleRecord) -> None:
    summary = people_summary(people)
    assert summary["ids"]["kamul"] == {"person": 0, "images": 4, "joints": 4, "gmpjpe_mm": 100.0}
    assert summary["ids"]["jodan"] == {"person": 1, "images": 2, "joints": 2, "gmpjpe_mm": 900.0}
    assert summary["ids"]["wezit"] == {"person": 1, "images": 1, "joints": 1, "gmpjpe_mm": 200.0}
    assert (summary["true"], summary["switches"]) == (2, 1)
    assert summary["idf1"] == pytest.approx(2 * 6 / 14, abs=1e-3)
    assert summary["latency_ms_by_people"] == {"1": 120.0, "2": 200.0}


def test_the_truth_of_the_selected_person_counts(people: PeopleRecord) -> None:
    recorded = record(*[answer(PERIOD_NS * number, "head", keypoint("head", 0.1)) for number in range(4)])
    recorded.people = people
    truths = selected_truths(people)
    assert sorted(truths) == [0, PERIOD_NS, 2 * PERIOD_NS, 3 * PERIOD_NS]
    summary = summarize(recorded, MEAN_POSE)
    assert (summary["gmpjpe_mm"], summary["people"]["true"]) == (100.0, 2)
    people.tracked = {stamp: (hidden("kamul", TRUTH[0]),) for stamp in people.tracked}
    assert selected_truths(people) == {}
    assert people_summary(people)["idf1"] == 0.0


def test_people_in_words(people: PeopleRecord) -> None:
    lines = describe_people(people_summary(people))
    assert lines[0] == "kamul is person 1: seen in 4 images, joints found 4, 100 mm off on average"
    assert lines[-1] == (
        "2 people had 3 ids: IDF1 0.86, 1 id switches; latency by the number of people who were seen: 1: 120 ms, "
        "2: 200 ms"
    )
    recorded = record(answer(0, "head", keypoint("head", 0.1)))
    recorded.people = people
    assert describe(summarize(recorded, MEAN_POSE)).splitlines()[-4:] == lines
    without = PeopleRecord(truths=people.truths)
    assert describe_people(people_summary(without)) == [
        "2 people had 0 ids: IDF1 unknown, 0 id switches; latency by the number of people who were seen: "
    ]


def test_everybody_has_a_body_of_their_own(people: PeopleRecord) -> None:
    rest = BodyRecovery().rest_joints() + np.array([0.0, 0.2, 3.0])
    arms = rest.copy()
    arms[18:] = np.nan
    for stamp in (PERIOD_NS, 0):
        people.bodies[stamp]["kamul"] = rest + np.array([-0.6, 0.0, 0.0])
        people.bodies[stamp]["jodan"] = arms + np.array([0.6, 0.0, 0.0])
    people.bodies[2 * PERIOD_NS]["kamul"] = np.full((22, 3), np.nan)
    bodies = recovered_people(people)
    assert list(bodies) == [0, PERIOD_NS, 2 * PERIOD_NS]
    assert bodies[2 * PERIOD_NS] == {}
    shown = bodies[PERIOD_NS]
    assert {name: round(float(body.joints[0, 0]), 1) for name, body in shown.items()} == {"kamul": -0.6, "jodan": 0.6}
    assert not shown["jodan"].supported[-1]
    picture = answer(PERIOD_NS, "head", keypoint("head", 0.1))
    plain, named, outlined = (
        draw(picture, TRUTH, CAMERA, **options)
        for options in ({}, {"people": people.tracked[PERIOD_NS]}, {"bodies": shown})
    )
    assert (named != plain).any(), "the ids"
    changed = (outlined != plain).any(axis=2)
    for body in shown.values():
        column, row = np.rint(CAMERA.project(body.joints[INDEX["right_hip"]])[0]).astype(int)
        assert changed[row, column]


def test_a_record_of_one_person_has_nobody_else() -> None:
    assert Record().people.compared == []
    assert "people" not in summarize(record(answer(0, "head", keypoint("head", 0.1))), MEAN_POSE)
