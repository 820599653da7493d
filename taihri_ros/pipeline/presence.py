"""Presence: the probability that there is a person at all, from how sharply the model places the joints it answers.

A model that looks at nobody spreads its probability over many bins. Two measures of that separate pictures with and
without people about as well as all that an answer contains: the standard deviations across the line of sight, and those
of the depth in proportion to the depth. The presence is the logistic function of their weighted sum; the weights come
with the checkpoint. For one joint it is computed in the same way as for all of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from taihri_ros.model.spec import Belief

MEASURES = 2
"""Number of measures in the evidence."""

_LEAST_DEPTH_M = 0.05
_LARGEST_EXPONENT = 700.0


def evidence(points: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the evidence for a person in the joints that the model answered.

    Args:
        points: (N, 3) metres, decoded from the bins of x, y and z, in the view's frame.
        variances: (N, 3) m², their variances from the top-k log-probabilities, without calibration; NaN if unknown.

    Returns:
        (2,) the negative means over the joints of the logarithms of the standard deviation of x and y in metres, and of
        the standard deviation of z as a share of z. The larger, the sharper. NaN if no variance is known.
    """
    known = np.isfinite(variances).all(axis=1)
    if not known.any():
        return np.full(MEASURES, np.nan)
    across, depth = np.log(variances[known, :2]), np.log(variances[known, 2])
    distance = np.log(np.maximum(points[known, 2], _LEAST_DEPTH_M))
    return np.array([-across.mean() / 2.0, (distance - depth / 2.0).mean()])


def presence(measured: NDArray[np.float64], belief: Belief) -> float:
    """Return the probability that there is a person.

    Args:
        measured: (2,) evidence.
        belief: Offset and weights of the checkpoint.

    Returns:
        Probability in [0, 1]; NaN if the evidence is unknown.
    """
    offset, across, depth = belief.presence
    exponent = offset + across * float(measured[0]) + depth * float(measured[1])
    return 1.0 / (1.0 + math.exp(-min(max(exponent, -_LARGEST_EXPONENT), _LARGEST_EXPONENT)))
