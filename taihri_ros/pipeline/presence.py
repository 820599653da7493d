"""Presence: the probability that there is a person at all, computed from the model's answer about all its joints."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from taihri_ros.camera.camera import Camera
from taihri_ros.keypoints import Keypoint, State
from taihri_ros.model.spec import Belief

_LEAST_CONFIDENCE = 1e-6


def evidence(keypoints: Sequence[Keypoint], camera: Camera) -> float:
    """Return the evidence for a person in the joints that the model answered.

    Args:
        keypoints: The decoded keypoints of one image; those without a confidence are left out.
        camera: The camera of the image.

    Returns:
        The mean log-odds of their confidences; NaN if no joint has one.
    """
    del camera
    known = [joint.confidence for joint in keypoints if joint.has_position]
    confidences = np.clip([value for value in known if not math.isnan(value)], _LEAST_CONFIDENCE, 1 - _LEAST_CONFIDENCE)
    return float(np.log(confidences / (1.0 - confidences)).mean()) if confidences.size else math.nan


def presence(keypoints: Sequence[Keypoint], camera: Camera, belief: Belief) -> float:
    """Return the probability that there is a person: the logistic function of offset + slope * evidence.

    Args:
        keypoints: The decoded keypoints of one image.
        camera: The camera of the image.
        belief: Offset and slope of the checkpoint.

    Returns:
        Probability in [0, 1]; 0 if the model answered none of the requested joints. NaN if it is unknown: there are no
        top-k log-probabilities, every answered joint is out of range, or no joint was requested.
    """
    if keypoints and all(joint.state in (State.NOT_ANSWERED, State.NOT_ASKED) for joint in keypoints):
        return 0.0
    offset, slope = belief.presence
    return 1.0 / (1.0 + math.exp(-min(max(offset + slope * evidence(keypoints, camera), -700.0), 700.0)))
