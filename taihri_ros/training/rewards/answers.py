"""Sampled answers as arrays: which joints they have, and where these are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.model.parser import JointAnswer, MalformedAnswerError, Outcome, parse
from taihri_ros.model.quantization import decode_pixels
from taihri_ros.model.zoom import ROOT_INDEX, real_points
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.training.data.pictures import project
from taihri_ros.training.rewards.targets import Target

MISSING = -1
"""Bin of a coordinate that an answer does not have."""


@dataclass(frozen=True, eq=False)
class SampledAnswer:
    """An answer in the units in which it is rewarded.

    Attributes:
        is_valid: Whether the strict parser accepts the answer; if not, it has no joints.
        named: (22,) bool, whether the answer names the joint in any block.
        repeated: (22,) bool, whether it has the joint twice in a block.
        absent: (22,) bool, whether it says in both blocks or in one that the joint is not there.
        answered: (22,) bool, whether it has all five coordinates of the joint.
        written: (22,) bool, whether the joint is once in both blocks, with coordinates or absent.
        bins: (22, 5) int64 u, v, x, y, z; `quantization.ABSENT` for `<absent>`, MISSING where neither answered nor
            absent.
        pixels: (22, 2) float64 px of the view; NaN unless the joint is answered.
        points: (22, 3) float64 metres, frame of the view, as the model sees them through the zoom; NaN unless answered.
        projected: (22, 2) float64 px of the view, projections of the answer's own points; NaN unless answered.
    """

    is_valid: bool
    named: NDArray[np.bool_]
    repeated: NDArray[np.bool_]
    absent: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    written: NDArray[np.bool_]
    bins: NDArray[np.int64]
    pixels: NDArray[np.float64]
    points: NDArray[np.float64]
    projected: NDArray[np.float64]

    @classmethod
    def read(cls, tokens: Sequence[str], target: Target) -> SampledAnswer:
        """Read an answer with the parser of the node.

        Args:
            tokens: Tokens of the answer as text, special tokens included.
            target: The question's target, for the size, the camera and the bins of the view.

        Returns:
            The answer.
        """
        joints: tuple[JointAnswer, ...] = ()
        is_valid = True
        try:
            joints = parse(tuple(tokens), None).joints
        except MalformedAnswerError:
            is_valid = False
        bins = np.full((len(JOINTS), 5), MISSING, np.int64)
        for joint in joints:
            for columns, coordinates in ((slice(0, 2), joint.pixel), (slice(2, 5), joint.point)):
                if coordinates:
                    bins[INDEX[joint.joint], columns] = [each.bin for each in coordinates]
        answered, absent = (_with_outcome(joints, outcome) for outcome in (Outcome.ANSWERED, Outcome.ABSENT))
        pixels, points = np.full((len(JOINTS), 2), np.nan), np.full((len(JOINTS), 3), np.nan)
        pixels[answered] = decode_pixels(bins[answered, :2], target.size)
        points[answered] = target.space.decode(bins[answered, 2:])
        return cls(
            is_valid,
            np.isin(JOINTS, [joint.joint for joint in joints]),
            _with_outcome(joints, Outcome.DUPLICATE),
            absent,
            answered,
            answered | (absent & (bins != MISSING).all(axis=1)),
            bins,
            pixels,
            points,
            _project(points, target),
        )


def _with_outcome(joints: Sequence[JointAnswer], outcome: Outcome) -> NDArray[np.bool_]:
    """Return which joints have an outcome, (22,)."""
    return np.isin(JOINTS, [joint.joint for joint in joints if joint.outcome is outcome])


def _project(points: NDArray[np.float64], target: Target) -> NDArray[np.float64]:
    """Project the points of an answer into its view, (22, 2) px.

    What the model sees through a zoom is placed by the depth of the answer's root, as the node does it
    (`model/zoom.py`); by the true depth where the answer has no root.
    """
    if target.zoom != 1.0:
        root = points[ROOT_INDEX] if np.isfinite(points[ROOT_INDEX, 2]) else target.points[ROOT_INDEX]
        points = real_points(points, float(root[2]), target.zoom)
    return project(points, target.focal_px, target.size)
