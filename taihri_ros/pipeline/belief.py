"""Refuses joints in which the model does not believe: confidence and presence are compared with thresholds."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.model.spec import FILE_NAME, Belief, ModelSpec

logger = logging.getLogger(__name__)

FROM_CHECKPOINT = -1.0
"""A threshold that is negative stands for the one in the checkpoint's `taihri.json`."""


class Thresholds(NamedTuple):
    """What the model must be sure of before a joint is published; 0 switches a threshold off.

    Attributes:
        min_confidence: Smallest confidence of a joint, in [0, 1].
        min_presence: Smallest presence, the probability that there is a person at all, in [0, 1].
    """

    min_confidence: float
    min_presence: float


OFF = Thresholds(0.0, 0.0)
"""Thresholds that every joint passes."""


class BeliefGate:
    """The thresholds that were set, which may change while frames are processed. Thread-safe.

    Example:
        >>> from taihri_ros.keypoints import Keypoint, Person, State
        >>> from taihri_ros.model.spec import Belief, ModelSpec
        >>> spec = ModelSpec(belief=Belief(min_confidence=0.3, min_presence=0.5))
        >>> person = Person((Keypoint("head", State.MEASURED, confidence=0.1),), None, presence=0.9)
        >>> refuse_unbelieved(person, BeliefGate().thresholds(spec)).keypoints[0].state.name
        'LOW_CONFIDENCE'
    """

    def __init__(self, min_confidence: float = FROM_CHECKPOINT, min_presence: float = FROM_CHECKPOINT) -> None:
        """Create a gate; arguments and errors are those of `set`."""
        self._warned: str | None = None
        self.set(min_confidence, min_presence)

    def set(self, min_confidence: float, min_presence: float) -> None:
        """Set the thresholds for the next frames.

        Args:
            min_confidence: Smallest confidence of a joint, up to 1; 0 switches the threshold off, a negative number
                stands for the one of the checkpoint.
            min_presence: Smallest presence, in the same way.

        Raises:
            TaihriError: A threshold is not a number up to 1.
        """
        for name, value in (("min_confidence", min_confidence), ("min_presence", min_presence)):
            if not value <= 1.0:
                raise TaihriError(f"{name} must be from 0 to 1, or negative for the checkpoint's, not {value:g}")
        self._wanted = Thresholds(min_confidence, min_presence)

    def thresholds(self, spec: ModelSpec) -> Thresholds:
        """Return the thresholds in force for a checkpoint, and warn once if it has none of its own.

        Args:
            spec: The checkpoint's specification.

        Returns:
            The thresholds; values from 0 to 1.
        """
        wanted, belief = self._wanted, spec.belief or Belief()
        found = Thresholds(
            belief.min_confidence if wanted.min_confidence < 0.0 else wanted.min_confidence,
            belief.min_presence if wanted.min_presence < 0.0 else wanted.min_presence,
        )
        if spec.belief is None and min(wanted) < 0.0 and self._warned != spec.name:
            self._warned = spec.name
            logger.warning(
                "%s has no `belief` in its %s, so that cautious thresholds are used (min_confidence %g, min_presence "
                "%g): run `taihri calibrate` on the checkpoint, or set both parameters",
                spec.name,
                FILE_NAME,
                *found,
            )
        return found


def refuse_unbelieved(person: Person, thresholds: Thresholds) -> Person:
    """Refuse the joints below the thresholds. An unknown confidence or presence is below every threshold but 0.

    Args:
        person: The person.
        thresholds: The thresholds in force.

    Returns:
        The person with every joint: a refused one has no position, covariance or pixel any more, and keeps its
        confidence and its use of depth. A person below `min_presence` has no box either.
    """
    if _is_nobody(person, thresholds.min_presence):
        reason = (
            "the presence of a person is unknown, because the engine returned no top-k log-probabilities"
            if np.isnan(person.presence)
            else f"nobody: presence {person.presence:.3g} is below min_presence {thresholds.min_presence:.3g}"
        )
        keypoints = tuple(refused(keypoint, State.NOBODY, reason) for keypoint in person.keypoints)
        return replace(person, keypoints=keypoints, box=None, root=None)
    return replace(
        person,
        keypoints=tuple(_checked(keypoint, thresholds.min_confidence) for keypoint in person.keypoints),
        root=None if person.root is None else _checked(person.root, thresholds.min_confidence),
    )


def _is_nobody(person: Person, min_presence: float) -> bool:
    """Check whether all joints of a person must be refused."""
    if min_presence == 0.0 or person.presence >= min_presence:
        return False
    return bool(person.located) or not np.isnan(person.presence)


def _checked(keypoint: Keypoint, min_confidence: float) -> Keypoint:
    if not keypoint.has_position or min_confidence == 0.0 or keypoint.confidence >= min_confidence:
        return keypoint
    if np.isnan(keypoint.confidence):
        reason = "the confidence is unknown, because the engine returned no top-k log-probabilities"
    else:
        reason = f"confidence {keypoint.confidence:.3g} is below min_confidence {min_confidence:.3g}"
    return refused(keypoint, State.LOW_CONFIDENCE, reason)


def refused(keypoint: Keypoint, state: State, reason: str) -> Keypoint:
    """Return a keypoint without its position, covariance and pixel.

    Args:
        keypoint: The keypoint.
        state: Its new state.
        reason: The reason in words.

    Returns:
        The keypoint, with its confidence and its use of depth.
    """
    if keypoint.state is state:
        return keypoint
    if not keypoint.has_position and keypoint.reason:
        reason = f"{reason}; the joint itself: {keypoint.reason}"
    return Keypoint(keypoint.name, state, reason, confidence=keypoint.confidence, depth=keypoint.depth)
