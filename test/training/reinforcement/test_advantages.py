"""The advantage of a decision is the reward that it earned, compared within its group."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from decided import Row, make_decisions
from hypothesis import given

from taihri_ros.training.reinforcement.advantages import Credit, advantages
from taihri_ros.training.rewards.rewards import Scores

GROUP = 4
WRIST, KNEE = 20, 4


def make_scores(total: list[float], of_choice: list[float] | None = None) -> Scores:
    of_joint = np.full((len(total), 22, 2), np.nan)
    return Scores({}, np.array(total), of_joint, np.array(of_choice or total))


def wrist_of_each_answer(column: int = 0) -> list[Row]:
    return [(0, sample, WRIST, column, 500) for sample in range(GROUP)]


def found(rows: list[Row], scores: Scores, credit: Credit, *, group_scaling: bool = False) -> list[float]:
    decisions = make_decisions(rows)
    values = advantages(decisions, scores, group=GROUP, credit=credit, group_scaling=group_scaling)
    assert values.shape == (len(rows),)
    return [round(value, 6) for value in values.tolist()]


def test_with_one_reward_for_the_answer_every_decision_has_its_difference_from_the_mean() -> None:
    scores = make_scores([0.1, 0.2, 0.3, 0.6])
    assert found(wrist_of_each_answer(), scores, "answer") == [-0.2, -0.1, 0.0, 0.3]
    assert found([(0, 3, -1, -1, 1), (0, 3, KNEE, 4, 0)], scores, "answer") == [0.3, 0.3]


def test_scaling_divides_by_the_standard_deviation_of_the_group() -> None:
    scores = make_scores([0.1, 0.2, 0.3, 0.6])
    scaled = found(wrist_of_each_answer(), scores, "answer", group_scaling=True)
    assert np.std(scaled) == pytest.approx(1.0, abs=0.001)
    assert found(wrist_of_each_answer(), make_scores([0.5] * 4), "answer", group_scaling=True) == [0.0] * 4


def test_questions_are_not_compared_with_each_other() -> None:
    rows = [(question, sample, WRIST, 0, 1) for question in range(2) for sample in range(GROUP)]
    scores = make_scores([0.1, 0.1, 0.1, 0.1, 0.8, 0.8, 0.8, 0.9])
    assert found(rows, scores, "answer") == [0.0] * 4 + [-0.025, -0.025, -0.025, 0.075]


def test_a_joint_is_judged_by_itself() -> None:
    scores = make_scores([0.0, 0.0, 0.0, 1.0])
    scores.of_joint[:, WRIST] = [(0.4, 0.6), (0.2, 0.0), (0.3, 0.3), (0.3, 0.3)]
    scores.of_joint[:, KNEE] = 0.9
    means = np.array([0.5, 0.1, 0.3, 0.3])
    assert found(wrist_of_each_answer(), scores, "joint") == pytest.approx(means - means.mean(), abs=1e-6)
    assert found([(0, 3, KNEE, 0, 1)], scores, "joint") == [0.0]


def test_a_coordinate_is_judged_by_its_block() -> None:
    scores = make_scores([0.0] * 4)
    scores.of_joint[:, WRIST, 0] = [0.0, 0.4, 0.4, 0.4]
    scores.of_joint[:, WRIST, 1] = [0.8, 0.0, 0.0, 0.0]
    for column in range(5):
        expected = [-0.3, 0.1, 0.1, 0.1] if column < 2 else [0.6, -0.2, -0.2, -0.2]
        assert found(wrist_of_each_answer(column), scores, "coordinate") == expected


def test_names_are_judged_by_the_choice_of_joints() -> None:
    scores = make_scores([1.0, 0.0, 0.0, 0.0], of_choice=[0.0, 0.0, 0.0, 0.4])
    rows = [(0, sample, -1, -1, 0) for sample in range(GROUP)]
    for credit in ("joint", "coordinate"):
        assert found(rows, scores, credit) == [-0.1, -0.1, -0.1, 0.3]


def test_the_baseline_of_a_joint_is_that_of_the_answers_that_have_it() -> None:
    scores = make_scores([0.0] * 4)
    scores.of_joint[:2, WRIST] = [[0.2, 0.2], [0.6, 0.6]]
    assert found([(0, 0, WRIST, 0, 1), (0, 1, WRIST, 0, 1)], scores, "joint") == [-0.2, 0.2]


def test_an_unknown_reward_and_that_of_a_single_answer_teach_nothing() -> None:
    scores = make_scores([0.0] * 4)
    scores.of_joint[0, KNEE] = 0.3
    for scaling in (False, True):
        assert found(wrist_of_each_answer(), scores, "joint", group_scaling=scaling) == [0.0] * 4
        assert found([(0, 0, KNEE, 0, 1)], scores, "joint", group_scaling=scaling) == [0.0]


@given(st.lists(st.floats(0.0, 1.0), min_size=8, max_size=8), st.booleans(), st.floats(0.0, 0.5))
def test_advantages_are_finite_sum_to_zero_and_ignore_a_constant(
    rewards: list[float], scaling: bool, constant: float
) -> None:
    rows = [(question, sample, WRIST, 0, 1) for question in range(2) for sample in range(GROUP)]
    values = found(rows, make_scores(rewards), "answer", group_scaling=scaling)
    assert np.isfinite(values).all()
    assert np.abs(np.reshape(values, (2, GROUP)).sum(axis=1)).max() < 1e-3
    if not scaling:
        shifted = found(rows, make_scores([reward + constant for reward in rewards]), "answer")
        assert shifted == pytest.approx(values, abs=1e-5)
