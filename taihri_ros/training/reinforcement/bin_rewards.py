"""The reward of every bin of a coordinate, with the other coordinates of its joint as they were sampled.

The probabilities of all bins are known, so with these rewards so is the expected reward (`policy_loss.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from taihri_ros.model.quantization import ABSENT, BINS, decode_pixels
from taihri_ros.model.zoom import ROOT_INDEX
from taihri_ros.training.reinforcement.rollout import Decisions
from taihri_ros.training.rewards import terms
from taihri_ros.training.rewards.answers import SampledAnswer
from taihri_ros.training.rewards.rewards import RewardSettings
from taihri_ros.training.rewards.targets import Target

_BLOCKS = {"2d": range(2), "3d": range(2, 5)}

_Array = NDArray[np.float32]


def bin_rewards(
    decisions: Decisions,
    answers: Sequence[SampledAnswer],
    targets: Sequence[Target],
    settings: RewardSettings,
    *,
    group: int,
) -> torch.Tensor:
    """Compute the rewards that the options of each coordinate would earn.

    They are those of the coordinate's block as far as they concern its joint alone: in 2D the pixel, in 3D the weighted
    mean of the point and, for the root, of its depth. As in `Scores.of_joint`, `<absent>` earns 0 where somebody is,
    and where nobody is it earns 1 and coordinates 0.

    Args:
        decisions: The decisions.
        answers: The N answers, those of a question one after another.
        targets: Their targets.
        settings: Weights and forms of the rewards.
        group: Number of answers to each question.

    Returns:
        (D, 1001) float32, the bins and `<absent>`. A row is NaN for a token that is no coordinate, where the true place
        is not known, and where another coordinate of the joint is missing or `<absent>`, with which no bin earns
        anything.
    """
    found = np.full((len(decisions.joint), BINS + 1), np.nan, np.float32)
    asked = targets[::group]
    places = np.stack([_places_of_bins(target) for target in asked])
    true = np.stack([np.concatenate([target.pixels, target.points], axis=1) for target in asked]).astype(np.float32)
    person, scale = np.array([each.person for each in asked]), np.array([each.scale_px for each in asked], np.float32)
    bins = np.stack([answer.bins for answer in answers])
    question, joint = decisions.question.numpy(), decisions.joint.numpy()
    sampled = bins[question * group + decisions.sample.numpy(), joint]
    is_bin = (sampled >= 0) & (sampled < ABSENT)
    for block, columns in _BLOCKS.items():
        for column in columns:
            rows = np.flatnonzero((decisions.column.numpy() == column) & np.delete(is_bin, column, axis=1).all(axis=1))
            if not len(rows):
                continue
            asked_rows, joints = question[rows], joint[rows]
            offsets = {
                each: places[asked_rows, :, column] - true[asked_rows, joints, column, None]
                if each == column
                else (places[asked_rows, sampled[rows, each], each] - true[asked_rows, joints, each])[:, None]
                for each in columns
            }
            if block == "2d":
                rewards = _pixel_rewards(offsets, scale[asked_rows], joints, settings)
            else:
                rewards = _point_rewards(offsets, joints, settings)
            is_person = person[asked_rows]
            found[rows, :BINS] = np.where(is_person[:, None], rewards, 0.0)
            found[rows, ABSENT] = ~is_person
    return torch.from_numpy(found)


def _places_of_bins(target: Target) -> _Array:
    """Return the place of each bin along u, v (px), x, y and z (m), (1000, 5)."""
    bins = np.arange(BINS)[:, None]
    flat, deep = decode_pixels(bins.repeat(2, axis=1), target.size), target.space.decode(bins.repeat(3, axis=1))
    return np.concatenate([flat, deep], axis=1).astype(np.float32)


def _distance(offsets: Mapping[int, _Array]) -> _Array:
    """Return the distances (n, 1000) from offsets along each axis, (n, 1000) or (n, 1)."""
    return np.asarray(np.sqrt(sum(np.square(offset) for offset in offsets.values())))


def _pixel_rewards(
    offsets: Mapping[int, _Array], scale: _Array, joints: NDArray[np.int64], settings: RewardSettings
) -> _Array:
    if settings.pixel == 0.0:
        return np.full((len(joints), BINS), np.nan, np.float32)
    constants = terms.OKS_CONSTANTS[joints].astype(np.float32)
    return np.asarray(terms.pixel_reward(_distance(offsets), scale[:, None], constants[:, None]), np.float32)


def _point_rewards(offsets: Mapping[int, _Array], joints: NDArray[np.int64], settings: RewardSettings) -> _Array:
    shape, half_m = settings.point_shape, settings.point_half_m
    point = terms.closeness(_distance(offsets), shape, half_m)
    weights = np.where(joints == ROOT_INDEX, settings.root_depth, 0.0)[:, None]
    whole = settings.point + weights
    total = settings.point * point + weights * terms.closeness(np.abs(offsets[4]), shape, half_m)
    return np.asarray(np.divide(total, whole, out=np.full(total.shape, np.nan), where=whole > 0.0), np.float32)
