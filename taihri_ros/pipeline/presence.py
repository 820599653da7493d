"""Presence: the probability that there is a person at all, from what the model answers.

The evidence is how sharply the model places the joints that it answers. One that looks at nobody spreads its
probability over many bins. Two measures separate pictures with and without people about as well as all that an answer
contains: the standard deviation across the line of sight, and that of the depth in proportion to the depth. Some joints
are less sharp than others on every person, wrists and feet above all. So the joints of an answer are compared with how
sharp they typically are on people: the sharpest of them across the line of sight, and the mean of them in depth.

A model that may answer `<absent>` says more: the mean, over the joints, of the log-odds that the joint is there. This
alone does not tell the few invented people from real ones: of a coordinate only the most probable tokens are known, and
where `<absent>` is none of them, the log-odds are as large as they can be.

The presence is the logistic function of the weighted sum of the evidence. Weights and typical values come with the
checkpoint.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.model.spec import Belief
from taihri_ros.skeleton import JOINTS

MEASURES = 2
"""Number of measures: across the line of sight, and in depth."""

_LEAST_DEPTH_M = 0.05
"""Smallest depth whose logarithm is taken, metres."""

_LARGEST_EXPONENT = 700.0
"""Largest exponent: its exponential is still a finite float64."""

_RAREST = 1e-4
"""Smallest probability of either answer in the log-odds, so that one very sure joint does not outweigh all others."""


def sharpness(points: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how sharply the model places joints.

    Args:
        points: (N, 3) metres, decoded from the bins of x, y and z, in the view's frame.
        variances: (N, 3) m², their variances from the top-k log-probabilities, without calibration; NaN if unknown.

    Returns:
        (N, 2) the negative logarithms of the standard deviation of x and y in metres (their geometric mean), and of the
        standard deviation of z as a share of z. NaN if unknown.
    """
    logs = np.log(variances) / 2.0
    distances = np.log(np.maximum(points[:, 2], _LEAST_DEPTH_M))
    return np.stack([-(logs[:, 0] + logs[:, 1]) / 2.0, distances - logs[:, 2]], axis=1)


def evidence(sharp: NDArray[np.float64], belief: Belief) -> NDArray[np.float64]:
    """Return the evidence for a person in one answer or in many.

    Args:
        sharp: (..., 22, 2) sharpness of each joint of the skeleton; NaN for a joint that was not answered.
        belief: Typical sharpness of the joints on people.

    Returns:
        (..., 2) the largest difference from the typical sharpness across the line of sight, and the mean difference in
        depth; NaN if no joint is known.
    """
    typical = np.array(belief.typical) if belief.typical else np.zeros((len(JOINTS), MEASURES))
    known = np.asarray(np.isfinite(sharp).all(axis=-1))
    differences = np.where(known[..., None], sharp - typical, 0.0)
    count = known.sum(axis=-1)
    across = np.where(known, differences[..., 0], -np.inf).max(axis=-1)
    depth = differences[..., 1].sum(axis=-1) / np.maximum(count, 1)
    return np.where((count > 0)[..., None], np.stack([across, depth], axis=-1), np.nan)


def log_odds_of(absent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-odds that joints are there, from probabilities of `<absent>` of any shape; NaN if unknown."""
    rarest = np.clip(absent, _RAREST, 1.0 - _RAREST)
    return np.asarray(np.log1p(-rarest) - np.log(rarest))


def mean_log_odds(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean (...) of the known log-odds (..., 22) that the joints are there; NaN if none is known."""
    known = np.isfinite(log_odds)
    count = known.sum(axis=-1)
    return np.where(count > 0, np.where(known, log_odds, 0.0).sum(axis=-1) / np.maximum(count, 1), np.nan)


def presence(
    sharp: NDArray[np.float64], belief: Belief, log_odds: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the probability that there is a person.

    Args:
        sharp: (..., 22, 2) sharpness of each joint of the skeleton; NaN for a joint that was not answered.
        belief: Typical sharpness, offsets and weights of the checkpoint.
        log_odds: (..., 22) log-odds that each joint is there; NaN if unknown. None for a model without `<absent>`.

    Returns:
        (...) probabilities in [0, 1]; NaN if no joint is known.
    """
    offset, across, depth = belief.presence
    exponent = offset + evidence(sharp, belief) @ np.array([across, depth])
    if log_odds is not None:
        offset, weight = belief.log_odds
        said = offset + weight * mean_log_odds(log_odds)
        exponent = np.where(np.isnan(said), exponent, said + np.nan_to_num(exponent))
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(exponent, -_LARGEST_EXPONENT, _LARGEST_EXPONENT))))
