from __future__ import annotations

import numpy as np
import pytest
from evaluated_people import STANDING
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.metrics import Array

poses = arrays(np.float64, (8, 3), elements=st.floats(-1, 1, width=32)).filter(
    lambda pose: pose.std(axis=0).min() > 0.05
)
angles = st.tuples(*[st.floats(-3, 3)] * 3)


def rotation(x: float, y: float, z: float) -> Array:
    import cv2

    return np.asarray(cv2.Rodrigues(np.array([x, y, z]))[0])


def test_errors_of_a_known_offset() -> None:
    truth = np.array([[0.0, 0.0, 2.0], [1.0, 1.0, 3.0]])
    predicted = truth + np.array([[0.003, 0.004, 0.012], [0.0, 0.0, -0.1]])
    assert metrics.distances_mm(predicted, truth) == pytest.approx([13.0, 100.0])
    assert metrics.depth_errors_mm(predicted, truth) == pytest.approx([12.0, 100.0])
    assert metrics.lateral_errors_mm(predicted, truth) == pytest.approx([5.0, 0.0])


def test_root_relative_errors_ignore_the_position_of_the_person() -> None:
    moved = STANDING + np.array([0.5, -0.2, 1.0])
    assert metrics.distances_mm(moved, STANDING).min() > 1000
    assert metrics.root_relative_errors_mm(moved, STANDING, 0) == pytest.approx(np.zeros(22), abs=1e-6)
    moved[20, 0] += 0.05
    assert metrics.root_relative_errors_mm(moved, STANDING, 0)[20] == pytest.approx(50.0)


@given(poses, angles, st.floats(0.3, 3.0), st.tuples(*[st.floats(-5, 5)] * 3))
def test_procrustes_removes_rotation_scale_and_translation(
    pose: Array, turn: tuple[float, float, float], scale: float, shift: tuple[float, float, float]
) -> None:
    moved = scale * pose @ rotation(*turn).T + np.array(shift)
    assert metrics.procrustes_errors_mm(moved, pose).max() < 1e-3


@given(poses, poses, angles)
def test_procrustes_is_the_best_alignment(predicted: Array, truth: Array, turn: tuple[float, float, float]) -> None:
    best = np.square(metrics.procrustes_errors_mm(predicted, truth)).sum()
    other = (predicted - predicted.mean(axis=0)) @ rotation(*turn).T + truth.mean(axis=0)
    assert best <= np.square(metrics.distances_mm(other, truth)).sum() * (1 + 1e-9) + 1e-6


def test_procrustes_does_not_reflect() -> None:
    mirrored = STANDING * np.array([-1, 1, 1])
    assert metrics.procrustes_errors_mm(mirrored, STANDING).mean() > 10


def test_procrustes_of_coinciding_points() -> None:
    errors = metrics.procrustes_errors_mm(np.ones((22, 3)), STANDING)
    assert errors == pytest.approx(metrics.distances_mm(STANDING.mean(axis=0), STANDING))


def test_a_missing_point_is_a_miss_in_pck() -> None:
    errors = np.array([10.0, 50.0, 60.0, np.nan])
    assert metrics.pck(errors, 50) == 0.5
    assert metrics.pck(errors, 1e9) == 0.75


def test_precision_recall_and_f1() -> None:
    chosen = [("1", "head"), ("1", "neck"), ("2", "head")]
    needed = [("1", "head"), ("2", "neck"), ("2", "head"), ("2", "pelvis")]
    assert metrics.precision_recall_f1(chosen, needed) == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 4, "f1": 2 * 2 / (3 + 4)}
    )
    assert set(metrics.precision_recall_f1([], needed).values()) == {0.0}
