"""The bodies of everybody are fitted once for each image, each from the person's own frame before."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node.body_fits import Bodies, BodyFits, fit_body
from taihri_ros.pipeline.estimate import Estimate, PersonInFrame
from taihri_ros.pipeline.frames import Result
from taihri_ros.pipeline.guards import Workspace
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState
from taihri_ros.skeleton import INDEX, JOINTS

STANDING = BodyRecovery().rest_joints() + np.array([0.0, 0.15, 3.0])
PERIOD_NS = 100_000_000


def person(x: float) -> Person:
    points = STANDING + np.array([x, 0.0, 0.0])
    return Person(
        tuple(
            Keypoint(name, State.MEASURED, position=point, covariance=1e-4 * np.eye(3))
            for name, point in zip(JOINTS, points, strict=True)
        ),
        None,
    )


def tracked(name: str, whole: Person | None, state: TrackState = TrackState.CONFIRMED) -> PersonInFrame:
    track = TrackedPerson(name, np.zeros(3), np.zeros(3), np.eye(3), 1.0, 0.0, state)
    return PersonInFrame(track, whole, selected=False, whole=whole)


@pytest.fixture
def fitted_from(monkeypatch: pytest.MonkeyPatch) -> list[BodyRecovery]:
    """The recovery of each fit, in order."""
    found: list[BodyRecovery] = []
    update = BodyRecovery.update

    def noted(recovery: BodyRecovery, *args: object, **options: object) -> object:
        found.append(recovery)
        return update(recovery, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(BodyRecovery, "update", noted)
    return found


@pytest.fixture
def seen(result: Result) -> Estimate:
    """Two people are seen, of whom the command means kamul; the others are not sure, not seen, or gone."""
    kamul, jodan = person(-0.8), person(0.8)
    people = (
        tracked("kamul", kamul),
        tracked("jodan", jodan),
        tracked("nanik", person(0.0), TrackState.TENTATIVE),
        tracked("wezit", None, TrackState.LOST),
        tracked("tilon", None, TrackState.ENDED),
    )
    return dataclasses.replace(result.estimate, whole=kamul, people=people, person_id="kamul")


def places(bodies: Bodies) -> dict[str, float]:
    return {name: round(float(body.joints[0, 0]), 1) for name, body in bodies.by_id.items()}


def test_everybody_is_fitted_once_from_their_own_frame_before(seen: Estimate, fitted_from: list[BodyRecovery]) -> None:
    fits = BodyFits()
    bodies = fits.update(seen, PERIOD_NS)
    assert places(bodies) == {"kamul": -0.8, "jodan": 0.8}
    assert bodies.selected is bodies.by_id["kamul"]
    assert len(fitted_from) == 2
    other = dataclasses.replace(seen, whole=seen.people[1].whole, person_id="jodan")
    bodies = fits.update(other, 2 * PERIOD_NS)
    assert bodies.selected is bodies.by_id["jodan"], "another choice begins no fit anew"
    assert set(fitted_from[2:]) == set(fitted_from[:2])
    assert fitted_from[0] is not fitted_from[1]


def test_who_is_gone_is_forgotten_and_who_is_hidden_is_not(seen: Estimate, fitted_from: list[BodyRecovery]) -> None:
    fits = BodyFits()
    fits.update(seen, PERIOD_NS)
    kamul, jodan = seen.people[:2]
    hidden = tracked("kamul", None, TrackState.LOST)
    fits.update(dataclasses.replace(seen, whole=None, people=(hidden,)), 2 * PERIOD_NS)
    fits.update(dataclasses.replace(seen, people=(kamul, jodan)), 3 * PERIOD_NS)
    first, second, again, anew = fitted_from
    assert again is first
    assert anew is not second


def test_the_only_person_has_a_body_without_an_id(result: Result, fitted_from: list[BodyRecovery]) -> None:
    fits, alone = BodyFits(), dataclasses.replace(result.estimate, whole=person(0.3))
    bodies = [fits.update(alone, stamp) for stamp in (PERIOD_NS, 2 * PERIOD_NS)]
    assert all(each.selected is not None and not each.by_id for each in bodies)
    assert len(set(fitted_from)) == 1
    assert fits.update(result.estimate, 3 * PERIOD_NS).selected is None, "the model was asked about few joints"


def without(whole: Person, *names: str) -> Person:
    """Return a person some of whose joints a guard has refused."""
    return dataclasses.replace(
        whole,
        keypoints=tuple(
            Keypoint(joint.name, State.IMPLAUSIBLE, "outside") if joint.name in names else joint
            for joint in whole.keypoints
        ),
    )


@pytest.mark.handles(
    "People and belief", "a joint that a guard has refused, with body.enabled", "not in ~/body_joints or TF either"
)
def test_a_refused_joint_is_not_supported_by_the_joints_beyond_it() -> None:
    elbow, wrist = INDEX["right_elbow"], INDEX["right_wrist"]
    body = fit_body(BodyRecovery(), without(person(0.0), "right_elbow"), PERIOD_NS)
    assert body is not None
    assert body.supported[wrist]
    assert not body.supported[elbow]
    assert body.supported.sum() == len(JOINTS) - 1
    whole = fit_body(BodyRecovery(), person(0.0), PERIOD_NS)
    assert whole is not None
    grey = whole.supported_vertices & ~body.supported_vertices
    owners = body.surface.template.weight_bones, body.surface.template.weights.argmax(axis=1)
    bones = {JOINTS[bone] for bone in owners[0][np.flatnonzero(grey), owners[1][grey]]}
    assert bones == {"right_shoulder", "right_elbow"}, "both limbs at a refused joint are grey"


def test_no_joint_of_a_body_is_supported_outside_the_workspace() -> None:
    least = float(STANDING[:, 0].min()) + 0.05
    body = fit_body(BodyRecovery(), person(0.0), PERIOD_NS, Workspace((least, -2.0, 0.3), (2.0, 2.0, 5.0)))
    assert body is not None
    assert (body.joints[body.supported, 0] >= least).all()
    assert 0 < body.supported.sum() < len(JOINTS)
