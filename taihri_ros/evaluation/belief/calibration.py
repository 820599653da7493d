"""Calibration of what a model must be sure of, on labelled pictures and on pictures without people.

1. The typical sharpness of a joint (`pipeline/presence.py`) is the mean over the answers that place it within 200 mm of
   the truth.
2. The presence is a logistic regression on the evidence: answers about pictures without people against answers about
   labelled pictures of which a joint is within 200 mm of the truth. Both classes weigh the same. The answers of a model
   that says that all joints are absent are left out: nothing of them is published.
3. The thresholds first keep the promise that no points are invented: the share of false alarms is at most 1 %, with
   one standard error to spare, because the next pictures are other ones. Then they lose as few of the joints within
   200 mm of the truth as possible. Up to 0.5 % more of them are given away for fewer false alarms and, after that, for
   a larger threshold of the confidence.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.belief.answers import BeliefAnswers
from taihri_ros.evaluation.belief.trade_off import MOST_FALSE_ALARMS, trades
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.presence import evidence, mean_log_odds

FEWEST_PICTURES = 100
"""Smallest number of pictures without people, and of labelled ones, for a calibration."""

COUNT = 1000
"""Number of pictures of the project's own set for a calibration."""

_MOST_LOST = 0.6
"""Share of the correct joints above which no thresholds are chosen, because the node would hardly answer."""

_TOLERANCE = 0.005
"""Thresholds are as good as the best ones if they lose at most this share of the correct joints more."""

_FEWEST_EXAMPLES = 5
"""Smallest number of correct answers for a typical sharpness of a joint's own; others have the common one."""

_RIDGE = 1.0
"""Weight of the squared slopes in the logistic regression, relative to that of an example."""

_STEPS = 100
"""Largest number of Newton steps of the logistic regression."""

_DIGITS = 4
"""Number of significant digits that are written."""


def check_counts(nobody: int, people: int) -> None:
    """Raise `TaihriError` unless there are enough pictures without people, and with labels."""
    for name, count in (("without people", nobody), ("with labels", people)):
        if count < FEWEST_PICTURES:
            raise TaihriError(f"{count} pictures {name}: a calibration needs {FEWEST_PICTURES} or more")


def calibrate_belief(nobody: BeliefAnswers, people: BeliefAnswers) -> Belief:
    """Fit the presence and choose the thresholds.

    Args:
        nobody: Answers about pictures without people, which no evaluation uses.
        people: Answers about labelled pictures, neither from the training nor from the test data.

    Returns:
        The belief; numbers are rounded to four digits.

    Raises:
        TaihriError: There are too few pictures, the engine returned no top-k log-probabilities, or the model does not
            know people from nobody.
    """
    check_counts(len(np.unique(nobody.picture)), len(np.unique(people.picture)))
    belief = fit_presence(nobody, people)
    pictures = len(np.unique(nobody.picture))
    points = trades(nobody, people, belief)
    allowed = [point for point in points if _with_standard_error(point.false_alarms, pictures) <= MOST_FALSE_ALARMS]
    fewest_lost = min((point.lost for point in allowed), default=1.0)
    if fewest_lost > _MOST_LOST:
        raise TaihriError(
            f"thresholds with at most {MOST_FALSE_ALARMS:.0%} false alarms lose {fewest_lost:.0%} of the correct "
            "joints: this model does not know people from nobody; use --no-belief, and set both thresholds yourself"
        )
    chosen = min(
        (point for point in allowed if point.lost <= fewest_lost + _TOLERANCE),
        key=lambda point: (point.false_alarms, -point.min_confidence, point.lost),
    )
    return replace(belief, min_confidence=chosen.min_confidence, min_presence=chosen.min_presence)


def fit_presence(nobody: BeliefAnswers, people: BeliefAnswers) -> Belief:
    """Fit the logistic regression of the presence on the evidence: the sharpness, and log-odds if the model has them.

    Args:
        nobody: Answers about pictures without people.
        people: Answers about labelled pictures.

    Returns:
        The belief, with default thresholds.

    Raises:
        TaihriError: There is no evidence on one side.
    """
    examples = nobody, people.select(np.asarray(people.correct.any(axis=1)))
    typical = _typical_sharpness(people)
    sharp = [evidence(answers.sharpness, Belief(typical=typical)) for answers in examples]
    if not np.isfinite(people.log_odds).any():
        return Belief(presence=_fit(*sharp), typical=typical)  # type: ignore[arg-type]
    said = [mean_log_odds(answers.log_odds)[:, None] for answers in examples]
    if not all(np.isfinite(rows).all(axis=1).any() for rows in sharp):
        return Belief(presence=(0.0, 0.0, 0.0), log_odds=_fit(*said))  # type: ignore[arg-type]
    offset, across, depth, weight = _fit(*(np.hstack(rows) for rows in zip(sharp, said, strict=True)))
    return Belief(presence=(offset, across, depth), typical=typical, log_odds=(0.0, weight))


def _fit(absent: NDArray[np.float64], present: NDArray[np.float64]) -> tuple[float, ...]:
    """Return offset and weights of the presence, from the evidence (N, M) of answers without and with a person."""
    absent, present = (rows[np.isfinite(rows).all(axis=1)] for rows in (absent, present))
    if not len(absent) or not len(present):
        raise TaihriError(
            "the presence cannot be fitted: the engine returned no top-k log-probabilities, or no joint was within "
            "200 mm of its label"
        )
    features = np.concatenate([absent, present])
    truth = np.repeat([0.0, 1.0], [len(absent), len(present)])
    weights = len(truth) / 2 / np.where(truth == 1.0, len(present), len(absent))
    centre, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    offset, *slopes = _logistic((features - centre) / scale, truth, weights)
    per_unit = np.array(slopes) / scale
    return tuple(float(f"{value:.{_DIGITS}g}") for value in (offset - centre @ per_unit, *per_unit))


def _typical_sharpness(people: BeliefAnswers) -> tuple[tuple[float, float], ...]:
    """Return the mean sharpness of each joint where it is correct; that of all joints for one with few examples."""
    known = people.correct & np.isfinite(people.sharpness).all(axis=2)
    if not known.any():
        return ()
    common = people.sharpness[known].mean(axis=0)
    means = [
        people.sharpness[known[:, joint], joint].mean(axis=0) if known[:, joint].sum() >= _FEWEST_EXAMPLES else common
        for joint in range(known.shape[1])
    ]
    return tuple((round(float(across), 2), round(float(depth), 2)) for across, depth in means)


def _logistic(
    features: NDArray[np.float64], truth: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return offset and slopes of a logistic regression by Newton's method; a ridge keeps the slopes finite."""
    design = np.column_stack([np.ones(len(features)), features])
    ridge = _RIDGE * np.diag([0.0, *np.ones(features.shape[1])])
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        probability = 1.0 / (1.0 + np.exp(-np.clip(design @ found, -50.0, 50.0)))
        gradient = design.T @ (weights * (truth - probability)) - ridge @ found
        curvature = (design * (weights * probability * (1.0 - probability))[:, None]).T @ design + ridge
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        found = found + step
        if np.abs(step).max() < 1e-9:
            break
    return found


def _with_standard_error(share: float, count: int) -> float:
    return share + float(np.sqrt(share * (1.0 - share) / count))
