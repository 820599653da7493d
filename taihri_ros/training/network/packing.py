"""Sequence packing: several questions with their answers share one image, separated by the attention mask.

The vision tower is the expensive part of a small model, so one encoded image is used for many questions. Every
question with its answer is a branch. It attends to the image and to itself but to no other branch, and has the
positions that it would have in a separate sequence. Training on a packed sample is therefore equivalent to training on
each question separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from taihri_ros.inference.checkpoint.layout import MERGE
from taihri_ros.training.network.patch_batch import to_patches

NO_TARGET = -100
"""Target of a position from which nothing is learned, as in torch."""


@dataclass(frozen=True, eq=False)
class Branch:
    """One question with its answer.

    Attributes:
        prompt: Ids of the tokens between the image and the answer.
        answer: Ids of the answer in the context, with the end token.
        targets: Ids to predict, of the same length; they differ from `answer` where noise is added to the context.
        weights: Loss weight of each target, of the same length.
        free: Whether the model chooses the joints.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    targets: tuple[int, ...]
    weights: tuple[float, ...]
    free: bool


@dataclass(frozen=True, eq=False)
class PackedSample:
    """An image with its questions and answers.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        prefix: Ids of the tokens before the image.
        branches: The questions.
    """

    image: NDArray[np.uint8]
    prefix: tuple[int, ...]
    branches: tuple[Branch, ...]


def collate(samples: Sequence[PackedSample], image_id: int, padding_id: int) -> dict[str, torch.Tensor]:
    """Build a batch, sorted by image size for `attend_by_size`.

    Args:
        samples: The samples.
        image_id: Id of the placeholder of a visual token.
        padding_id: Id that pads shorter rows.

    Returns:
        `patches` and `grids` as from `to_patches`; `input_ids` (N, L); `position_ids` (3, N, L), multimodal positions
        of Qwen3-VL; `visible` bool (N, 1, L, L), whether a query attends to a key; `targets` (N, L), the id to predict
        at each position, or NO_TARGET; and `weights` float32 (N, L).
    """
    samples = sorted(samples, key=lambda sample: sample.image.shape)
    patches, grids = to_patches([sample.image for sample in samples])
    rows = [
        _lay_out(sample, image_id, (int(grid[1]) // MERGE, int(grid[2]) // MERGE))
        for sample, grid in zip(samples, grids, strict=True)
    ]
    longest = max(len(row.ids) for row in rows)
    count = len(rows)
    ids = np.full((count, longest), padding_id, np.int64)
    positions = np.zeros((3, count, longest), np.int64)
    branches = np.full((count, longest), -1, np.int64)
    targets = np.full((count, longest), NO_TARGET, np.int64)
    weights = np.zeros((count, longest), np.float32)
    for index, row in enumerate(rows):
        length = len(row.ids)
        ids[index, :length], positions[:, index, :length], branches[index, :length] = (
            row.ids,
            row.positions,
            row.branches,
        )
        targets[index, :length], weights[index, :length] = row.targets, row.weights
    place = np.arange(longest)
    same = (branches[:, None, :] == 0) | (branches[:, None, :] == branches[:, :, None])
    visible = same & (place[None, :] <= place[:, None])
    return {
        "patches": patches,
        "grids": grids,
        "input_ids": torch.from_numpy(ids),
        "position_ids": torch.from_numpy(positions),
        "visible": torch.from_numpy(visible[:, None]),
        "targets": torch.from_numpy(targets),
        "weights": torch.from_numpy(weights),
    }


@dataclass(frozen=True, eq=False)
class _Row:
    ids: list[int]
    positions: NDArray[np.int64]
    branches: NDArray[np.int64]
    targets: list[int]
    weights: list[float]


def _lay_out(sample: PackedSample, image_id: int, grid: tuple[int, int]) -> _Row:
    """Arrange the tokens of one sample; branch 0 is the shared prefix with the image."""
    rows, columns = grid
    start = len(sample.prefix)
    ids = [*sample.prefix, *([image_id] * (rows * columns))]
    image = np.stack([np.zeros(rows * columns, np.int64), *np.indices(grid).reshape(2, -1)]) + start
    positions = [np.tile(np.arange(start), (3, 1)), image]
    branches = [np.zeros(len(ids), np.int64)]
    targets, weights = [NO_TARGET] * len(ids), [0.0] * len(ids)
    after = start + max(grid)
    for number, branch in enumerate(sample.branches, 1):
        length = len(branch.prompt) + len(branch.answer)
        ids += [*branch.prompt, *branch.answer]
        positions.append(np.tile(np.arange(after, after + length), (3, 1)))
        branches.append(np.full(length, number))
        unsupervised = len(branch.prompt) - 1
        targets += [*([NO_TARGET] * unsupervised), *branch.targets, NO_TARGET]
        weights += [*([0.0] * unsupervised), *branch.weights, 0.0]
    return _Row(ids, np.concatenate(positions, axis=1), np.concatenate(branches), targets, weights)
