"""The results for one image: keypoints with position, covariance and confidence, or the reason why they are missing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class State(IntEnum):
    """State of a keypoint: located, or the reason why not; the values equal the constants of `Keypoint.msg`."""

    MEASURED = 0
    PREDICTED = 1
    NOT_ANSWERED = 2
    OUT_OF_RANGE = 3
    DUPLICATE = 4
    NO_3D = 5
    NO_2D = 6
    NOT_ASKED = 7
    OUTLIER = 8
    OUT_OF_VIEW = 9
    LOW_CONFIDENCE = 10
    NOBODY = 11
    IMPLAUSIBLE = 12


class DepthUse(IntEnum):
    """Use of a registered depth image for a keypoint; the values equal `DEPTH_*` of `Keypoint.msg`."""

    NONE = 0
    """There is no depth image, or it has no measurement at the keypoint's pixel."""
    FUSED = 1
    """The depth agrees with the model; position and covariance are the fusion of both."""
    DISAGREES = 2
    """The depth contradicts the model; position and covariance come from the model only."""


def _nan(*shape: int) -> NDArray[np.float64]:
    return np.full(shape, np.nan)


@dataclass(frozen=True, eq=False)
class Keypoint:
    """One joint of a person in one image.

    Attributes:
        name: Joint name, one of `skeleton.JOINTS`.
        state: State of the joint. `MEASURED` and `PREDICTED` joints have a position; an `OUT_OF_VIEW` joint has one if
            it was located without its pixel, and so does a `NO_2D` joint.
        reason: The reason for the state in words; empty when measured.
        position: (3,) float64, metres, camera optical frame (x right, y down, z forward); NaN without a position.
        covariance: (3, 3) float64, m², camera optical frame; NaN if unknown.
        confidence: Probability, in [0, 1], that the joint is within 0.1 m of the position. A joint that was refused
            keeps the confidence for which it was refused. NaN if unknown.
        pixel: (2,) float64, column and row in the source image, px; NaN without a pixel.
        depth: Use of a registered depth image.
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
        """Whether the position is valid and may be published."""
        if self.state in (State.OUT_OF_VIEW, State.NO_2D):
            return bool(np.isfinite(self.position).all())
        return self.state in (State.MEASURED, State.PREDICTED)


@dataclass(frozen=True, eq=False)
class Person:
    """The person in one image.

    Attributes:
        keypoints: Every joint that was requested or that the model answered, in the order of `skeleton.JOINTS`.
        box: (4,) float64, left, top, right and bottom in the source image, px; None without a box.
        presence: Probability, in [0, 1], that there is a person in the image at all; NaN if unknown.
        root: The pelvis, if the model was asked for it in addition to the joints of the command; it is not published.
    """

    keypoints: tuple[Keypoint, ...]
    box: NDArray[np.float64] | None
    presence: float = float("nan")
    root: Keypoint | None = None

    @property
    def located(self) -> tuple[Keypoint, ...]:
        """The keypoints that have a position."""
        return tuple(keypoint for keypoint in self.keypoints if keypoint.has_position)

    def with_joints(self, names: Collection[str]) -> Person:
        """Return the person with the keypoints of some joints only."""
        return replace(self, keypoints=tuple(keypoint for keypoint in self.keypoints if keypoint.name in names))
