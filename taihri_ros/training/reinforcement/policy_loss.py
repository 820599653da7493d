"""The loss of the policy: the log-probabilities of the decisions, and what is minimised by them.

All answers to a question are encoded in one row (`tree_packing.py`), and the loss sees decisions only: tokens that the
grammar determines have probability 1. A coordinate is one of 1001 options whose probabilities are all known. Two things
that reinforcement learning of language models estimates from samples are therefore exact here: the divergence from the
reference model, and, with the rewards of all bins (`bin_rewards.py`), the expected reward of a coordinate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.training.recipe import RatioLevel
from taihri_ros.training.reinforcement.rollout import Decisions, Rollout
from taihri_ros.training.reinforcement.tree_packing import (
    Question,
    TreeRows,
    batches_of_similar_length,
    encode,
    features_of,
)


def decision_logprobs(
    model: Any, features: Any, questions: Sequence[Question], rollout: Rollout, vocabulary: Vocabulary
) -> torch.Tensor:
    """Compute the log-probabilities of all options of each decision, with gradients.

    Args:
        model: transformers' Qwen3VLForConditionalGeneration.
        features: Features of all views, from `get_image_features`.
        questions: The questions.
        rollout: The answers to them.
        vocabulary: Tokens of the checkpoint; the ids of its coordinates follow each other.

    Returns:
        float32 (D, K): for a coordinate of all K coordinate tokens, the bins and `<absent>` where the checkpoint has
        it; for another token of its options, padded with -inf.
    """
    device, decisions = model.lm_head.weight.device, rollout.decisions
    lengths = [
        question.context_length + sum(map(len, answers))
        for question, answers in zip(questions, rollout.answers, strict=True)
    ]
    places = _places(questions, rollout)
    found, order = [], []
    for rows in batches_of_similar_length(lengths):
        chosen = [questions[row] for row in rows]
        packed = TreeRows.pack(
            chosen,
            [rollout.answers[row] for row in rows],
            image_id=vocabulary.image_id,
            padding_id=vocabulary.end_ids[0],
        ).to(device)
        hidden = encode(model, packed, features=features_of(features, [question.view for question in chosen]))
        for index, row in enumerate(rows):
            of_row = (decisions.question == row).nonzero()[:, 0]
            logits = model.lm_head(hidden[index, places[of_row].to(device)]).float()
            found.append(_among_options(logits, decisions.select(of_row), vocabulary))
            order.append(of_row)
    return torch.cat(found)[torch.cat(order).argsort().to(device)]


def policy_loss(
    logprobs: torch.Tensor,
    decisions: Decisions,
    advantages: torch.Tensor,
    *,
    clip_low: float,
    clip_high: float,
    ratio: RatioLevel = "token",
    kl: float = 0.0,
    reference: torch.Tensor | None = None,
    bin_rewards: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Compute the loss of decisions that an earlier policy sampled; every decision has the same weight.

    The surrogate of PPO (Schulman et al. 2017, arXiv 1707.06347) with A the advantage and r the probability of the
    decision divided by that at the time of sampling, with separate limits above and below (DAPO, Yu et al. 2025, arXiv
    2503.14476):

        min(r A, clip(r, 1 - clip_low, 1 + clip_high) A)

    With the ratio of the `sequence` (GSPO, Zheng et al. 2025, arXiv 2507.18071, in its form for an advantage of each
    token), r is the geometric mean over the decisions of the answer, so that it is clipped or kept as a whole.

    Where the rewards R_k of all bins are known, the expected reward sum_k p_k R_k takes the place of the surrogate. Its
    gradient is exact for the last coordinate of a block, as nothing that the reward depends on follows it. For the
    others it is the gradient at the later coordinates that were sampled.

    Args:
        logprobs: (D, K) log-probabilities of the options, from `decision_logprobs`, with gradients.
        decisions: The decisions.
        advantages: (D,) their advantages.
        clip_low: Largest decrease of r that is rewarded.
        clip_high: Largest increase of r that is rewarded.
        ratio: Whether r is that of each decision or of its answer.
        kl: Weight of the divergence from the reference model.
        reference: (D, K) log-probabilities of the reference model; None for none.
        bin_rewards: (D, R) reward of each option, from `bin_rewards`; 0 for those from R on, and what is beyond K (of
            `<absent>`, where the checkpoint has no such token) does not matter. A row has NaN where they are not known.
            None to use the surrogate for all decisions.

    Returns:
        `loss` to minimise; `entropy`, the mean entropy of the coordinates, in nats; `clipped_share`, the share of the
        decisions whose surrogate is clipped and therefore has no gradient; `ratio_max`, the largest r; with a reference
        `kl`, the mean divergence from it in nats; with bin rewards `expected_reward`, their mean expectation. The mean
        of nothing is NaN.
    """
    device = logprobs.device
    chosen = logprobs.gather(1, decisions.chosen.to(device)[:, None])[:, 0]
    change = chosen - decisions.logprob.to(device)
    if ratio == "sequence":
        change = _mean_of_answer(change.detach(), decisions) + chosen - chosen.detach()
    rates, advantages = change.exp(), advantages.to(device)
    free, clipped = rates * advantages, rates.clamp(1.0 - clip_low, 1.0 + clip_high) * advantages
    gain, is_sampled = torch.minimum(free, clipped), torch.ones_like(chosen, dtype=torch.bool)
    probability, finite = logprobs.exp(), logprobs.masked_fill(logprobs.isneginf(), 0.0)
    entropy = -(probability * finite).sum(dim=1)
    metrics = {"entropy": entropy[decisions.is_coordinate.to(device)].mean(), "ratio_max": rates.max()}
    if bin_rewards is not None:
        rewards = bin_rewards[:, : logprobs.shape[1]].to(device)
        is_sampled = rewards.isnan().any(dim=1)
        expected = (probability[:, : rewards.shape[1]] * rewards.nan_to_num(nan=0.0)).sum(dim=1)
        gain = torch.where(is_sampled, gain, expected)
        metrics["expected_reward"] = expected[~is_sampled].mean()
    metrics["clipped_share"] = (clipped < free)[is_sampled].float().mean()
    loss = -gain.mean()
    if reference is not None:
        nearby = reference.to(device)
        divergence = (probability * (finite - nearby.masked_fill(nearby.isneginf(), 0.0))).sum(dim=1).mean()
        metrics["kl"] = divergence
        loss = loss + kl * divergence
    return {"loss": loss} | {name: value.detach() for name, value in metrics.items()}


