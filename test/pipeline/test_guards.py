"""Guards refuse joints that cannot be where they were found, and say why; they are off by default."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from taihri_ros.body.template import shipped_template
from taihri_ros.commands.command import joint_command
from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.pipeline.estimate import Estimate, PersonInFrame
from taihri_ros.pipeline.guards import LIMBS_M, Guards, Workspace
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState
from taihri_ros.skeleton import INDEX, JOINTS

BOX = "-1 1 -1 1 0.3 2.5"


def joint(name: str, position: object, deviation: float = 0.0) -> Keypoint:
    return Keypoint(
        name,
        State.MEASURED,
        position=np.asarray(position, float),
        covariance=np.eye(3) * deviation**2,
        confidence=0.75,
        pixel=np.ones(2),
    )


def estimate(*joints: Keypoint, **fields: object) -> Estimate:
    command = joint_command([each.name for each in joints])
    return replace(Estimate(command, Person(joints, np.ones(4)), "", {}, "manual"), **fields)  # type: ignore[arg-type]


def states(checked: Estimate) -> dict[str, State]:
    return {each.name: each.state for each in checked.person.keypoints}


def test_by_default_nothing_is_refused() -> None:
    far = estimate(joint("head", (0, 0, 90)), joint("left_elbow", (0, 0, 1)), joint("left_wrist", (0, 0, 9)))
    assert Guards().check(far, 1) is far


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        ((0, 0, 2.6), "z is 2.60 m, outside the workspace from 0.3 to 2.5 m"),
        ((0, 0, 0.2), "z is 0.20 m, outside the workspace from 0.3 to 2.5 m"),
        ((-1.5, 0, 1), "x is -1.50 m, outside the workspace from -1 to 1 m"),
        ((0, 1.01, 1), "y is 1.01 m, outside the workspace from -1 to 1 m"),
    ],
)
@pytest.mark.handles("People and belief", "a joint outside guards.workspace", "IMPLAUSIBLE: no position")
def test_a_joint_outside_the_workspace_is_refused(position: tuple[float, ...], reason: str) -> None:
    guards = Guards(workspace=Workspace.parse(BOX))
    checked = guards.check(estimate(joint("left_wrist", position), joint("head", (1, -1, 2.5))), 1)
    wrist, head = checked.person.keypoints
    assert (wrist.state, wrist.reason, wrist.confidence) == (State.IMPLAUSIBLE, reason, 0.75)
    assert not wrist.has_position
    assert np.isnan([*wrist.position, *wrist.covariance.ravel(), *wrist.pixel]).all()
    assert head.state is State.MEASURED


@pytest.mark.parametrize("text", ["1 2 3", "a b c d e f", "1 -1 -1 1 0 1", "-1 1 -1 1 0.3 nan", "-1 1 -1 1 2 2"])
def test_a_workspace_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(TaihriError, match=r"guards\.workspace must be six numbers"):
        Workspace.parse(text)


def test_a_workspace_may_have_commas() -> None:
    assert Workspace.parse("-1, 1, -2, 2, 0, 3") == Workspace((-1, -2, 0), (1, 2, 3))
    assert Workspace.parse(" ") is None


@pytest.mark.handles("People and belief", "an arm or leg of no human length, with guards.bone_lengths", "IMPLAUSIBLE")
def test_both_ends_of_a_bone_of_no_human_length_are_refused() -> None:
    joints = (joint("left_shoulder", (0, 0, 1)), joint("left_elbow", (0, 0.3, 1)), joint("left_wrist", (0, 1, 1)))
    checked = Guards(bone_lengths=True).check(estimate(*joints), 1)
    assert states(checked) == {
        "left_shoulder": State.MEASURED,
        "left_elbow": State.IMPLAUSIBLE,
        "left_wrist": State.IMPLAUSIBLE,
    }
    assert "from left_elbow to left_wrist is 0.70 m long" in checked.person.keypoints[2].reason


def test_doubt_may_explain_a_length() -> None:
    joints = (joint("left_elbow", (0, 0.3, 1), 0.2), joint("left_wrist", (0, 1, 1), 0.2))
    assert set(states(Guards(bone_lengths=True).check(estimate(*joints), 1)).values()) == {State.MEASURED}


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.25])
def test_bodies_of_children_and_of_tall_people_pass(scale: float) -> None:
    positions: NDArray[np.float64] = shipped_template().joints * scale
    whole = estimate(*(joint(name, positions[INDEX[name]]) for name in JOINTS))
    assert set(states(Guards(bone_lengths=True).check(whole, 1)).values()) == {State.MEASURED}


def test_the_lengths_are_those_of_the_body_template() -> None:
    joints = shipped_template().joints
    for (start, end), length in LIMBS_M.items():
        assert np.linalg.norm(joints[INDEX[start]] - joints[INDEX[end]]) == pytest.approx(length, abs=0.006)


@pytest.mark.handles("People and belief", "a joint faster than guards.max_speed_m_s", "IMPLAUSIBLE for that image")
def test_a_joint_that_jumps_is_refused_until_it_stays() -> None:
    guards, found = Guards(max_speed_m_s=5.0), []
    for number, x in enumerate((0.0, 0.1, 1.1, 1.1, 1.2)):
        found.append(states(guards.check(estimate(joint("head", (x, 0, 1))), number * 100_000_000))["head"])
    assert found == [State.MEASURED, State.MEASURED, State.IMPLAUSIBLE, State.MEASURED, State.MEASURED]


@pytest.mark.parametrize("stamp", [-1_000_000_000, 0, 5_000_000_000])
def test_clocks_that_jump_do_not_refuse(stamp: int) -> None:
    guards = Guards(max_speed_m_s=5.0)
    guards.check(estimate(joint("head", (0, 0, 1))), 0)
    assert states(guards.check(estimate(joint("head", (1, 0, 1))), stamp))["head"] is State.MEASURED
    checked = guards.check(estimate(joint("head", (0, 0, 1))), stamp + 10_000_000)
    assert states(checked)["head"] is State.IMPLAUSIBLE


def test_a_one_shot_command_has_no_speed() -> None:
    guards = Guards(max_speed_m_s=5.0)
    guards.check(estimate(joint("head", (0, 0, 1))), 0)
    once = guards.check(estimate(joint("head", (3, 0, 1))), 50_000_000, one_shot=True)
    assert states(once)["head"] is State.MEASURED
    assert states(guards.check(estimate(joint("head", (0.1, 0, 1))), 100_000_000))["head"] is State.MEASURED


def someone(identity: str, x: float) -> PersonInFrame:
    track = TrackedPerson(identity, np.zeros(3), np.zeros(3), np.eye(3), 1.0, 0.0, TrackState.CONFIRMED)
    person = Person((joint("head", (x, 0, 1)),), None)
    return PersonInFrame(track, person, identity == "kamul", whole=person)


def test_everybody_is_guarded_by_their_own_history() -> None:
    guards, found = Guards(max_speed_m_s=5.0), []
    for number, (kamul, zotin) in enumerate([(0.0, 2.0), (2.0, 2.1), (2.1, 2.2)]):
        people = (someone("kamul", kamul), someone("zotin", zotin))
        whole = people[0].whole
        frame = estimate(joint("head", (kamul, 0, 1)), people=people, person_id="kamul", whole=whole)
        checked = guards.check(frame, number * 100_000_000)
        assert checked.whole is not None
        assert checked.whole.keypoints[0].state is checked.person.keypoints[0].state
        heads = [each.person.keypoints[0].state for each in checked.people if each.person is not None]
        assert heads[0] is checked.person.keypoints[0].state
        found.append(heads)
    measured, refused = State.MEASURED, State.IMPLAUSIBLE
    assert found == [[measured, measured], [refused, measured], [measured, measured]]


def someone_at(x: float, speed_m_s: float, *, seen: bool) -> PersonInFrame:
    state = TrackState.CONFIRMED if seen else TrackState.LOST
    root, velocity = np.array([x, 0.0, 1.0]), np.array([speed_m_s, 0.0, 0.0])
    track = TrackedPerson("kamul", root, velocity, np.eye(3) * 1e-4, 1.0, 0.0 if seen else 0.5, state)
    return PersonInFrame(track, Person((joint("head", (0.5, 0, 1)),), None) if seen else None, selected=False)


@pytest.mark.handles("People and belief", "a person where no joint may be, with guards.*", "no position in ~/people")
@pytest.mark.parametrize(
    ("guards", "places", "known"),
    [
        (Guards(workspace=Workspace.parse(BOX)), (0.0, 1.1, 0.9), [True, False, True]),
        (Guards(max_speed_m_s=5.0), (0.0, 2.0, 2.1), [True, False, True]),
    ],
)
@pytest.mark.parametrize("seen", [False, True])
def test_where_somebody_is_is_guarded(guards: Guards, places: tuple[float, ...], known: list[bool], seen: bool) -> None:
    found = []
    for number, x in enumerate(places):
        frame = estimate(joint("head", (0, 0, 1)), people=(someone_at(x, 1.0, seen=seen),))
        (person,) = guards.check(frame, number * 100_000_000).people
        track = person.track
        found.append(bool(np.isfinite(track.root).all()))
        assert np.isfinite([*track.velocity, *track.covariance.ravel()]).all() == found[-1]
        assert person.person is None or person.person.keypoints[0].state is State.MEASURED
    assert found == (known if seen or guards.workspace else [True] * 3), "a prediction has no speed of its own"
