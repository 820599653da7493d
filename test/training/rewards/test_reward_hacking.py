"""A policy that tries to please one reward without being right gets less than an honest one with moderate errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rewarded_people import STANDING, Array, Scores, Target, score, target_of, write

from taihri_ros.skeleton import JOINTS
from taihri_ros.training.data.pictures import project
from taihri_ros.training.rewards.rewards import RewardSettings
from taihri_ros.training.rewards.terms import PointShape

Answer = tuple[str, ...]
Policy = Callable[[Target, np.random.Generator], Answer]

ARM = ("pelvis", "left_shoulder", "left_elbow", "left_wrist")
HANDS = ("left_wrist", "right_wrist")
TRUNK = ("pelvis", "spine2", "spine3", "neck", "head")
HARD = ("left_wrist", "right_wrist", "left_elbow", "right_foot")


def questions(seed: int = 0) -> list[Target]:
    """Return questions about people in many places: named joints, free commands, nothing to answer, nobody."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(12):
        person = STANDING + rng.normal(0.0, [0.4, 0.15, 0.5]) + rng.normal(0.0, 0.05, STANDING.shape)
        zoom = float(rng.choice([1.0, 1.7]))
        found += [
            target_of(names, person=person, zoom=zoom, free=free)
            for names, free in ((ARM, False), (TRUNK + HANDS, False), (JOINTS, False), (HANDS, True), (ARM, True))
        ]
        found.append(target_of((), person=person, zoom=zoom, free=True))
        found += [target_of(ARM, person=None), target_of(ARM, person=None, free=True)]
    return found


