"""Comparison of a model with others, its peers, that were asked the same questions about the same pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.belief.answers import BeliefAnswers
from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.joint_errors import Rows, aligned_errors_mm, collect
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.picture_bootstrap import PictureBootstrap
from taihri_ros.evaluation.summary import Metrics, latency_metrics
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.skeleton import JOINTS

MEAN_POSE = "mean pose"
"""Name of the baseline among the models."""

ERRORS = ("g_mpjpe_mm", "root_relative_mpjpe_mm", "pa_mpjpe_mm", "pixel_percent_of_width")
"""The errors that are compared; `summary.group_metrics` describes them."""


NO_THRESHOLDS = Belief(min_confidence=0.0, min_presence=0.0)
"""The node would publish every joint that has a position."""


@dataclass(frozen=True, eq=False)
class ModelAnswers:
    """A model with its answers.

    Attributes:
        name: Name of the model.
        answered: Its answers.
        belief: What it must be sure of before the node publishes a joint; by default of nothing.
    """

    name: str
    answered: Sequence[LabelledAnswer]
    belief: Belief = NO_THRESHOLDS


def number_same_names(models: Sequence[ModelAnswers]) -> list[ModelAnswers]:
    """Return the models with a number after each name that an earlier one has, such as two versions of a checkpoint."""
    seen: Counter[str] = Counter()
    numbered = []
    for model in models:
        seen[model.name] += 1
        number = seen[model.name]
        numbered.append(model if number == 1 else replace(model, name=f"{model.name} ({number})"))
    return numbered


@dataclass(frozen=True, eq=False)
class ModelErrors:
    """The errors of one model in R joints, those with a label that the questions name.

    Attributes:
        name: Name of the model.
        rows: The joints.
        picture: (R,) number of the picture of each joint.
        errors: (R,) for each of `ERRORS`; NaN where it is not defined.
        published: (R,) whether the node would publish the joint.
        sources: Name of each picture by its number.
        latency_ms: Median and 95th percentile of the duration of an answer; None if unknown.
    """

    name: str
    rows: Rows
    picture: NDArray[np.int64]
    errors: dict[str, NDArray[np.float64]]
    published: NDArray[np.bool_]
    sources: Mapping[int, str]
    latency_ms: Metrics | None

    @classmethod
    def collect(cls, model: ModelAnswers, baseline: MeanPose, xy_source: XySource) -> ModelErrors:
        """Compute the errors of a model.

        Args:
            model: The model with its answers; those to free commands are left out.
            baseline: The mean pose, which stands for every joint without a position.
            xy_source: Source of x and y.

        Returns:
            The errors.
        """
        named = [entry for entry in model.answered if not entry.question.is_free]
        rows = collect(named, baseline, xy_source)
        pictures = np.array([entry.question.index for entry in named], np.int64)
        sources = {entry.question.index: entry.truth.source for entry in named}
        latency = latency_metrics(named).get("total")
        published = BeliefAnswers.collect(named, xy_source).published(model.belief)[rows.question, rows.joint]
        return cls(model.name, rows, pictures[rows.question], _errors(rows), published, sources, latency)

    @property
    def found(self) -> NDArray[np.int64]:
        """(P,) numbers of the pictures in which any joint has a position, ascending."""
        return np.unique(self.picture[~self.rows.missing])

    def select(self, mask: NDArray[np.bool_]) -> ModelErrors:
        """Return the joints where a mask (R,) is true."""
        rows = self.rows.select(mask)
        return replace(
            self, rows=rows, picture=self.picture[mask], errors=_errors(rows), published=self.published[mask]
        )

    def of_baseline(self) -> ModelErrors:
        """Return the same joints as the mean pose answers them."""
        rows = self.rows.of_baseline()
        return replace(self, name=MEAN_POSE, rows=rows, errors=_errors(rows), latency_ms=None)


def compare_models(model: ModelErrors, peers: Sequence[ModelErrors]) -> Metrics:
    """Compare a model with its peers and the mean pose.

    Args:
        model: The model.
        peers: The others, in the same joints.

    Returns:
        `model`, `pictures` and `joints`; `all`: for all joints that the questions name, and for each model by name the
        metrics of `ERRORS` with their 95 % intervals, `median_mm`, `found` (share of the pictures in which any joint
        has a position), `not_found` (the other pictures), `missing_share`, `never_answered` (joints without a position
        in any picture in which somebody was found, with the number of these pictures), `published` (the share of the
        `pictures` in which the node would publish any joint, the share of the `joints`, and their `g_mpjpe_mm`),
        `latency_ms` (p50 and p95), and for each but the model itself `difference`, its errors minus those of the model;
        `shared`: for each peer by name, `pictures`, `joints` and `models`, the same errors over the joints that both it
        and the model place.
    """
    everything = _metrics(model, [*peers, model.of_baseline()])
    for entry in (model, *peers):
        everything[entry.name] |= _missing(entry) | {
            "published": published_metrics(entry),
            "latency_ms": entry.latency_ms,
        }
    shared = {}
    for peer in peers:
        both = ~model.rows.missing & ~peer.rows.missing
        placed = model.select(both)
        shared[peer.name] = {
            "pictures": len(np.unique(placed.picture)),
            "joints": len(placed.picture),
            "models": _metrics(placed, [peer.select(both), placed.of_baseline()]),
        }
    return {
        "model": model.name,
        "pictures": len(model.sources),
        "joints": len(model.picture),
        "all": everything,
        "shared": shared,
    }


def _errors(rows: Rows) -> dict[str, NDArray[np.float64]]:
    relative, aligned = aligned_errors_mm(rows)
    return {
        "g_mpjpe_mm": metrics.distances_mm(rows.counted, rows.truth),
        "root_relative_mpjpe_mm": relative,
        "pa_mpjpe_mm": aligned,
        "pixel_percent_of_width": 100 * rows.pixel_errors / rows.width,
    }


def _metrics(model: ModelErrors, others: Sequence[ModelErrors]) -> Metrics:
    """Return the errors of each model by name, with the differences from the first."""
    bootstrap = PictureBootstrap(model.picture)
    found: Metrics = {}
    for entry in (model, *others):
        total = entry.errors["g_mpjpe_mm"]
        found[entry.name] = {name: bootstrap.mean(entry.errors[name]) for name in ERRORS}
        found[entry.name]["median_mm"] = round(float(np.median(total)), 2) if total.size else None
        if entry is not model:
            found[entry.name]["difference"] = {
                name: bootstrap.difference(entry.errors[name], model.errors[name]) for name in ERRORS
            }
    return found


def published_metrics(model: ModelErrors) -> Metrics:
    """Return what the node would publish of a model's answers.

    Args:
        model: The model.

    Returns:
        `pictures`, the share of the pictures with any joint published, with its 95 % interval; `joints`, the share of
        the joints; and their `g_mpjpe_mm` with its 95 % interval over pictures.
    """
    errors = np.where(model.published, model.errors["g_mpjpe_mm"], np.nan)
    pictures = len(np.unique(model.picture[model.published]))
    return {
        "pictures": metrics.share_with_interval(pictures, len(model.sources)),
        "joints": round(float(model.published.mean()), 4) if model.published.size else None,
        "g_mpjpe_mm": PictureBootstrap(model.picture).mean(errors),
    }


def _missing(model: ModelErrors) -> dict[str, Any]:
    """Return what a model did not answer."""
    missing, found = model.rows.missing, set(model.found.tolist())
    where_found = np.isin(model.picture, model.found)
    requested = Counter(model.rows.joint[where_found].tolist())
    unanswered = Counter(model.rows.joint[where_found & missing].tolist())
    return {
        "found": metrics.share_with_interval(len(found), len(model.sources)),
        "not_found": [source for picture, source in model.sources.items() if picture not in found],
        "missing_share": round(float(missing.mean()), 4) if missing.size else None,
        "never_answered": {
            JOINTS[joint]: count for joint, count in sorted(requested.items()) if unanswered[joint] == count
        },
    }
