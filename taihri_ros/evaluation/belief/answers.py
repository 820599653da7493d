"""Answers as arrays, before any threshold: how sure the model was of a person and of each joint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.question_plan import Plan
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.presence import MEASURES, presence
from taihri_ros.skeleton import INDEX, JOINTS

PLAN = Plan(joints=("task", "every"), phrasings="held-out")
"""The questions of a user: a sentence of the task table, the joints of its task by name, and all 22 joints."""

QUESTIONS = ("sentence", "task", "every")
"""Kinds of questions, as in `PLAN`."""

CORRECT_MM = 200.0
"""A joint up to this far from the truth is lost if it is not published, mm."""


@dataclass(frozen=True, eq=False)
class BeliefAnswers:
    """Q answers to the questions of `PLAN`; all arrays have Q rows, and J = 22 joints have the order of the skeleton.

    Attributes:
        picture: Number of the picture.
        source: Name of the picture.
        question: Kind of question, of `QUESTIONS`.
        sharpness: (Q, J, 2) how sharply each joint is placed (`pipeline/presence.py`); NaN if unknown.
        log_odds: (Q, J) log-odds that the joint is there, by a model that may answer `<absent>`; NaN if unknown.
        located: (Q, J) whether the joint has a position.
        confidence: (Q, J) confidence of the joint; NaN without one.
        error_mm: (Q, J) distance from the truth, mm; NaN without a position, and for joints that have no label or are
            not in the image.
    """

    picture: NDArray[np.int64]
    source: NDArray[np.str_]
    question: NDArray[np.str_]
    sharpness: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    located: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    error_mm: NDArray[np.float64]

    @classmethod
    def collect(cls, answered: Sequence[LabelledAnswer], xy_source: XySource) -> BeliefAnswers:
        """Collect answers to the questions of `PLAN`.

        Args:
            answered: The answers; a malformed one has no joints.
            xy_source: Source of x and y.

        Returns:
            The arrays.
        """
        shape = (len(answered), len(JOINTS))
        confidence, error_mm, located = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, bool)
        for row, entry in enumerate(answered):
            judged = entry.truth.in_image
            for name, joint in entry.prediction.joints.items():
                column, position = INDEX[name], joint.positions[xy_source]
                if not np.isfinite(position).all():
                    continue
                located[row, column] = True
                confidence[row, column] = joint.confidences.get(xy_source, np.nan)
                if judged[column]:
                    error_mm[row, column] = metrics.distances_mm(position, entry.truth.joints[column])
        return cls(
            picture=np.array([entry.question.index for entry in answered], np.int64),
            source=np.array([entry.truth.source for entry in answered], np.str_),
            question=np.array([_kind(entry) for entry in answered], np.str_),
            sharpness=np.array([entry.prediction.sharpness for entry in answered]).reshape(*shape, MEASURES),
            log_odds=np.array([entry.prediction.log_odds for entry in answered]).reshape(shape),
            located=located,
            confidence=confidence,
            error_mm=error_mm,
        )

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(Q, J) whether the joint is within 200 mm of the truth."""
        return np.asarray(self.error_mm <= CORRECT_MM)

    def select(self, mask: NDArray[np.bool_]) -> BeliefAnswers:
        """Return the rows where a mask (Q,) is true."""
        return BeliefAnswers(*(getattr(self, field.name)[mask] for field in fields(self)))

    def presence(self, belief: Belief) -> NDArray[np.float64]:
        """Return the presence of a person in each answer, (Q,) in [0, 1]; NaN if unknown."""
        return presence(self.sharpness, belief, self.log_odds)

    def published(self, belief: Belief) -> NDArray[np.bool_]:
        """Return which joints the node publishes, as `pipeline.belief.BeliefGate` decides.

        Args:
            belief: Thresholds and coefficients of the presence; a threshold of 0 is off.

        Returns:
            (Q, J).
        """
        present = (self.presence(belief) >= belief.min_presence) | (belief.min_presence == 0.0)
        sure = (self.confidence >= belief.min_confidence) | (belief.min_confidence == 0.0)
        return np.asarray(self.located & sure & present[:, None])


def _kind(entry: LabelledAnswer) -> str:
    if entry.question.is_free:
        return "sentence"
    return "every" if len(entry.question.command.joints) == len(JOINTS) else "task"
