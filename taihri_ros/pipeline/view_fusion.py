"""Fuses the answers about several views of the same person in one picture.

A model that is shown a person a second time, a little larger or smaller, makes partly other errors: another part of the
body is in each visual token, and another number stands for the same depth. So the mean over such views is more accurate
than each of them, as the mean over crops or flipped copies of an image is in classification (Krizhevsky et al. 2012)
and pose estimation (Newell et al. 2016).

The views are answered by one model from one picture, so most of their error is common and does not average out. The
fused joint is therefore distributed as the equally weighted mixture of the answers, the linear opinion pool (Stone
1961), and not as their product: its covariance is the mean of their covariances plus the spread of their positions.
It is never smaller than the mean, however many views agree, and it grows where they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from taihri_ros.keypoints import Keypoint, Person
from taihri_ros.pipeline.uncertainty import with_confidences

AGREEMENT_SIGMAS = 3.0
"""Validation gate (Bar-Shalom and Fortmann 1988): answers agree within this many standard deviations of their
difference. Those that do not may be about somebody else, and the mean of two people is nobody."""


def fuse_views(person: Person, others: Sequence[Person], confidence_factor: float) -> Person:
    """Return a person whose joints are the means over the answers about several views.

    Args:
        person: The answer about the view that shows the person best; its joints, presence and box remain.
        others: The answers about further views, with positions in the same frame.
        confidence_factor: Factor by which standard deviations are scaled for the confidence
            (`Calibration.confidence_factor`).

    Returns:
        The person. A joint that `person` does not locate remains unlocated, and one without a finite covariance, or
        with which no other answer agrees, remains as it is.
    """
    joints: dict[str, list[Keypoint]] = {}
    for other in others:
        for keypoint in other.located:
            joints.setdefault(keypoint.name, []).append(keypoint)
    fused = tuple(_fuse(keypoint, joints.get(keypoint.name, [])) for keypoint in person.keypoints)
    return with_confidences(replace(person, keypoints=fused), confidence_factor)


def _fuse(keypoint: Keypoint, others: Sequence[Keypoint]) -> Keypoint:
    if not keypoint.has_position:
        return keypoint
    members = [keypoint, *(other for other in others if _agree(keypoint, other))]
    if len(members) == 1:
        return keypoint
    positions = np.array([member.position for member in members])
    mean = positions.mean(axis=0)
    spread = (positions - mean).T @ (positions - mean) / len(members)
    covariance = np.mean([member.covariance for member in members], axis=0) + spread
    pixels = np.array([member.pixel for member in members if np.isfinite(member.pixel).all()])
    pixel = pixels.mean(axis=0) if np.isfinite(keypoint.pixel).all() else keypoint.pixel
    return replace(keypoint, position=mean, covariance=covariance, pixel=pixel)


def _agree(one: Keypoint, other: Keypoint) -> bool:
    """Check that two answers may be about the same joint: the squared Mahalanobis distance of their difference."""
    total = one.covariance + other.covariance
    if not np.isfinite(total).all():
        return False
    difference = one.position - other.position
    return bool(difference @ np.linalg.solve(total, difference) <= AGREEMENT_SIGMAS**2)
