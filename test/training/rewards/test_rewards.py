"""Targets and answers have the arrays that are compared, and the scores combine the terms as documented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rewarded_people import SIZE, SPEC, STANDING, nobody, score, shifted, target_of, view_of, write

from taihri_ros.errors import TaihriError
from taihri_ros.model.quantization import ABSENT
from taihri_ros.skeleton import BONES, INDEX, JOINTS, joint_token
from taihri_ros.training.rewards.answers import MISSING, SampledAnswer
from taihri_ros.training.rewards.rewards import TERMS, RewardSettings
from taihri_ros.training.rewards.targets import Target

ARM = ("pelvis", "left_shoulder", "left_elbow", "left_wrist")
WRIST, ELBOW, HEAD, PELVIS = (INDEX[name] for name in ("left_wrist", "left_elbow", "head", "pelvis"))


def test_a_target_has_the_labels_as_the_model_sees_them() -> None:
    target = target_of(ARM, zoom=2.0)
    assert target.points[PELVIS] == pytest.approx([0.0, 0.1, 1.0])
    assert target.points[HEAD] - target.points[PELVIS] == pytest.approx(STANDING[HEAD] - STANDING[PELVIS], abs=1e-6)
    assert (target.focal_px, target.size, target.zoom) == (224.0, SIZE, 2.0)
    assert target.wanted.sum() == len(ARM)


def test_what_no_bin_can_say_is_unknown_or_at_the_edge() -> None:
    person = STANDING + np.array([1.4, 0.0, 0.0])
    person[HEAD] = [0.0, 0.0, 4.5]
    target = target_of(ARM, person=person)
    assert np.isnan(target.points[HEAD]).all()
    assert np.isfinite(target.pixels).all()
    assert target.pixels[PELVIS, 0] < SIZE[0]
    assert target.pixels[WRIST, 0] == SIZE[0]
    person[ELBOW] = np.nan
    unlabelled = target_of(ARM, person=person)
    assert np.isnan(unlabelled.pixels[ELBOW]).all()
    assert np.isnan(unlabelled.points[ELBOW]).all()


def test_the_scale_is_that_of_the_box_of_all_labels_within_bounds() -> None:
    pixels = view_of(STANDING).pixels
    assert target_of(ARM).scale_px == pytest.approx(np.sqrt(np.ptp(pixels, axis=0).prod()))
    whole = np.sqrt(SIZE[0] * SIZE[1])
    assert target_of(ARM, person=STANDING + np.array([0.0, 0.0, -1.6])).scale_px == pytest.approx(whole)
    one_joint = np.full((22, 3), np.nan)
    one_joint[PELVIS] = STANDING[PELVIS]
    assert target_of(ARM, person=one_joint).scale_px == pytest.approx(0.1 * whole)


def test_nobody_has_no_places() -> None:
    named, free = (Target.of(nobody(), ARM, free, SPEC) for free in (False, True))
    assert named.joints == ARM
    assert free.joints == ()
    assert np.isnan(named.points).all()
    assert np.isnan(named.pixels).all()


def test_an_answer_is_read_into_arrays() -> None:
    target = target_of(ARM)
    answer = SampledAnswer.read(write(target, ARM, absent={"left_wrist"}), target)
    assert answer.is_valid
    assert set(np.flatnonzero(answer.named)) == {INDEX[name] for name in ARM}
    assert set(np.flatnonzero(answer.absent)) == {WRIST}
    assert (answer.bins[WRIST] == ABSENT).all()
    assert (answer.bins[HEAD] == MISSING).all()
    assert answer.pixels[ELBOW] == pytest.approx(target.pixels[ELBOW], abs=0.1)
    assert answer.points[ELBOW] == pytest.approx(target.points[ELBOW], abs=0.003)
    assert np.isnan(answer.points[WRIST]).all()


def test_broken_answers_are_told_apart() -> None:
    target = target_of(ARM)
    broken = SampledAnswer.read((*write(target, ARM)[:-3], joint_token("head")), target)
    assert not broken.is_valid
    assert not broken.named.any()
    twice = SampledAnswer.read(write(target, (*ARM, "left_wrist")), target)
    assert set(np.flatnonzero(twice.repeated)) == {WRIST}
    halves = SampledAnswer.read(write(target, ("head", "pelvis"), names_3d=("pelvis",)), target)
    assert halves.named[HEAD]
    assert not halves.written[HEAD]
    assert halves.written[PELVIS]


@pytest.mark.parametrize("zoom", [1.0, 2.0])
@pytest.mark.parametrize("names", [ARM, ("left_wrist", "head")])
def test_the_right_answer_gets_everything_in_any_zoom(zoom: float, names: tuple[str, ...]) -> None:
    target = target_of(names, zoom=zoom)
    scores = score([write(target, names)], target)
    assert scores.total[0] > 0.99
    assert scores.of_choice[0] == 1.0
    assert np.nanmin(scores.of_joint) > 0.97
    assert set(np.flatnonzero(np.isfinite(scores.of_joint[0, :, 0]))) == {INDEX[name] for name in names}
    assert np.isnan(scores.terms["root_depth"][0]) == ("pelvis" not in names)


def test_the_total_is_the_weighted_mean_of_the_terms() -> None:
    weights = RewardSettings(format=1, choice=2, pixel=3, point=4, root_depth=5, projection=6, bones=7)
    target = target_of(ARM)
    scores = score([write(target, ARM, *shifted(target, x=0.1, z=0.2))], target, weights)
    terms = {name: scores.terms[name][0] for name in TERMS}
    assert scores.total[0] == pytest.approx(sum((k + 1) * terms[name] for k, name in enumerate(TERMS)) / 28)
    expected = [1 / (1 + (0.1**2 + 0.2**2) / 0.15**2), 1 / (1 + (0.2 / 0.15) ** 2)]
    assert [terms["point"], terms["root_depth"]] == pytest.approx(expected, abs=0.02)
    assert [terms["projection"], terms["bones"], terms["format"]] == pytest.approx([1.0, 1.0, 1.0], abs=0.02)
    assert terms["pixel"] < 0.9


def test_a_missing_joint_counts_nothing() -> None:
    target = target_of(ARM)
    scores = score([write(target, ARM), write(target, ARM[:2])], target)
    for name in ("format", "choice", "pixel", "point", "projection"):
        assert scores.terms[name] == pytest.approx([1.0, 0.5], abs=0.01)
    assert scores.terms["bones"] == pytest.approx([1.0, 0.0])
    assert np.isnan(scores.of_joint[1, WRIST]).all()


def test_each_block_earns_its_own_terms() -> None:
    target = target_of(ARM)
    flat, deep = target.pixels.copy(), target.points.copy()
    flat[WRIST] += [30.0, 0.0]
    deep[PELVIS, 2] += 0.3
    settings = RewardSettings(projection=0.0)
    right, flat_wrong, deep_wrong = score(
        [write(target, ARM), write(target, ARM, flat), write(target, ARM, None, deep)], target, settings
    ).of_joint
    assert flat_wrong[WRIST, 0] < 0.2
    assert flat_wrong[WRIST, 1] == right[WRIST, 1]
    assert flat_wrong[ELBOW] == pytest.approx(right[ELBOW])
    assert deep_wrong[PELVIS, 1] == pytest.approx(0.2, abs=0.02)
    assert deep_wrong[PELVIS, 0] == right[PELVIS, 0]
    disagreeing = score([write(target, ARM, None, deep + np.array([0.3, 0.0, 0.0]))], target).of_joint[0]
    assert disagreeing[WRIST, 0] < right[WRIST, 0] - 0.2, "the agreement belongs to both blocks"


def test_the_bones_of_a_joint_belong_to_its_point() -> None:
    target = target_of(ARM)
    points = target.points.copy()
    points[WRIST, 2] -= 0.6
    only_bones = RewardSettings(pixel=0.0, point=0.0, root_depth=0.0, projection=0.0)
    earned = score([write(target, ARM, None, points)], target, only_bones).of_joint[0]
    assert earned[INDEX["left_shoulder"], 1] == 1.0
    assert earned[WRIST, 1] < 0.1
    assert earned[ELBOW, 1] == pytest.approx((1.0 + earned[WRIST, 1]) / 2)
    assert np.isnan(earned[PELVIS]).all()
    assert ("left_shoulder", "left_elbow") in BONES


def test_absence_is_right_where_nobody_is() -> None:
    somebody, no_one = target_of(ARM), target_of(ARM, person=None)
    answers = [write(somebody, ARM), write(somebody, ARM, absent=ARM)]
    seen, unseen = score(answers, somebody), score(answers, no_one)
    assert seen.total[0] > 0.99 > 0.2 > seen.total[1]
    assert unseen.total == pytest.approx([1 / 3, 1.0])
    assert (seen.of_joint[1, WRIST] == 0.0).all()
    assert (unseen.of_joint[0, WRIST] == 0.0).all()
    assert (unseen.of_joint[1, WRIST] == 1.0).all()
    assert np.isnan(unseen.terms["point"]).all()


def test_silence_is_right_where_nothing_is_asked_for_or_nobody_is() -> None:
    for target in (target_of((), free=True), target_of(ARM, person=None, free=True)):
        silent, talking = score([write(target, ()), write(target_of(ARM), ARM)], target).total
        assert silent == 1.0
        assert talking == pytest.approx(1 / 3)


def test_a_point_out_of_range_is_not_rewarded_and_an_unknown_one_does_not_count() -> None:
    person = STANDING.copy()
    person[WRIST] = [0.3, 0.1, 4.4]
    target = target_of(ARM, person=person)
    scores = score([write(target, ARM)], target)
    assert np.isnan(scores.of_joint[0, WRIST, 1])
    assert scores.of_joint[0, WRIST, 0] > 0.97
    assert scores.total[0] > 0.99


@pytest.mark.parametrize(
    "changes", [{"pixel": -1.0}, {"format": 0.0, "choice": 0.0}, {"point_half_m": 0.0}], ids=lambda each: str(each)
)
def test_settings_that_make_no_reward_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(TaihriError):
        replace(RewardSettings(), **changes)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_answer_to_every_question_has_a_bounded_reward(data: st.DataObject) -> None:
    names = st.lists(st.sampled_from(JOINTS), max_size=5)
    target = target_of(
        data.draw(names),
        person=STANDING if data.draw(st.booleans()) else None,
        free=data.draw(st.booleans()),
        zoom=data.draw(st.sampled_from([1.0, 3.0])),
    )
    seed = data.draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    pixels, points = rng.uniform(0, 128, (22, 2)), rng.uniform([-2.5, -2.5, 0.0], [2.5, 2.5, 4.0], (22, 3))
    tokens = write(
        target,
        data.draw(names),
        pixels,
        points,
        names_3d=data.draw(names),
        absent=data.draw(st.sets(st.sampled_from(JOINTS))),
    )
    scores = score([tokens[: data.draw(st.integers(0, len(tokens)))], tokens], target)
    assert ((scores.total >= 0.0) & (scores.total <= 1.0)).all()
    assert ((scores.of_choice >= 0.0) & (scores.of_choice <= 1.0)).all()
    for values in (*scores.terms.values(), scores.of_joint):
        known = values[np.isfinite(values)]
        assert ((known >= 0.0) & (known <= 1.0)).all()
