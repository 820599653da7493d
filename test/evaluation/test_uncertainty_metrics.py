"""Uncertainty metrics of answers with correct and with wrong covariances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluated_people import STANDING, answered, free_answer, truth
from uncertain_answers import uncertain

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.predictions import Prediction
from taihri_ros.evaluation.summary import summarize
from taihri_ros.evaluation.uncertainty_metrics import by_confidence, collect_answered_joints, uncertainty_metrics
from taihri_ros.skeleton import INDEX

MEAN = MeanPose(STANDING, "one person", 1)


def answers(factor: float = 1.0, people: int = 150) -> list[LabelledAnswer]:
    rng = np.random.default_rng(7)
    return [uncertain(rng, number, factor) for number in range(people)]


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    uncertainty: dict[str, Any] = summarize(answers(), MEAN)["uncertainty"]
    return uncertainty


@pytest.mark.parametrize("source", ["bins", "pixel"])
def test_correct_covariances_have_nominal_coverage(results: dict[str, Any], source: str) -> None:
    assert results[source]["joints"] == 150 * 22
    coverage = results[source]["coverage"]
    assert list(coverage) == ["50%", "90%", "95%"]
    assert list(coverage.values()) == pytest.approx([0.5, 0.9, 0.95], abs=0.03)
    assert results[source]["rank_correlation"] > 0.5


def test_errors_twice_as_large_lower_the_coverage() -> None:
    coverage = summarize(answers(2.0), MEAN)["uncertainty"]["bins"]["coverage"]
    assert coverage["90%"] == pytest.approx(0.332, abs=0.03), "chi-square's share below 6.251 / 4"


def test_positions_without_top_k_log_probabilities_are_compared(results: dict[str, Any]) -> None:
    for source in ("bins", "pixel"):
        assert results[source]["g_mpjpe_argmax_mm"] > results[source]["g_mpjpe_mm"] + 1.0
    entries = answers(people=3)
    errors = [
        1e3 * np.linalg.norm(found.argmax["pixel"] - STANDING[INDEX[name]])
        for entry in entries
        for name, found in entry.prediction.joints.items()
    ]
    few = uncertainty_metrics(collect_answered_joints(entries, "pixel"))
    assert few["g_mpjpe_argmax_mm"] == pytest.approx(np.mean(errors), abs=1e-3)


def test_errors_by_confidence(results: dict[str, Any]) -> None:
    groups = results["bins"]["by_confidence"]
    assert [group["joints"] for group in groups] == [330] * 10
    confidences = [group["confidence"] for group in groups]
    assert confidences == sorted(confidences)
    for group in groups:
        assert group["within_100mm"] == pytest.approx(group["confidence"], abs=0.1)
        assert group["p10_mm"] < group["mean_mm"] < group["p90_mm"]
    assert groups[0]["mean_mm"] > 3 * groups[-1]["mean_mm"]


def test_groups_have_nearly_equal_size() -> None:
    confidence, errors = np.array([0.9, 0.1, 0.5]), np.array([10.0, 300.0, 100.0])
    groups = by_confidence(confidence, errors)
    assert [(group["confidence"], group["mean_mm"], group["within_100mm"]) for group in groups] == [
        (0.1, 300.0, 0.0),
        (0.5, 100.0, 1.0),
        (0.9, 10.0, 1.0),
    ]
    sizes = [group["joints"] for group in by_confidence(np.linspace(0, 1, 23), np.ones(23))]
    assert sum(sizes) == 23
    assert set(sizes) == {2, 3}


def test_only_joints_with_known_uncertainty_count() -> None:
    (entry,) = answers(people=1)
    joints = dict(entry.prediction.joints)
    no_positions = {source: np.full(3, np.nan) for source in ("bins", "pixel")}
    joints["head"] = replace(joints["head"], state="OUT_OF_RANGE", positions=no_positions)
    joints["neck"] = replace(joints["neck"], covariances={}, confidences={}, argmax={})
    del joints["pelvis"]
    entry = replace(entry, prediction=replace(entry.prediction, joints=joints))
    found = collect_answered_joints([entry], "bins")
    assert len(found.truth) == 20
    assert len(found.known.truth) == 19
    assert uncertainty_metrics(found)["joints"] == 19


def test_metrics_without_data_are_none() -> None:
    malformed = replace(answered(truth(), STANDING), prediction=Prediction(malformed="nonsense"))
    for entries in ([], [malformed], [answered(truth(), STANDING)], [free_answer(("head",), ("head",))]):
        entry = summarize(entries, MEAN)["uncertainty"]["bins"]
        assert entry["joints"] == 0
        assert entry["g_mpjpe_mm"] is None
        assert set(entry["coverage"].values()) == {None}
        assert entry["rank_correlation"] is None
        assert entry["by_confidence"] == []


def test_squared_mahalanobis_of_a_known_error() -> None:
    covariances = np.array([np.diag([4.0, 1.0, 9.0]), np.full((3, 3), np.nan)])
    squares = metrics.squared_mahalanobis(np.array([[2.0, 1.0, 6.0], [1.0, 1.0, 1.0]]), covariances)
    assert squares[0] == pytest.approx(1 + 1 + 4)
    assert np.isnan(squares[1])


def test_the_ellipsoids_have_nominal_coverage() -> None:
    squares = (np.random.default_rng(1).normal(size=(400_000, 3)) ** 2).sum(axis=1)
    assert metrics.coverage(squares) == pytest.approx({"50%": 0.5, "90%": 0.9, "95%": 0.95}, abs=0.003)


def test_rank_correlation() -> None:
    values = np.array([3.0, 1.0, 2.0, 5.0])
    assert metrics.rank_correlation(values, values**3) == pytest.approx(1.0)
    assert metrics.rank_correlation(values, -values) == pytest.approx(-1.0)
    assert metrics.rank_correlation(np.array([1.0, 2.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])) == pytest.approx(
        4.5 / np.sqrt(4.5 * 5.0)
    ), "equal values share their mean rank"
    assert np.isnan(metrics.rank_correlation(values, np.ones(4)))
    assert np.isnan(metrics.rank_correlation(np.empty(0), np.empty(0)))
