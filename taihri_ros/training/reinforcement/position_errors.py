"""Position errors of sampled answers, by the bins of the answer and by the expectation that the node decodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from taihri_ros.inference.engine import GenerationRequest
from taihri_ros.model.quantization import BINS, estimate_bins
from taihri_ros.model.zoom import ROOT_INDEX, real_points
from taihri_ros.skeleton import JOINTS
from taihri_ros.training.reinforcement.rollout import Decisions
from taihri_ros.training.rewards.answers import SampledAnswer
from taihri_ros.training.rewards.targets import Target


class PositionErrors(NamedTuple):
    """Mean distances from the true points, without the zoom: G-MPJPE of the joints that were asked for and answered.

    Attributes:
        argmax_mm: By the bins of the answer, mm; NaN without such a joint.
        expected_mm: By the expectation over the most likely bins, mm; NaN without such a joint.
    """

    argmax_mm: float
    expected_mm: float


def position_errors(
    decisions: Decisions,
    logprobs: torch.Tensor,
    answers: Sequence[SampledAnswer],
    targets: Sequence[Target],
    *,
    group: int,
) -> PositionErrors:
    """Measure the errors of answers, the most likely ones or samples.

    Args:
        decisions: Their decisions.
        logprobs: (D, K) log-probabilities of the options, from `policy_loss.decision_logprobs`.
        answers: The N answers, those of a question one after another.
        targets: Their targets.
        group: Number of answers to each question.

    Returns:
        The errors.
    """
    expected = np.full((len(answers), len(JOINTS), 5), np.nan)
    is_bin = decisions.is_coordinate & (decisions.chosen < BINS)
    of_bins = decisions.select(is_bin)
    among_bins = logprobs.detach()[is_bin.to(logprobs.device), :BINS].cpu().log_softmax(dim=1)
    likely = among_bins.topk(GenerationRequest.top_k, dim=1)
    answer = of_bins.question * group + of_bins.sample
    expected[answer, of_bins.joint, of_bins.column] = estimate_bins(
        of_bins.chosen.numpy(), likely.indices.numpy(), likely.values.double().numpy()
    ).mean
    found = [
        (_errors_m(answer.bins, answer, target), _errors_m(means, answer, target))
        for answer, means, target in zip(answers, expected, targets, strict=True)
    ]
    errors = [np.concatenate(part) for part in zip(*found, strict=True)]
    return PositionErrors(*(1000.0 * float(part.mean()) if len(part) else float("nan") for part in errors))


def _errors_m(
    bins: NDArray[np.float64] | NDArray[np.int64], answer: SampledAnswer, target: Target
) -> NDArray[np.float64]:
    """Return the distances in metres of the joints whose true and answered real points are known, from (22, 5) bins."""
    known = answer.answered & target.wanted & np.isfinite(target.points).all(axis=1)
    needs_root = target.zoom != 1.0
    if needs_root and not (answer.answered[ROOT_INDEX] and np.isfinite(target.points[ROOT_INDEX]).all()):
        return np.zeros(0)
    points, true = np.full(target.points.shape, np.nan), target.points
    points[answer.answered] = target.space.decode(bins[answer.answered, 2:])
    if needs_root:
        points, true = (real_points(each, float(each[ROOT_INDEX, 2]), target.zoom) for each in (points, true))
    return np.asarray(np.linalg.norm(points[known] - true[known], axis=1))
