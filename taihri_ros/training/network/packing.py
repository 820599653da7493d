"""Several questions and their answers, packed behind one image, and which token may see which.

The vision tower is the costly part of a small model, and one picture can be asked about many times. Every question
with its answer is a branch: it sees the image, and itself, and no other branch, at the positions that it would have if
it stood alone. What the model learns is therefore exactly what it will be asked.
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


@dataclass(frozen=True, eq=False)
class Branch:
    """One question with its answer.

    Attributes:
        prompt: Ids of everything that stands between the image and the answer.
        answer: Ids of the answer, the end token included, as the model is to read them while it writes.
        targets: Ids that it is to write, of the same length; they differ from `answer` where its own errors are
            imitated.
        weights: How much each counts, of the same length.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    targets: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Packed:
    """An image with what is asked of it.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        prefix: Ids of everything before the image.
        branches: The questions.
    """

    image: NDArray[np.uint8]
    prefix: tuple[int, ...]
    branches: tuple[Branch, ...]


def collate(samples: Sequence[Packed], image_id: int, padding_id: int) -> dict[str, torch.Tensor]:
    """Lay out a batch, in the order of the images' sizes, for `attend_by_size`.

    Args:
        samples: The samples.
        image_id: Id of the placeholder of a visual token.
        padding_id: Id for the end of the shorter rows.

    Returns:
        `patches` and `grids` as `to_patches` gives them; `input_ids` (N, L); `position_ids` (3, N, L), Qwen3-VL's
        multimodal positions; `visible` bool (N, 1, L, L), which key each query sees; `targets` (N, L), the id
        that each place is to predict or NO_TARGET, and `weights` float32 (N, L).
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


def _lay_out(sample: Packed, image_id: int, grid: tuple[int, int]) -> _Row:
    """Lay out one sample; branch 0 is what all branches share."""
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
        silent = len(branch.prompt) - 1
        targets += [*([NO_TARGET] * silent), *branch.targets, NO_TARGET]
        weights += [*([0.0] * silent), *branch.weights, 0.0]
    return _Row(ids, np.concatenate(positions, axis=1), np.concatenate(branches), targets, weights)
