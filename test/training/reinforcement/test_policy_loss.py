"""The loss of the policy has the gradients of its formulas, and learns from nothing but the decisions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from decided import Row, make_decisions

from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.training.reinforcement.policy_loss import decision_logprobs, policy_loss
from taihri_ros.training.reinforcement.rollout import Rollout
from taihri_ros.training.reinforcement.tree_packing import Question

CLIP = {"clip_low": 0.2, "clip_high": 0.3}
COLUMNS: list[Row] = [(0, 0, 3, 0, 1), (0, 0, 3, 1, 0), (0, 1, 3, 0, 2), (0, 1, 3, 1, 2)]
"""Two coordinates of two answers, among three bins."""


def random_logits(rows: int = len(COLUMNS), options: int = 3) -> torch.Tensor:
    return torch.randn(rows, options, generator=torch.Generator().manual_seed(0)).requires_grad_()


def chosen_of(logprobs: torch.Tensor) -> torch.Tensor:
    return logprobs.detach().gather(1, torch.tensor([[row[-1]] for row in COLUMNS]))[:, 0]


def gradient(loss: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    (found,) = torch.autograd.grad(loss, logits)
    return found


def test_the_log_probabilities_are_those_of_sampling(
    model: Any, features: Any, questions: list[Question], rollout: Rollout, vocabulary: Vocabulary
) -> None:
    logprobs = decision_logprobs(model, features, questions, rollout, vocabulary)
    decisions = rollout.decisions
    assert logprobs.shape == (len(decisions.place), 1001)
    assert logprobs.exp().sum(dim=1).tolist() == pytest.approx([1.0] * len(logprobs), abs=1e-5)
    chosen = logprobs.gather(1, decisions.chosen[:, None])[:, 0]
    assert chosen.tolist() == pytest.approx(decisions.logprob.tolist(), abs=2e-4)
    names = logprobs[~decisions.is_coordinate]
    assert len(names)
    assert (names.isfinite().sum(dim=1) == (decisions.options[~decisions.is_coordinate] >= 0).sum(dim=1)).all()


def test_a_step_changes_the_model_so_that_good_decisions_become_likelier(
    model: Any, features: Any, questions: list[Question], rollout: Rollout, vocabulary: Vocabulary
) -> None:
    decisions = rollout.decisions
    good = torch.linspace(-1.0, 1.0, len(decisions.place))
    logprobs = decision_logprobs(model, features, questions, rollout, vocabulary)
    loss = policy_loss(logprobs, decisions, good, kl=0.1, reference=logprobs.detach(), **CLIP)["loss"]
    weights = list(model.model.language_model.parameters())
    steps = torch.autograd.grad(loss, weights)
    assert all(step.isfinite().all() for step in steps)

    def likelihood() -> float:
        now = decision_logprobs(model, features, questions, rollout, vocabulary)
        return float((now.gather(1, decisions.chosen[:, None])[:, 0] * good).mean())

    with torch.no_grad():
        before = likelihood()
        for weight, step in zip(weights, steps, strict=True):
            weight.sub_(0.01 * step)
        after = likelihood()
        for weight, step in zip(weights, steps, strict=True):
            weight.add_(0.01 * step)
    assert after > before


def test_on_policy_the_gradient_is_that_of_reinforce() -> None:
    logits, advantages = random_logits(), torch.tensor([0.5, -1.0, 2.0, 0.0])
    logprobs = logits.log_softmax(dim=1)
    decisions = make_decisions(COLUMNS, chosen_of(logprobs).tolist())
    chosen = logprobs.gather(1, decisions.chosen[:, None])[:, 0]
    expected = gradient(-(chosen * advantages).mean(), logits)
    for ratio in ("token", "sequence"):
        found = policy_loss(logits.log_softmax(dim=1), decisions, advantages, ratio=ratio, **CLIP)  # type: ignore[arg-type]
        torch.testing.assert_close(gradient(found["loss"], logits), expected)
        assert float(found["ratio_max"]) == pytest.approx(1.0)
        assert float(found["clipped_share"]) == 0.0


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "is_clipped"),
    [
        (1.25, 1.0, 1.25, False),
        (1.5, 1.0, 1.3, True),
        (0.5, 1.0, 0.5, False),
        (0.9, -1.0, -0.9, False),
        (0.5, -1.0, -0.8, True),
        (1.5, -1.0, -1.5, False),
    ],
)
def test_gains_beyond_the_limits_are_clipped_and_losses_never(
    ratio: float, advantage: float, value: float, is_clipped: bool
) -> None:
    logits = random_logits()
    logprobs = logits.log_softmax(dim=1)
    sampled = chosen_of(logprobs) - torch.tensor(ratio).log()
    decisions = make_decisions(COLUMNS, sampled.tolist())
    found = policy_loss(logprobs, decisions, torch.full((4,), advantage), **CLIP)
    assert float(found["loss"].detach()) == pytest.approx(-value)
    assert float(found["clipped_share"]) == float(is_clipped)
    assert bool(gradient(found["loss"], logits).any()) is not is_clipped


def test_a_sequence_is_clipped_as_a_whole_by_its_geometric_mean() -> None:
    logits = random_logits()
    logprobs = logits.log_softmax(dim=1)
    ratios = torch.tensor([2.0, 0.5, 1.6, 1.6])  # the first answer changes little on the whole
    decisions = make_decisions(COLUMNS, (chosen_of(logprobs) - ratios.log()).tolist())
    found = policy_loss(logprobs, decisions, torch.ones(4), ratio="sequence", **CLIP)
    assert float(found["loss"].detach()) == pytest.approx(-(1.0 + 1.0 + 1.3 + 1.3) / 4)
    assert float(found["ratio_max"]) == pytest.approx(1.6)
    assert float(found["clipped_share"]) == 0.5
    rows = gradient(found["loss"], logits).abs().sum(dim=1) > 0.0
    assert rows.tolist() == [True, True, False, False]


def test_the_divergence_is_exact_and_pulls_towards_the_reference() -> None:
    logits = random_logits()
    reference = random_logits().detach().flip(0).log_softmax(dim=1)
    decisions = make_decisions(COLUMNS)
    logprobs = logits.log_softmax(dim=1)
    found = policy_loss(logprobs, decisions, torch.zeros(4), kl=0.5, reference=reference, **CLIP)
    exact = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=logits), torch.distributions.Categorical(logits=reference)
    )
    assert float(found["kl"]) == pytest.approx(float(exact.mean().detach()))
    torch.testing.assert_close(gradient(found["loss"], logits), gradient(0.5 * exact.mean(), logits))
    same = policy_loss(logprobs, decisions, torch.zeros(4), kl=0.5, reference=logprobs.detach(), **CLIP)
    assert float(same["kl"]) == pytest.approx(0.0, abs=1e-6)


def test_options_that_are_not_allowed_have_no_part_in_entropy_divergence_and_gradients() -> None:
    logits = random_logits(2, 4)
    allowed = torch.tensor([[True, True, False, False], [True] * 4])
    logprobs = logits.masked_fill(~allowed, float("-inf")).log_softmax(dim=1)
    rows: list[Row] = [(0, 0, -1, -1, 1), (0, 0, 3, 0, 2)]
    found = policy_loss(
        logprobs,
        make_decisions(rows, [-0.5, -1.0]),
        torch.ones(2),
        kl=0.5,
        reference=torch.zeros(2, 4).masked_fill(~allowed, float("-inf")).log_softmax(dim=1),
        **CLIP,
    )
    slope = gradient(found["loss"], logits)
    assert slope.isfinite().all()
    assert not slope[~allowed].any()
    of_coordinate = torch.distributions.Categorical(logits=logits[1]).entropy()
    assert float(found["entropy"]) == pytest.approx(float(of_coordinate.detach()))


def test_the_expected_reward_is_the_mean_over_all_samples() -> None:
    """Its gradient is that of the surrogate for every option that might have been sampled, by its probability."""
    logits = random_logits(1)
    logprobs = logits.log_softmax(dim=1)
    rewards = torch.tensor([[0.2, 0.9, 0.4]])
    exact = policy_loss(logprobs, make_decisions([(0, 0, 3, 0, 0)]), torch.zeros(1), bin_rewards=rewards, **CLIP)
    assert float(exact["expected_reward"]) == pytest.approx(float((logprobs.exp() * rewards).sum().detach()))
    mean = torch.zeros(1, 3)
    for option, (probability, reward) in enumerate(zip(logprobs.exp()[0].tolist(), rewards[0], strict=True)):
        decisions = make_decisions([(0, 0, 3, 0, option)], [float(logprobs[0, option].detach())])
        sampled = policy_loss(logits.log_softmax(dim=1), decisions, reward[None], **CLIP)
        mean += probability * gradient(sampled["loss"], logits)
    torch.testing.assert_close(gradient(exact["loss"], logits), mean)


def test_where_the_rewards_of_the_bins_are_not_known_samples_are_used() -> None:
    logits = random_logits()
    logprobs = logits.log_softmax(dim=1)
    decisions = make_decisions(COLUMNS, chosen_of(logprobs).tolist())
    rewards = torch.tensor([[0.1, 0.2], [torch.nan, torch.nan], [0.3, 0.4], [torch.nan, torch.nan]])
    advantages = torch.tensor([9.0, -1.0, 9.0, 2.0])
    found = policy_loss(logprobs, decisions, advantages, bin_rewards=rewards, **CLIP)
    probability = logprobs.exp()
    expected = (probability[[0, 2], :2] * rewards[[0, 2]]).sum(dim=1)
    assert float(found["expected_reward"]) == pytest.approx(float(expected.mean().detach()))
    assert float(found["loss"].detach()) == pytest.approx(-(float(expected.sum().detach()) - 1.0 + 2.0) / 4)
    beyond = torch.cat([rewards, torch.zeros(4, 1), torch.ones(4, 1)], dim=1)
    same = policy_loss(logprobs, decisions, advantages, bin_rewards=beyond, **CLIP)
    torch.testing.assert_close(same["loss"], found["loss"])
    without = policy_loss(logprobs, decisions, advantages, bin_rewards=rewards[[0, 0, 2, 2]], **CLIP)
    assert without["clipped_share"].isnan()
