"""Answers whose covariances are correct, or wrong by a known factor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from evaluated_people import STANDING, answered, truth
from numpy.typing import NDArray

from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.pipeline.uncertainty import probability_within

ROUNDING_M = 0.02


def uncertain(rng: np.random.Generator, number: int = 0, factor: float = 1.0) -> LabelledAnswer:
    """Return an answer about the standing person with normal errors.

    Each joint has a random elongated covariance. The standard deviations of the errors are `factor` times those of the
    covariances. Positions from the tokens without top-k log-probabilities have an additional error.
    """
    covariances = {"bins": _covariances(rng), "pixel": _covariances(rng)}
    positions = {
        source: STANDING + factor * (np.linalg.cholesky(matrices) @ rng.normal(size=(22, 3, 1)))[..., 0]
        for source, matrices in covariances.items()
    }
    entry = answered(truth(), positions["bins"], number=number)
    confidences = {source: probability_within(matrices).tolist() for source, matrices in covariances.items()}
    joints = {
        name: replace(
            found,
            positions={source: points[row] for source, points in positions.items()},
            argmax={source: points[row] + rng.normal(0, ROUNDING_M, 3) for source, points in positions.items()},
            covariances={source: matrices[row] for source, matrices in covariances.items()},
            confidences={source: values[row] for source, values in confidences.items()},
        )
        for row, (name, found) in enumerate(entry.prediction.joints.items())
    }
    return replace(entry, prediction=replace(entry.prediction, joints=joints))


def _covariances(rng: np.random.Generator) -> NDArray[np.float64]:
    turns, _ = np.linalg.qr(rng.normal(size=(22, 3, 3)))
    sizes = np.exp(rng.uniform(np.log(0.02), np.log(0.2), (22, 1))) * np.array([1.0, 0.7, 0.5])
    axes = turns * sizes[:, None, :]
    return np.asarray(axes @ axes.transpose(0, 2, 1))
