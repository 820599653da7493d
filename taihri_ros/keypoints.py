"""The results: keypoints with units, covariance and why something is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class State(IntEnum):
    """What became of a keypoint; the numbers are those of `Keypoint.msg`."""

    MEASURED = 0
    PREDICTED = 1
    NOT_ANSWERED = 2
    OUT_OF_RANGE = 3
    DUPLICATE = 4
    NO_3D = 5
    NO_2D = 6
    NOT_ASKED = 7
    OUTLIER = 8


class DepthUse(IntEnum):
    """What a registered depth image said about a keypoint; the numbers are those of `Keypoint.msg`."""

    NONE = 0
    """There is no depth image, or no measurement at the keypoint's pixel."""
    FUSED = 1
    """It agrees with the model: position and covariance are those of both."""
    DISAGREES = 2
    """It does not agree with the model: position and covariance are the model's alone."""


def _nan(*shape: int) -> NDArray[np.float64]:
    return np.full(shape, np.nan)


@dataclass(frozen=True, eq=False)
class Keypoint:
    """One joint.

    Attributes:
        name: Joint name.
        state: Whether it has a position, or why not.
        reason: The reason in words; empty when measured.
        position: (3,) metres, camera optical frame; NaN without a position.
        covariance: (3, 3) m², camera optical frame; NaN where it is not known.
        confidence: In [0, 1]; NaN where it is not known.
        pixel: (2,) px in the source image; NaN without one.
        depth: What a depth image had to say about it.
    """

    name: str
    state: State
    reason: str = ""
    position: NDArray[np.float64] = field(default_factory=lambda: _nan(3))
    covariance: NDArray[np.float64] = field(default_factory=lambda: _nan(3, 3))
    confidence: float = float("nan")
    pixel: NDArray[np.float64] = field(default_factory=lambda: _nan(2))
    depth: DepthUse = DepthUse.NONE

    @property
    def has_position(self) -> bool:
        """Whether the position may be published."""
        return self.state in (State.MEASURED, State.PREDICTED)


@dataclass(frozen=True, eq=False)
class Person:
    """The person that the answer is about.

    Attributes:
        keypoints: Every joint that was asked for or mentioned, in the skeleton's order.
        box: (4,) px in the source image: left, top, right, bottom; None without one.
    """

    keypoints: tuple[Keypoint, ...]
    box: NDArray[np.float64] | None

    @property
    def located(self) -> tuple[Keypoint, ...]:
        """The keypoints that have a position."""
        return tuple(keypoint for keypoint in self.keypoints if keypoint.has_position)
