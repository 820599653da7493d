"""Answers as arrays: one row for every joint that was asked for and is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.evaluate import Answered
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.question_plan import needed_joints
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.skeleton import INDEX

_PELVIS = INDEX["pelvis"]


@dataclass(frozen=True, eq=False)
class Rows:
    """R joints, all arrays with R rows.

    Attributes:
        question: Number of the question that a joint belongs to.
        part: The part set that the question names; empty for others.
        joint: Index in the skeleton.
        width: Width of the image, px.
        visibility: The numbers of `Visibility`.
        truth: (R, 3) metres, camera optical frame.
        truth_pixel: (R, 2) px; NaN outside of the field of view of the lens.
        predicted: (R, 3) metres; NaN where it is missing.
        predicted_pixel: (R, 2) px; NaN where it is missing.
        fallback: (R, 3) metres, the mean pose: what counts for a joint that is missing.
        fallback_pixel: (R, 2) px.
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
        """(R,) whether the joint has no position."""
        return np.asarray(~np.isfinite(self.predicted).all(axis=1))

    @property
    def counted(self) -> NDArray[np.float64]:
        """(R, 3) the position that counts: the answer, or for a missing joint the mean pose, which knows nothing."""
        return np.where(self.missing[:, None], self.fallback, self.predicted)

    @property
    def counted_pixel(self) -> NDArray[np.float64]:
        """(R, 2) the pixel that counts."""
        missing = self.missing | ~np.isfinite(self.predicted_pixel).all(axis=1)
        return np.where(missing[:, None], self.fallback_pixel, self.predicted_pixel)

    def select(self, mask: NDArray[np.bool_]) -> Rows:
        """Give the rows for which a mask (R,) is true."""
        return Rows(*(getattr(self, field.name)[mask] for field in fields(self)))

    def of_baseline(self) -> Rows:
        """Give the same rows as if the mean pose had been answered every time."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Rows(**values | {"predicted": self.fallback, "predicted_pixel": self.fallback_pixel})


def collect(answered: Sequence[Answered], baseline: MeanPose, xy_source: XySource) -> Rows:
    """Collect the joints that questions name, or that their free commands need, as far as these are labelled.

    Args:
        answered: The answers.
        baseline: The mean pose.
        xy_source: Where x and y of the positions come from.

    Returns:
        The rows.
    """
    parts = [_of_answer(number, entry, baseline, xy_source) for number, entry in enumerate(answered)]
    return Rows(*(np.concatenate([getattr(part, field.name) for part in (_NO_ROWS, *parts)]) for field in fields(Rows)))


def _of_answer(number: int, entry: Answered, baseline: MeanPose, xy_source: XySource) -> Rows:
    truth, answers = entry.truth, entry.prediction.joints
    names = [name for name in needed_joints(entry.question) if truth.labelled[INDEX[name]]]
    joint = np.array([INDEX[name] for name in names], np.int64)
    positions = [answers[name].positions[xy_source] if name in answers else _NOWHERE for name in names]
    pixels = [answers[name].pixel if name in answers else _NOWHERE[:2] for name in names]
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


_NOWHERE = np.full(3, np.nan)
_NO_ROWS = Rows(
    *(np.empty(0, np.int64), np.empty(0, np.str_), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int8)),
    *(np.empty((0, size)) for size in (3, 2) * 3),
)


def aligned_errors_mm(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the errors that remain when a person's joints are moved onto their root, or aligned by Procrustes.

    A person is the joints of one question. Only joints that were answered are aligned; a missing one counts with the
    error that the mean pose has in its place.

    Args:
        rows: The rows.

    Returns:
        (R,) mm relative to the pelvis, NaN where the pelvis is not among the person's joints; (R,) mm after Procrustes,
        NaN where there are too few joints.
    """
    relative, aligned = np.full((2, len(rows.joint)), np.nan)
    starts = np.flatnonzero(np.diff(rows.question, prepend=-1))
    for person in np.split(np.arange(len(rows.question)), starts[1:]) if len(starts) else ():
        truth, there = rows.truth[person], ~rows.missing[person]
        root = np.flatnonzero(rows.joint[person] == _PELVIS)
        if len(root) and len(person) > 1:
            relative[person] = metrics.root_relative_errors_mm(rows.fallback[person], truth, root[0])
            if there[root[0]]:
                errors = metrics.root_relative_errors_mm(rows.predicted[person], truth, root[0])
                relative[person[there]] = errors[there]
        if len(person) >= metrics.FEWEST_TO_ALIGN:
            aligned[person] = metrics.procrustes_errors_mm(rows.fallback[person], truth)
            if there.sum() >= metrics.FEWEST_TO_ALIGN:
                aligned[person[there]] = metrics.procrustes_errors_mm(rows.predicted[person[there]], truth[there])
    return relative, aligned
