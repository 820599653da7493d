"""Turns the estimates of one frame into detected people, each of them once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.model.zoom import ROOT
from taihri_ros.pipeline.constant_velocity import is_covariance
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.people.person_track import PersonDetection
from taihri_ros.skeleton import INDEX, JOINTS

Array = NDArray[np.float64]

SAME_BODY_M = 0.3
"""Two people whose roots, and whose joints on average, are nearer to each other are one, metres."""

_DOUBT_M = 0.3
"""Standard deviation of each coordinate of a root that is not known, or not how well, metres."""

_ROOT_ERROR_M = 0.05
"""Standard deviation of each coordinate of the part of a root's error that changes with the view and with what is
hidden, metres, in addition to what the model knows of. Without it, a sharp answer that moves by 0.1 m is somebody else.
"""

_FEWEST_PIXELS = 6
"""Smallest number of joints whose pixels bound a person."""


@dataclass(frozen=True, eq=False)
class Detected:
    """A person whom the model found in one view.

    Attributes:
        estimate: The estimate from the view; at least one joint is located.
        detection: What the tracker needs to know.
    """

    estimate: Estimate
    detection: PersonDetection

    @classmethod
    def of(cls, estimate: Estimate, box: Array | None) -> Detected | None:
        """Return the person of an estimate.

        The root counts although the model is not sure enough of it to publish it: its covariance says how sure. Where
        the root is unknown, the mean of the joints stands for it.

        Args:
            estimate: The estimate.
            box: (4,) the box in which it was looked for, px; None without one.

        Returns:
            The person; None if no joint is located.
        """
        located = estimate.person.located
        if not located:
            return None
        believed = np.array([keypoint.position for keypoint in located])
        answered = estimate.decoded.keypoints if estimate.decoded else ()
        roots = [each for each in (*located, *answered) if each.name == ROOT and each.has_position]
        covariance = _DOUBT_M**2 * np.eye(3)
        if roots and is_covariance(roots[0].covariance):
            covariance = roots[0].covariance + _ROOT_ERROR_M**2 * np.eye(3)
        joints = np.full((len(JOINTS), 3), np.nan)
        joints[[INDEX[keypoint.name] for keypoint in located]] = believed
        detection = PersonDetection(
            root=roots[0].position if roots else believed.mean(axis=0),
            covariance=covariance,
            box=_box(estimate) if box is None else box,
            joints=joints,
            confidence=float(np.mean([np.nan_to_num(keypoint.confidence) for keypoint in located])),
        )
        return cls(estimate, detection)


def distinct(people: Iterable[Detected]) -> list[Detected]:
    """Return people without those who were found twice, in two views; the more confident of two stays."""
    kept: list[Detected] = []
    for person in sorted(people, key=lambda each: -each.detection.confidence):
        if not any(_is_same(person.detection, other.detection) for other in kept):
            kept.append(person)
    return kept


def _is_same(first: PersonDetection, second: PersonDetection) -> bool:
    assert first.joints is not None
    assert second.joints is not None
    distances = np.linalg.norm(first.joints - second.joints, axis=1)
    joints = distances[np.isfinite(distances)]
    apart = [float(np.linalg.norm(first.root - second.root)), *([joints.mean()] if len(joints) else [])]
    return bool(max(apart) < SAME_BODY_M)


def _box(estimate: Estimate) -> Array | None:
    """Return the box of the answer, or that around its pixels if there are enough of them."""
    if estimate.person.box is not None:
        return estimate.person.box
    pixels = np.array([each.pixel for each in estimate.person.located if np.isfinite(each.pixel).all()])
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]) if len(pixels) >= _FEWEST_PIXELS else None
