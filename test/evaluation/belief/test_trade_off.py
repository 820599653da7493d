"""False alarms and lost joints equal what the gate of the node does to each answer."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from belief_answers import answers

from taihri_ros.evaluation.belief.trade_off import (
    best_trades,
    false_alarms,
    lost_joints,
    share_with_interval,
    trades,
)
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.belief import Thresholds, refuse_unbelieved

BELIEF = Belief(min_confidence=0.3, min_presence=0.5, presence=(0.0, 1.0, 0.0))
"""The presence is above a half for positive evidence."""


def test_wilson_interval() -> None:
    """Values of Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    assert share_with_interval(81, 263) == {
        "count": 81,
        "of": 263,
        "share": 0.308,
        "interval": [pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4)],
    }
    assert share_with_interval(0, 20)["interval"] == [0.0, pytest.approx(0.1611, abs=1e-4)]
    assert share_with_interval(1, 29)["interval"] == pytest.approx([0.0061, 0.1718], abs=1e-4)
    assert share_with_interval(0, 0) == {"count": 0, "of": 0, "share": None, "interval": None}


@pytest.mark.parametrize("min_confidence", [0.0, 0.3])
@pytest.mark.parametrize("min_presence", [0.0, 0.5])
def test_the_published_joints_are_those_that_the_gate_lets_pass(min_confidence: float, min_presence: float) -> None:
    values = [(e, c) for e in (-1.0, 0.0, 1.0, np.nan) for c in (0.1, 0.3, 0.9, np.nan)]
    belief = replace(BELIEF, min_confidence=min_confidence, min_presence=min_presence)
    found = answers([e for e, _ in values], [c for _, c in values])
    for row, (_, confidence) in enumerate(values):
        keypoint = Keypoint("pelvis", State.MEASURED, position=np.ones(3), confidence=confidence)
        person = Person((keypoint,), None, presence=float(found.presence(belief)[row]))
        passed = refuse_unbelieved(person, Thresholds(min_confidence, min_presence)).located
        assert found.published(belief)[row, 0] == bool(passed), values[row]


def test_a_picture_is_one_false_alarm_whatever_number_of_questions_raise_it() -> None:
    nobody = answers(
        [1, 1, -1, -1, 1, -1],
        [0.9, 0.9, 0.9, 0.9, 0.1, 0.1],
        picture=[0, 0, 1, 1, 2, 2],
        question=["task", "every"] * 3,
    )
    found = false_alarms(nobody, BELIEF)
    assert (found["count"], found["of"]) == (1, 3)
    assert {name: (group["count"], group["of"]) for name, group in found["by_question"].items()} == {
        "sentence": (0, 0),
        "task": (1, 3),
        "every": (1, 3),
    }
    assert found["by_kind"]["room"]["share"] == 0.3333


def test_lost_joints_are_the_correct_ones_that_are_not_published() -> None:
    people = answers([1, 1, -1, 1, 1], [0.9, 0.1, 0.9, 0.9, 0.9], error_mm=[100, 200, 10, 201, np.nan])
    found = lost_joints(people, BELIEF)
    assert (found["count"], found["of"], found["share"]) == (2, 3, 0.6667)
    assert found["published_share"] == 0.5, "of the four that have a label"
    assert found["published_mm"] == pytest.approx(150.5)
    assert found["answered_mm"] == pytest.approx(127.75)


def test_the_trades_equal_the_counts_at_their_thresholds() -> None:
    rng = np.random.default_rng(2)
    nobody = answers(rng.normal(-1, 1, 60).tolist(), rng.random(60).tolist(), picture=np.repeat(range(20), 3).tolist())
    people = answers(rng.normal(1, 1, 90).tolist(), rng.random(90).tolist(), error_mm=rng.uniform(0, 400, 90).tolist())
    found = trades(nobody, people, BELIEF)
    assert len(found) > 100
    for trade in found[:: len(found) // 25]:
        belief = replace(BELIEF, min_confidence=trade.min_confidence, min_presence=trade.min_presence)
        assert trade.false_alarms == pytest.approx(false_alarms(nobody, belief)["share"], abs=1e-4)
        assert trade.lost == pytest.approx(lost_joints(people, belief)["share"], abs=1e-4)
    best = best_trades(found)
    assert all(one.false_alarms < two.false_alarms and one.lost > two.lost for one, two in itertools.pairwise(best))
    assert not any(
        other.false_alarms < trade.false_alarms and other.lost <= trade.lost for trade in best for other in found
    )
    assert {trade.min_presence for trade in trades(nobody, people, BELIEF, "confidence")} == {0.0}
    assert {trade.min_confidence for trade in trades(nobody, people, BELIEF, "presence")} == {0.0}