def _places(questions: Sequence[Question], rollout: Rollout) -> torch.Tensor:
    """Return the place of the token before each decision in the row of its question, (D,)."""
    starts = []
    for question, answers in zip(questions, rollout.answers, strict=True):
        ends = torch.tensor([question.context_length, *map(len, answers)]).cumsum(dim=0)
        starts.append(ends[:-1])
    decisions = rollout.decisions
    return torch.stack(starts)[decisions.question, decisions.sample] + decisions.place - 1


def _among_options(logits: torch.Tensor, decisions: Decisions, vocabulary: Vocabulary) -> torch.Tensor:
    """Return the log-probabilities (D, K) of the options from logits (D, vocabulary)."""
    first, count = vocabulary.coordinates[0], len(vocabulary.coordinates)
    among = logits[:, first : first + count]
    named = ~decisions.is_coordinate
    if named.any():
        options = torch.full((len(among), count), -1)
        options[named, : decisions.options.shape[1]] = decisions.options[named]
        options, named = options.to(logits.device), named.to(logits.device)
        others = logits.gather(1, options.clamp(min=0)).masked_fill(options < 0, float("-inf"))
        among = torch.where(named[:, None], others, among)
    return among.log_softmax(dim=1)


def _mean_of_answer(values: torch.Tensor, decisions: Decisions) -> torch.Tensor:
    """Return for each decision the mean of the values (D,) over the decisions of its answer."""
    answers = torch.stack([decisions.question, decisions.sample], dim=1).to(values.device)
    _, answer, counts = answers.unique(dim=0, return_inverse=True, return_counts=True)
    sums = torch.zeros_like(counts, dtype=values.dtype).index_add(0, answer, values)
    return (sums / counts)[answer]
