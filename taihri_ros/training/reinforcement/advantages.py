"""Advantages: how much better each decision of a sampled answer turned out than those of the other answers.

The baseline of a reward is its mean over the group of answers to the same question, so no value network is needed:
group-relative policy optimisation (GRPO, Shao et al. 2024, arXiv 2402.03300). Every decision is judged by a reward that
it earned. Between joints nothing but the context is shared, so a good wrist should not praise the coordinates of a bad
knee in the same answer: with `joint` or `coordinate`, the baseline is computed for each joint over the answers of the
group that have it.
"""

from __future__ import annotations

import torch

from taihri_ros.training.reinforcement.answer_steps import COLUMNS
from taihri_ros.training.reinforcement.rollout import Decisions
from taihri_ros.training.rewards.rewards import Credit, Scores

_LEAST_DEVIATION = 1e-4
"""Added to the standard deviation of a group, so that nearly equal rewards are not inflated to large advantages."""


def advantages(
    decisions: Decisions, scores: Scores, *, group: int, credit: Credit, group_scaling: bool
) -> torch.Tensor:
    """Compute the advantage of each decision.

    Args:
        decisions: The decisions of Q groups of answers.
        scores: Rewards of the N = Q x `group` answers, those of a question one after another.
        group: Number of answers to each question.
        credit: The reward of a coordinate: `answer`, the total of its answer; `joint`, the mean of its joint's two
            blocks; `coordinate`, that of its joint's 2D or 3D block alone. Another token has the total with `answer`,
            otherwise the reward of the choice of joints.
        group_scaling: Whether the difference from the mean of the group is divided by the standard deviation of the
            group, as in GRPO. Without, as in Dr. GRPO (Liu et al. 2025, arXiv 2503.20783), questions whose answers are
            all nearly equal do not count as much as others.

    Returns:
        (D,) float32; 0 where the reward is not known.
    """
    total, of_choice, of_joint = (
        torch.as_tensor(rewards, dtype=torch.float32) for rewards in (scores.total, scores.of_choice, scores.of_joint)
    )
    if credit == "answer":
        of_choice, of_joint = total, total[:, None, None].expand_as(of_joint)
    elif credit == "joint":
        of_joint = of_joint.nanmean(dim=2, keepdim=True).expand_as(of_joint)
    of_choice, of_joint = (_relative(rewards, group, scaled=group_scaling) for rewards in (of_choice, of_joint))
    answer, block = decisions.question * group + decisions.sample, (decisions.column >= COLUMNS["3d"]).long()
    found = torch.where(decisions.is_coordinate, of_joint[answer, decisions.joint, block], of_choice[answer])
    return found.nan_to_num(nan=0.0)


def _relative(rewards: torch.Tensor, group: int, *, scaled: bool) -> torch.Tensor:
    """Return rewards (N, ...) relative to their group; NaN is left out and stays NaN."""
    grouped = rewards.unflatten(0, (-1, group))
    relative = grouped - grouped.nanmean(dim=1, keepdim=True)
    if scaled:
        relative = relative / (relative.square().nanmean(dim=1, keepdim=True).sqrt() + _LEAST_DEVIATION)
    return relative.flatten(0, 1)
