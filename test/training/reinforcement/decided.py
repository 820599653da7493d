"""Decisions without a model."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from taihri_ros.training.reinforcement.rollout import Decisions

Row = tuple[int, int, int, int, int]


def make_decisions(rows: Sequence[Row], logprob: Sequence[float] | None = None) -> Decisions:
    """Return decisions from rows of question, sample, joint, column and chosen option."""
    question, sample, joint, column, chosen = torch.tensor(rows).unbind(dim=1)
    place = torch.arange(1, len(rows) + 1)
    options = torch.full((len(rows), 3), -1)
    options[joint < 0] = torch.tensor([7, 8, 9])
    sampled = torch.zeros(len(rows)) if logprob is None else torch.tensor(logprob)
    return Decisions(question, sample, place, joint, column, chosen, options, sampled)
