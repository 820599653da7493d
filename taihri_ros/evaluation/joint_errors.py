"""Answers as arrays, one row for every requested joint with a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.datasets.items import Visibility
from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.question_plan import needed_joints
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.skeleton import INDEX

_PELVIS = INDEX["pelvis"]


@dataclass(frozen=True, eq=False)
class Rows:
    """R requested joints; all arrays have R rows.

    Attributes:
        question: Number of the question.
        part: Part set that the question names; empty for other questions.
        joint: Index in the skeleton.
        width: Width of the image, px.
        visibility: Values of `Visibility`.
        truth: (R, 3) metres, camera optical frame.
        truth_pixel: (R, 2) px; NaN outside the field of view of the lens.
        predicted: (R, 3) metres; NaN for a missing joint.
        predicted_pixel: (R, 2) px; NaN for a missing joint.
        fallback: (R, 3) metres, position in the mean pose, which replaces a missing joint.
        fallback_pixel: (R, 2) px, its projection.
    """

    question: NDArray[np.int64]
    part: NDArray[np.str_]
    joint: NDArray[np.int64]
    width: NDArray[np.int64]
    visibility: NDArray[np.int8]
    truth: NDArray[np.float64]
    truth_pixel: NDArray[np.float64]
    predicted: NDArray[np.float64]
    predicted_pixel: NDArray[np.float64]
    fallback: NDArray[np.float64]
    fallback_pixel: NDArray[np.float64]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """(R,) whether the joint has no predicted position."""
        return np.asarray(~np.isfinite(self.predicted).all(axis=1))

    @property
    def in_image(self) -> NDArray[np.bool_]:
        """(R,) whether the true pixel is in the image, so that a 2D error is defined."""
        return np.asarray((self.visibility != Visibility.OUT_OF_IMAGE) & np.isfinite(self.truth_pixel).all(axis=1))

    @property
    def pixel_errors(self) -> NDArray[np.float64]:
        """(R,) px in the image; NaN for a joint outside the image.

        Its projection may lie millions of pixels away, which no image coordinate can answer.
        """
        errors = np.linalg.norm(self.counted_pixel - self.truth_pixel, axis=1)
        return np.where(self.in_image, errors, np.nan)

    @property
    def counted(self) -> NDArray[np.float64]:
        """(R, 3) positions for the metrics: the prediction, or the mean pose for a missing joint."""
        return np.where(self.missing[:, None], self.fallback, self.predicted)

    @property
    def counted_pixel(self) -> NDArray[np.float64]:
        """(R, 2) px for the metrics: the prediction, or the projection of the mean pose for a missing joint."""
        missing = self.missing | ~np.isfinite(self.predicted_pixel).all(axis=1)
        return np.where(missing[:, None], self.fallback_pixel, self.predicted_pixel)

    def select(self, mask: NDArray[np.bool_]) -> Rows:
        """Return the rows where a mask (R,) is true."""
        return Rows(*(getattr(self, field.name)[mask] for field in fields(self)))

    def of_baseline(self) -> Rows:
        """Return the same rows with the mean pose as the prediction."""
        return replace(self, predicted=self.fallback, predicted_pixel=self.fallback_pixel)


def collect(answered: Sequence[LabelledAnswer], baseline: MeanPose, xy_source: XySource) -> Rows:
    """Collect the labelled joints that the questions name or their free commands need.

    Args:
        answered: The answers.
        baseline: The mean pose.
        xy_source: Source of x and y of the positions.

    Returns:
        The rows.
    """
    parts = [_answer_rows(number, entry, baseline, xy_source) for number, entry in enumerate(answered)]
    return Rows(*(np.concatenate([getattr(part, field.name) for part in (_NO_ROWS, *parts)]) for field in fields(Rows)))


def _answer_rows(number: int, entry: LabelledAnswer, baseline: MeanPose, xy_source: XySource) -> Rows:
    truth, answers = entry.truth, entry.prediction.joints
    names = [name for name in needed_joints(entry.question) if truth.labelled[INDEX[name]]]
    joint = np.array([INDEX[name] for name in names], np.int64)
    positions = [answers[name].positions[xy_source] if name in answers else _NO_POSITION for name in names]
    pixels = [answers[name].pixel if name in answers else _NO_POSITION[:2] for name in names]
    return Rows(
        question=np.full(len(names), number),
        part=np.full(len(names), entry.question.part),
        joint=joint,
        width=np.full(len(names), truth.camera.width),
        visibility=truth.visibility[joint],
        truth=truth.joints[joint],
        truth_pixel=truth.pixels[joint],
        predicted=np.array(positions).reshape(-1, 3),
        predicted_pixel=np.array(pixels).reshape(-1, 2),
        fallback=baseline.joints[joint],
        fallback_pixel=baseline.pixels(truth.camera)[joint],
    )


_NO_POSITION = np.full(3, np.nan)
_NO_ROWS = Rows(
    *(np.empty(0, np.int64), np.empty(0, np.str_), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int8)),
    *(np.empty((0, size)) for size in (3, 2) * 3),
)


def aligned_errors_mm(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the errors of each person after alignment of the root joint, and after Procrustes alignment.

    A person has the joints of one question. Only answered joints are aligned; a missing one has the aligned error of
    the mean pose.

    Args:
        rows: The rows.

    Returns:
        (R,) mm relative to the pelvis, NaN if the person has no pelvis; (R,) mm after Procrustes alignment, NaN if the
        person has too few joints.
    """
    relative, aligned = np.full((2, len(rows.joint)), np.nan)
    starts = np.flatnonzero(np.diff(rows.question, prepend=-1))
    for person in np.split(np.arange(len(rows.question)), starts[1:]) if len(starts) else ():
        truth, present = rows.truth[person], ~rows.missing[person]
        root = np.flatnonzero(rows.joint[person] == _PELVIS)
        if len(root) and len(person) > 1:
            relative[person] = metrics.root_relative_errors_mm(rows.fallback[person], truth, root[0])
            if present[root[0]]:
                errors = metrics.root_relative_errors_mm(rows.predicted[person], truth, root[0])
                relative[person[present]] = errors[present]
        if len(person) >= metrics.FEWEST_TO_ALIGN:
            aligned[person] = metrics.procrustes_errors_mm(rows.fallback[person], truth)
            if present.sum() >= metrics.FEWEST_TO_ALIGN:
                aligned[person[present]] = metrics.procrustes_errors_mm(rows.predicted[person[present]], truth[present])
    return relative, aligned
