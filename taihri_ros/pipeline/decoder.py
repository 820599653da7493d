"""Decodes a parsed answer into keypoints: bins to pixels and metres in the view, then to the source camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.inference.engine import TopK
from taihri_ros.inference.top_k import as_arrays, find_fault, split_absent
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.parser import Answer, CoordinateToken, JointAnswer, MalformedAnswerError, Outcome
from taihri_ros.model.quantization import BinEstimates, decode_pixels, estimate_bins
from taihri_ros.model.spec import Belief, ModelSpec
from taihri_ros.model.zoom import ROOT, real_points
from taihri_ros.pipeline.presence import MEASURES, log_odds_of, presence, sharpness
from taihri_ros.pipeline.uncertainty import (
    bins_covariance,
    pixel_covariance,
    probability_within,
    probability_within_axes,
    zoomed_variances,
)
from taihri_ros.skeleton import INDEX, JOINTS

XySource = Literal["bins", "pixel"]
"""Source of x and y: `bins` takes them from the 3D bins, `pixel` back-projects the 2D pixel to the decoded depth."""

_AXES = ("u", "v", "x", "y", "z")
"""Coordinate tokens of a joint, in this order."""

_COORDINATES = len(_AXES)

_NEEDS_ROOT = f"a zoomed view needs the depth of the {ROOT}"
"""Beginning of the reason why a joint has no position."""

_EDGE_POINTS = 9
"""Number of points on each edge of a box that are mapped through the lens distortion."""

_STATES = {
    Outcome.ANSWERED: State.MEASURED,
    Outcome.NOT_ANSWERED: State.NOT_ANSWERED,
    Outcome.ABSENT: State.NOT_ANSWERED,
    Outcome.NOT_ASKED: State.NOT_ASKED,
    Outcome.OUT_OF_RANGE: State.OUT_OF_RANGE,
    Outcome.DUPLICATE: State.DUPLICATE,
    Outcome.NO_3D: State.NO_3D,
    Outcome.NO_2D: State.NO_2D,
}


@dataclass(frozen=True, eq=False)
class AnswerDecoder:
    """A decoder of one parsed answer: `AnswerDecoder(answer, top_k, view, spec).person("bins")`.

    It reports what the model answered; `belief.BeliefGate` then refuses what the model does not believe. The first and
    the last bin of an axis stand for any coordinate at or beyond the edge. A joint in one of x, y or z is therefore
    out of range, and one in u or v has no pixel. A joint of an answer in 3D only has no pixel either; it has a position
    where that does not depend on the pixel.

    In a zoomed view every depth depends on that of the root (`model/zoom.py`), which is decoded first. Without it no
    joint of the view has a position.

    Attributes:
        answer: The parsed answer.
        top_k: Top-k log-probabilities of each answer token; None where the engine returned none.
        view: The view that the model was shown.
        spec: The checkpoint's specification.
        raw: The whole answer as text, for error messages.
    """

    answer: Answer
    top_k: Sequence[TopK | None]
    view: CanonicalView
    spec: ModelSpec
    raw: str = ""

    def person(self, xy_source: XySource, *, sub_bin: bool = True) -> Person:
        """Return the person that the answer describes.

        Args:
            xy_source: Source of x and y.
            sub_bin: If true, a coordinate is the mean over its top-k bins; if false, it is the bin of the answer token.

        Returns:
            The person, with positions (m) in the optical frame of the view's source camera and pixels in its image.

        Raises:
            MalformedAnswerError: The log-probabilities of a coordinate contradict its token, so that no part of the
                answer can be trusted.
        """
        located = iter(self._locate(xy_source, sub_bin) if self.answered else ())
        keypoints = [
            next(located)
            if _has_coordinates(joint)
            else Keypoint(joint.joint, _STATES[joint.outcome], joint.outcome.value)
            for joint in self._joints
        ]
        count = len(self.answer.joints)
        return Person(
            keypoints=tuple(keypoints[:count]),
            box=_decode_box(self.answer, self.view),
            presence=self._presence(),
            root=keypoints[count] if count < len(keypoints) else None,
        )

    def sharpness(self) -> NDArray[np.float64]:
        """Return how sharply the model places each joint of the skeleton, whatever the source of x and y.

        Returns:
            (22, 2) measures of `presence.py`; NaN for a joint that was not answered.
        """
        sharp, space = np.full((len(JOINTS), MEASURES), np.nan), self.spec.space
        if self.answered:
            points, variances = space.decode(self.bins.mean[:, 2:]), self.bins.variance[:, 2:] * space.step**2
            sharp[[INDEX[joint.joint] for joint in self.answered]] = sharpness(points, variances)
        return sharp

    def log_odds(self) -> NDArray[np.float64]:
        """Return the log-odds that each joint is there, by the probability of `<absent>` at its first coordinate.

        Returns:
            (22,); NaN for a joint without coordinates, and for all if the answer format has no `<absent>`.
        """
        log_odds = np.full(len(JOINTS), np.nan)
        if self.spec.has_absent:
            either = (Outcome.ANSWERED, Outcome.ABSENT)
            joints = [joint for joint in self._joints if joint.outcome in either and joint.pixel]
            if joints:
                names = [f"u of {joint.joint}" for joint in joints]
                _, absent = split_absent(*self._top_k_of([joint.pixel[0] for joint in joints], names))
                log_odds[[INDEX[joint.joint] for joint in joints]] = log_odds_of(absent)
        return log_odds

    def _presence(self) -> float:
        """Return the presence of a person: 0 if the model answered none of the joints that were requested."""
        unanswered = (Outcome.NOT_ANSWERED, Outcome.NOT_ASKED, Outcome.ABSENT)
        if self._joints and all(joint.outcome in unanswered for joint in self._joints):
            return 0.0
        return float(presence(self.sharpness(), self.spec.belief or Belief(), self.log_odds()))

    @cached_property
    def _joints(self) -> tuple[JointAnswer, ...]:
        """The joints of the answer, and at their end the root if it was asked for in addition."""
        return self.answer.joints if self.answer.root is None else (*self.answer.joints, self.answer.root)

    @cached_property
    def answered(self) -> list[JointAnswer]:
        """The joints with coordinates; at their end the root if it was asked for in addition."""
        return [joint for joint in self._joints if _has_coordinates(joint)]

    def _locate(self, xy_source: XySource, sub_bin: bool) -> list[Keypoint]:
        """Return the keypoints of N answered joints; arrays have one row per joint and the columns u, v, x, y, z."""
        view, space, calibration = self.view, self.spec.space, self.spec.calibration
        joints, bins = self.answered, self.bins
        if fault := self.root_fault():
            return [Keypoint(joint.joint, *fault) for joint in joints]
        values = bins.mean if sub_bin else bins.index.astype(np.float64)
        pixels = decode_pixels(values[:, :2], (view.width, view.height))
        points, variances = self.unzoomed(values)
        behind = (points[:, 2] <= 0.0) & (self.zoom != 1.0)
        censored = np.column_stack([bins.censored[:, :4], bins.censored[:, 4] | behind])
        censored[[not joint.pixel for joint in joints], :2] = False
        if xy_source == "pixel":
            rays = view.view_rays(pixels)
            covariances = pixel_covariance(variances[:, [0, 1, 4]], points[:, 2], rays, view, space, calibration)
            points = rays * points[:, 2:]
            confidences = probability_within(calibration.confidence_factor(xy_source) ** 2 * covariances)
        else:
            covariances = bins_covariance(variances[:, 2:], space, calibration)
            axes = covariances.diagonal(axis1=1, axis2=2)
            confidences = probability_within_axes(calibration.confidence_factor(xy_source) ** 2 * axes)
        positions, covariances = view.points_to_camera(points), view.covariances_to_camera(covariances)
        source_pixels = view.view_to_source_pixels(pixels)
        found = [
            Keypoint(
                name=joint.joint,
                state=State.MEASURED,
                position=positions[row],
                covariance=covariances[row],
                confidence=float(confidences[row]),
                pixel=source_pixels[row],
            )
            for row, joint in enumerate(joints)
        ]
        return [
            _censored(keypoint, beyond, xy_source) if any(beyond) else keypoint
            for keypoint, beyond in zip(map(partial(_without_pixel, xy_source), joints, found), censored, strict=True)
        ]

    @property
    def zoom(self) -> float:
        """Focal length of the view divided by that of the model."""
        return self.view.focal_px / self.spec.focal_px

    def unzoomed(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the real points and variances from the coordinates that the model saw (`model/zoom.py`).

        Args:
            values: (N, 5) coordinates of the `answered` joints, bins; in a zoomed view the root must be known
                (`root_fault`).

        Returns:
            Points (N, 3) in the frame of the view, metres, and variances (N, 5), bins².
        """
        points, variances = self.spec.space.decode(values[:, 2:]), self.bins.variance
        if self.zoom == 1.0:
            return points, variances
        root = self._root_row
        depths = zoomed_variances(variances[:, 4], variances[root, 4], self.zoom)
        return real_points(points, points[root, 2], self.zoom), np.column_stack([variances[:, :4], depths])

    def root_fault(self) -> tuple[State, str] | None:
        """Return the state and the reason of every joint of a zoomed view without a root.

        Returns:
            None if the root is known, or the view is not zoomed.
        """
        if self.zoom == 1.0:
            return None
        roots = [joint for joint in self._joints if joint.joint == ROOT]
        outcome = roots[-1].outcome if roots else Outcome.NOT_ANSWERED
        if not roots or not _has_coordinates(roots[-1]):
            return _STATES[outcome], f"{_NEEDS_ROOT}: {outcome.value}"
        if self.bins.censored[self._root_row, 2:].any():
            return State.OUT_OF_RANGE, f"{_NEEDS_ROOT}: it is at or beyond the edge of the range"
        return None

    @property
    def _root_row(self) -> int:
        """Row of the root among the answered joints; the one that was asked for in addition is the last."""
        return max(row for row, joint in enumerate(self.answered) if joint.joint == ROOT)

    @cached_property
    def bins(self) -> BinEstimates:
        """Mean, variance and bin of the (N, 5) coordinates of the N answered joints.

        A joint that was answered in 3D only has its x and y in the columns of u and v.
        """
        joints = self.answered
        tokens = [coordinate for joint in joints for coordinate in (*(joint.pixel or joint.point[:2]), *joint.point)]
        bins, logprobs = self._top_k_of(tokens, [f"{axis} of {joint.joint}" for joint in joints for axis in _AXES])
        if self.spec.has_absent:
            logprobs, _ = split_absent(bins, logprobs)
        index = np.array([token.bin for token in tokens])
        shape = (len(joints), _COORDINATES)
        return estimate_bins(index.reshape(shape), bins.reshape(*shape, -1), logprobs.reshape(*shape, -1))

    def _top_k_of(
        self, tokens: Sequence[CoordinateToken], names: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the top-k bins and log-probabilities of N coordinates, (N, K), after checking them.

        Args:
            tokens: The coordinates.
            names: What each of them is, for error messages.

        Returns:
            Bins, among which `ABSENT` may be, and natural log-probabilities.

        Raises:
            MalformedAnswerError: The log-probabilities of a coordinate contradict its token.
        """
        bins, logprobs = as_arrays(self.top_k, [token.token for token in tokens])
        answer_format = self.spec.answer or AnswerFormat()
        chosen = np.array([token.bin for token in tokens])
        if fault := find_fault(chosen, bins, logprobs, answer_format.coordinate_tokens):
            raise MalformedAnswerError(f"{names[fault.row]}: {fault.reason}", self.raw)
        return bins, logprobs


def _has_coordinates(joint: JointAnswer) -> bool:
    """Return whether a joint has valid coordinates, at least in 3D where the whole answer is in 3D only."""
    return joint.outcome is Outcome.ANSWERED or (joint.outcome is Outcome.NO_2D and bool(joint.point))


def _without_pixel(xy_source: XySource, joint: JointAnswer, keypoint: Keypoint) -> Keypoint:
    """Return a keypoint without what its answer does not have; the keypoint itself if it was answered in 2D, too."""
    if joint.pixel:
        return keypoint
    state, reason = _STATES[joint.outcome], joint.outcome.value
    if xy_source == "pixel":
        return Keypoint(joint.joint, state, f"{reason}, so that x and y are unknown")
    return replace(keypoint, state=state, reason=reason, pixel=np.full(2, np.nan))


def _censored(keypoint: Keypoint, censored: NDArray[np.bool_], xy_source: XySource) -> Keypoint:
    """Return a keypoint without what lies at or beyond an edge.

    Args:
        keypoint: The keypoint as measured.
        censored: (5,) whether u, v, x, y and z lie at or beyond the edge of their range.
        xy_source: Source of x and y.

    Returns:
        The keypoint: out of range without a position, or out of view without a pixel. The position remains if it does
        not depend on the pixel.
    """
    edges = [axis for axis, beyond in zip(_AXES, censored, strict=True) if beyond]
    if any(censored[2:]):
        reason = f"{', '.join(edges)} at or beyond the edge of the range"
        return Keypoint(keypoint.name, State.OUT_OF_RANGE, reason)
    reason = f"{', '.join(edges)} at or beyond the edge of the view"
    if xy_source == "pixel":
        return Keypoint(keypoint.name, State.OUT_OF_VIEW, f"{reason}, so that x and y are unknown")
    return replace(keypoint, state=State.OUT_OF_VIEW, reason=reason, pixel=np.full(2, np.nan))


def _decode_box(answer: Answer, view: CanonicalView) -> NDArray[np.float64] | None:
    """Return the answer's box as (4,) left, top, right and bottom in the source image, px; None without a valid box.

    It bounds the outline of the box in the view, whose edges the lens distortion may bend.
    """
    if answer.box is None:
        return None
    left, top, right, bottom = (coordinate.bin for coordinate in answer.box)
    if left >= right or top >= bottom:
        return None
    across, down = np.linspace(left, right, _EDGE_POINTS), np.linspace(top, bottom, _EDGE_POINTS)
    edges = [*((u, v) for v in (top, bottom) for u in across), *((u, v) for u in (left, right) for v in down)]
    outline = view.view_to_source_pixels(decode_pixels(edges, (view.width, view.height)))
    finite = outline[np.isfinite(outline).all(axis=1)]
    return np.concatenate([finite.min(axis=0), finite.max(axis=0)]) if len(finite) else None
