"""The model's answer to keypoints: bins to pixels and metres in the view, and from there to the source camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taihri_ros.engine.interface import Alternatives
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.language.parser import Answer, JointAnswer, Outcome
from taihri_ros.quantization import BINS, BinEstimates, InteractionSpace, decode_pixels, estimate_bins
from taihri_ros.view import CanonicalView

XySource = Literal["bins", "pixel"]
"""Where x and y of a point come from: its own 3D bins, or its 2D pixel and the depth."""

_COORDINATES = 5
_EDGE_POINTS = 9

_STATES = {
    Outcome.ANSWERED: State.MEASURED,
    Outcome.NOT_ANSWERED: State.NOT_ANSWERED,
    Outcome.NOT_ASKED: State.NOT_ASKED,
    Outcome.OUT_OF_RANGE: State.OUT_OF_RANGE,
    Outcome.DUPLICATE: State.DUPLICATE,
    Outcome.NO_3D: State.NO_3D,
    Outcome.NO_2D: State.NO_2D,
}


def decode_answer(
    answer: Answer,
    alternatives: Sequence[Alternatives | None],
    view: CanonicalView,
    space: InteractionSpace,
    xy_source: XySource,
) -> Person:
    """Decode a parsed answer.

    Args:
        answer: The answer.
        alternatives: The alternatives of each of its tokens.
        view: The view that the model was shown.
        space: The ranges of the 3D bins.
        xy_source: Where x and y come from.

    Returns:
        The person; positions in the optical frame of the view's source camera, pixels in its image.
    """
    measured = [joint for joint in answer.joints if joint.outcome is Outcome.ANSWERED]
    located = iter(_locate(measured, alternatives, view, space, xy_source) if measured else ())
    return Person(
        keypoints=tuple(
            next(located)
            if joint.outcome is Outcome.ANSWERED
            else Keypoint(joint.joint, _STATES[joint.outcome], joint.outcome.value)
            for joint in answer.joints
        ),
        box=_decode_box(answer, view),
    )


def _locate(
    joints: list[JointAnswer],
    alternatives: Sequence[Alternatives | None],
    view: CanonicalView,
    space: InteractionSpace,
    xy_source: XySource,
) -> list[Keypoint]:
    """Locate N answered joints at once: arrays have a row for each joint and the columns u, v, x, y, z."""
    bins = _estimates(joints, alternatives)
    size = np.array((view.width, view.height))
    pixels = decode_pixels(bins.index[:, :2], (view.width, view.height))
    points = space.decode(bins.index[:, 2:])
    variances = bins.variance[:, 2:] * space.step**2
    covariances = variances[:, :, None] * np.eye(3)
    if xy_source == "pixel":
        pixel_variances = bins.variance[:, :2] * (size / (BINS - 1)) ** 2
        points, covariances = _unproject(view, pixels, pixel_variances, points[:, 2], variances[:, 2])
    positions, covariances = view.points_to_camera(points), view.covariances_to_camera(covariances)
    confidences = np.exp(np.log(bins.probability).mean(axis=1))
    source_pixels = view.view_to_source_pixels(pixels)
    return [
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


def _estimates(joints: list[JointAnswer], alternatives: Sequence[Alternatives | None]) -> BinEstimates:
    """Estimate the (N, 5) coordinates of N joints; rows of alternatives are filled up with impossible ones."""
    tokens = [coordinate for joint in joints for coordinate in (*joint.pixel, *joint.point)]
    found = [alternatives[token.token] or Alternatives((), ()) for token in tokens]
    longest = max(len(entry.bins) for entry in found)
    bins, logprobs = np.zeros((len(tokens), longest)), np.full((len(tokens), longest), -np.inf)
    for row, entry in enumerate(found):
        bins[row, : len(entry.bins)], logprobs[row, : len(entry.bins)] = entry.bins, entry.logprobs
    shape = (len(joints), _COORDINATES)
    index = np.array([token.bin for token in tokens]).reshape(shape)
    return estimate_bins(index, bins.reshape(*shape, longest), logprobs.reshape(*shape, longest))


def _unproject(
    view: CanonicalView,
    pixels: NDArray[np.float64],
    pixel_variances: NDArray[np.float64],
    depths: NDArray[np.float64],
    depth_variances: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Put points on the rays of their pixels; the covariance is that of the product of two independent errors."""
    rays = view.view_rays(pixels)
    covariances = rays[:, :, None] * rays[:, None, :] * depth_variances[:, None, None]
    sideways = pixel_variances / view.focal_px**2 * (depths**2 + depth_variances)[:, None]
    covariances[:, [0, 1], [0, 1]] += sideways
    return rays * depths[:, None], covariances


def _decode_box(answer: Answer, view: CanonicalView) -> NDArray[np.float64] | None:
    """Map the box's outline, whose edges a lens may bend, to the source image and span it there."""
    if answer.box is None:
        return None
    left, top, right, bottom = (coordinate.bin for coordinate in answer.box)
    if left >= right or top >= bottom:
        return None
    across, down = np.linspace(left, right, _EDGE_POINTS), np.linspace(top, bottom, _EDGE_POINTS)
    edges = [*((u, v) for v in (top, bottom) for u in across), *((u, v) for u in (left, right) for v in down)]
    outline = view.view_to_source_pixels(decode_pixels(edges, (view.width, view.height)))
    seen = outline[np.isfinite(outline).all(axis=1)]
    return np.concatenate([seen.min(axis=0), seen.max(axis=0)]) if len(seen) else None
