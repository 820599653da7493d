"""Answers with known evidence, confidences and errors, for tests of the belief."""

from __future__ import annotations

import numpy as np

from taihri_ros.evaluation.belief.answers import BeliefAnswers
from taihri_ros.skeleton import JOINTS


def answers(
    sharp: list[float],
    confidence: list[float],
    *,
    error_mm: list[float] | None = None,
    picture: list[int] | None = None,
    question: list[str] | None = None,
    kind: str = "room",
) -> BeliefAnswers:
    """Return answers with one joint each; both measures of its sharpness are equal."""
    count = len(sharp)
    located = np.zeros((count, len(JOINTS)), bool)
    located[:, 0] = True
    confidences, errors = np.full(located.shape, np.nan), np.full(located.shape, np.nan)
    confidences[:, 0] = confidence
    errors[:, 0] = np.full(count, np.nan) if error_mm is None else error_mm
    pictures = np.arange(count) if picture is None else np.array(picture)
    return BeliefAnswers(
        picture=pictures,
        source=np.array([f"{kind}/{number}" for number in pictures]),
        question=np.array(["task"] * count if question is None else question),
        sharpness=np.where(located, np.array(sharp, float)[:, None], np.nan)[..., None].repeat(2, axis=2),
        log_odds=np.full(located.shape, np.nan),
        located=located,
        confidence=confidences,
        error_mm=errors,
    )
