"""False alarms and lost joints, and the curve of one against the other over the thresholds.

A false alarm is a picture without people for which any question publishes any joint. A lost joint is one within 200 mm
of the truth that is not published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation.belief.answers import QUESTIONS, BeliefAnswers
from taihri_ros.evaluation.belief.nobody_pictures import kind_of
from taihri_ros.evaluation.metrics import share_with_interval
from taihri_ros.model.spec import Belief

MOST_FALSE_ALARMS = 0.01
"""Largest share of pictures without people with any joint published."""

MOST_LOST = 0.02
"""Largest share of joints within 200 mm of the truth that may be lost; the aim after that for false alarms."""

Varied = Literal["confidence", "presence", "both"]
"""Thresholds that a curve varies; the other one is off."""

_CONFIDENCES = tuple(round(0.01 * step, 2) for step in range(51))
_STEPS_OF_PRESENCE = 10_000
"""Number of steps from 0 to 1 at which a threshold of the presence can be."""


def false_alarms(nobody: BeliefAnswers, belief: Belief) -> dict[str, Any]:
    """Count the pictures without people for which a joint is published.

    Args:
        nobody: Answers about pictures without people.
        belief: Thresholds and coefficients.

    Returns:
        The result of `share_with_interval` over pictures, in total and under `by_question` and `by_kind`.
    """
    alarms: NDArray[np.bool_] = np.asarray(nobody.published(belief).any(axis=1))
    kinds = np.array([kind_of(source) for source in nobody.source.tolist()], np.str_)

    def of_group(mask: NDArray[np.bool_]) -> dict[str, Any]:
        return share_with_interval(len(np.unique(nobody.picture[mask & alarms])), len(np.unique(nobody.picture[mask])))

    return of_group(np.ones(alarms.shape, np.bool_)) | {
        "by_question": {name: of_group(nobody.question == name) for name in QUESTIONS},
        "by_kind": {str(kind): of_group(kinds == kind) for kind in np.unique(kinds)},
    }


def lost_joints(people: BeliefAnswers, belief: Belief) -> dict[str, Any]:
    """Count the joints within 200 mm of the truth that are not published.

    Args:
        people: Answers about labelled pictures.
        belief: Thresholds and coefficients.

    Returns:
        The result of `share_with_interval` over joints, in total and under `by_question`; and `published_share`, the
        share of all labelled joints in the images that are published, with their mean error `published_mm` and that of
        all answered joints `answered_mm`.
    """
    published = people.published(belief)

    def of_group(mask: NDArray[np.bool_]) -> dict[str, Any]:
        correct = people.correct[mask]
        return share_with_interval(int((correct & ~published[mask]).sum()), int(correct.sum()))

    judged = np.isfinite(people.error_mm)
    return of_group(np.ones(len(published), np.bool_)) | {
        "by_question": {name: of_group(people.question == name) for name in QUESTIONS},
        "published_share": _mean(published[judged]),
        "published_mm": _mean(people.error_mm[judged & published]),
        "answered_mm": _mean(people.error_mm[judged]),
    }


@dataclass(frozen=True)
class Trade:
    """What two thresholds cost.

    Attributes:
        min_confidence, min_presence: The thresholds.
        false_alarms: Share of the pictures without people with any joint published.
        lost: Share of the joints within 200 mm of the truth that are not published.
    """

    min_confidence: float
    min_presence: float
    false_alarms: float
    lost: float


def trades(nobody: BeliefAnswers, people: BeliefAnswers, belief: Belief, varied: Varied = "both") -> list[Trade]:
    """Return what all thresholds cost that make a difference.

    Args:
        nobody: Answers about pictures without people.
        people: Answers about labelled pictures.
        belief: Coefficients of the presence; its thresholds are not used.
        varied: Thresholds to vary.

    Returns:
        The trades.
    """
    confidences = (0.0,) if varied == "presence" else _CONFIDENCES
    return [
        trade
        for confidence in confidences
        for trade in _trades(nobody, people, replace(belief, min_confidence=confidence), varied != "confidence")
    ]


def best_trades(found: Sequence[Trade]) -> list[Trade]:
    """Return the trades that no other one beats in both shares, by ascending false alarms."""
    best: list[Trade] = []
    for trade in sorted(found, key=lambda trade: (trade.false_alarms, trade.lost)):
        if not best or trade.lost < best[-1].lost:
            best.append(trade)
    return best


def _trades(nobody: BeliefAnswers, people: BeliefAnswers, belief: Belief, vary_presence: bool) -> list[Trade]:
    """Return the trades of one threshold of the confidence, with the thresholds of the presence that matter."""
    unlimited = replace(belief, min_presence=0.0)
    sure = nobody.published(unlimited).any(axis=1)
    # An unknown presence is below every threshold but 0, as in the gate.
    scores = np.where(sure, np.nan_to_num(nobody.presence(belief)), -1.0)
    pictures, row = np.unique(nobody.picture, return_inverse=True)
    worst = np.full(len(pictures), -1.0)
    np.maximum.at(worst, row.reshape(-1), scores)
    kept = people.correct & people.published(unlimited)
    presences = np.broadcast_to(np.nan_to_num(people.presence(belief))[:, None], kept.shape)[kept]
    total = max(int(people.correct.sum()), 1)
    above = np.unique((np.floor(worst[worst >= 0.0] * _STEPS_OF_PRESENCE) + 1.0) / _STEPS_OF_PRESENCE)
    thresholds = [0.0, *above[above <= 1.0].tolist()] if vary_presence else [0.0]
    return [
        Trade(
            min_confidence=belief.min_confidence,
            min_presence=threshold,
            false_alarms=float((worst >= threshold).mean()) if len(worst) else 0.0,
            lost=1.0 - float((presences >= threshold).sum()) / total,
        )
        for threshold in thresholds
    ]


def _mean(values: NDArray[Any]) -> float | None:
    return round(float(values.mean()), 4) if values.size else None