def estimates(target: Target, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return pixels and points with moderate errors, of which those of the hard joints are twice as large."""
    size = np.where(np.isin(JOINTS, HARD), 2.0, 1.0)[:, None]
    points = target.points + 0.05 * size * rng.standard_normal((22, 3)) + rng.normal(0.0, [0.05, 0.03, 0.12])
    return target.pixels + 2.5 * size * rng.standard_normal((22, 2)), points


def honest(target: Target, rng: np.random.Generator) -> Answer:
    """Answer the right joints as well as possible."""
    if not target.person:
        return write(target, target.joints, absent=target.joints)
    return write(target, target.joints, *estimates(target, rng))


def mean_pose(target: Target, rng: np.random.Generator) -> Answer:
    """Answer the same plausible person at the usual place, whatever the view shows."""
    if not target.person:
        return honest(target, rng)
    usual = STANDING + np.array([0.0, 0.0, 2.0 / target.zoom - 2.0])
    real = usual + np.array([0.0, 0.0, (target.zoom - 1.0) * usual[0, 2]])
    return write(target, target.joints, project(real, target.focal_px, target.size), usual)


def without_hard_joints(target: Target, rng: np.random.Generator) -> Answer:
    """Answer only the joints that are easy."""
    if not target.person:
        return honest(target, rng)
    easy = [joint for joint in target.joints if joint not in HARD]
    return write(target, easy, *estimates(target, rng))


def hard_joints_absent(target: Target, rng: np.random.Generator) -> Answer:
    """Answer `<absent>` for the joints that are hard."""
    if not target.person:
        return honest(target, rng)
    return write(target, target.joints, *estimates(target, rng), absent=HARD)


def repeating(target: Target, rng: np.random.Generator) -> Answer:
    """Answer each joint twice, and exactly."""
    return write(target, [*target.joints, *target.joints], absent=() if target.person else target.joints)


def always_absent(target: Target, rng: np.random.Generator) -> Answer:
    return write(target, target.joints or ARM, absent=target.joints or ARM)


def never_absent(target: Target, rng: np.random.Generator) -> Answer:
    """Answer coordinates also where nobody is."""
    return honest(target, rng) if target.person else write(target, ARM, *place_of_standing(target))


def place_of_standing(target: Target) -> tuple[Array, Array]:
    return project(STANDING, target.focal_px, target.size), STANDING


def consistent_elsewhere(target: Target, rng: np.random.Generator) -> Answer:
    """Answer a person of the right shape at a wrong place, whose 2D and 3D agree."""
    if not target.person:
        return honest(target, rng)
    away = np.array([-0.6 if target.points[0, 0] > 0.0 else 0.6, 0.0, 0.0])
    away[2] = -0.4 if target.points[0, 2] > 1.6 else 0.5
    seen = target.points + away
    real = seen + np.array([0.0, 0.0, (target.zoom - 1.0) * seen[0, 2]])
    return write(target, target.joints, project(real, target.focal_px, target.size), seen)


def same_bones(target: Target, rng: np.random.Generator) -> Answer:
    """Answer bones of the right length in the opposite direction, with the pixels as they are."""
    if not target.person:
        return honest(target, rng)
    mirrored = 2.0 * target.points[0] - target.points + np.array([0.3, 0.0, 0.4])
    return write(target, target.joints, target.pixels, mirrored)


def at_the_root(target: Target, rng: np.random.Generator) -> Answer:
    """Answer the right root and put all other joints there."""
    if not target.person:
        return honest(target, rng)
    return write(target, target.joints, np.tile(target.pixels[0], (22, 1)), np.tile(target.points[0], (22, 1)))


def all_joints(target: Target, rng: np.random.Generator) -> Answer:
    """Answer every joint to every free command."""
    if not target.free:
        return honest(target, rng)
    return write(target, JOINTS, *estimates(target, rng))


def silent(target: Target, rng: np.random.Generator) -> Answer:
    return write(target, ())


def talkative(target: Target, rng: np.random.Generator) -> Answer:
    """Name joints as absent, or in one block, instead of being silent."""
    if target.joints:
        return honest(target, rng)
    return write(target, JOINTS, absent=JOINTS) if rng.random() < 0.5 else write(target, ARM, names_3d=())


def one_block(target: Target, rng: np.random.Generator) -> Answer:
    """Answer exact pixels and leave out the points, which are hard."""
    if not target.person:
        return honest(target, rng)
    return write(target, target.joints, names_3d=())


HACKS: dict[str, tuple[Policy, str, Callable[[Target], bool]]] = {
    "mean pose": (mean_pose, "bones", lambda target: target.person and len(target.joints) > 0),
    "without hard joints": (without_hard_joints, "", lambda t: t.person and bool(set(t.joints) & set(HARD))),
    "hard joints absent": (hard_joints_absent, "format", lambda t: t.person and bool(set(t.joints) & set(HARD))),
    "repeating": (repeating, "", lambda target: len(target.joints) > 0),
    "always absent": (always_absent, "format", lambda target: target.person and len(target.joints) > 0),
    "never absent": (never_absent, "", lambda target: not target.person),
    "consistent elsewhere": (consistent_elsewhere, "projection", lambda t: t.person and len(t.joints) > 0),
    "same bones": (same_bones, "bones", lambda target: target.person and len(target.joints) > 3),
    "at the root": (at_the_root, "root_depth", lambda target: "left_wrist" in target.joints and target.person),
    "all joints": (all_joints, "point", lambda target: target.free),
    "silent": (silent, "", lambda target: len(target.joints) > 0),
    "talkative": (talkative, "", lambda target: not target.joints),
    "one block": (one_block, "", lambda target: target.person and len(target.joints) > 0),
}
"""The policies, the term that each pleases as well as the honest one, and the questions where it tries."""


def scores_of(policy: Policy, targets: list[Target], settings: RewardSettings) -> Scores:
    answers = [policy(target, np.random.default_rng(index)) for index, target in enumerate(targets)]
    return score(answers, targets, settings)


@pytest.mark.parametrize("shape", ["rational", "exponential", "gaussian"])
@pytest.mark.parametrize("name", HACKS)
def test_hacking_does_not_pay(name: str, shape: PointShape) -> None:
    policy, pleased, tries = HACKS[name]
    targets = [target for target in questions() if tries(target)]
    settings = RewardSettings(point_shape=shape)
    hacking, right = (scores_of(each, targets, settings) for each in (policy, honest))
    assert hacking.total.mean() < right.total.mean() - 0.05
    assert (hacking.total < right.total).mean() > 0.8
    if pleased:
        assert np.nanmean(hacking.terms[pleased]) >= np.nanmean(right.terms[pleased]) - 1e-9, "the policy must try"


def test_extra_joints_add_nothing_to_the_means() -> None:
    target = target_of(HANDS, free=True)
    few, many = score([write(target, HANDS), write(target, JOINTS)], target).terms["point"]
    assert many == pytest.approx(few)


def test_an_honest_policy_gets_better_as_its_errors_fall() -> None:
    targets = questions()
    rng = np.random.default_rng(2)
    offsets = rng.normal(0.0, 1.0, (len(targets), 22, 3))

    def with_errors(size: float) -> float:
        answers = [
            write(target, target.joints, target.pixels + 30.0 * size * each[:, :2], target.points + size * each)
            if target.person
            else honest(target, rng)
            for target, each in zip(targets, offsets, strict=True)
        ]
        return float(score(answers, targets).total.mean())

    totals = [with_errors(size) for size in (0.02, 0.05, 0.1, 0.2, 0.4)]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] - totals[-1] > 0.25
