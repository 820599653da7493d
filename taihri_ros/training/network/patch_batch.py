"""Patches of a batch of images, in the order of Qwen3-VL's image processor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from taihri_ros.inference.checkpoint.layout import MERGE, PATCH_PX


def embed_still_patches(tower: nn.Module) -> None:
    """Replace the patch embedding of a vision tower by one matrix product for still images.

    Qwen3-VL encodes every image as two equal frames with a 3D convolution whose stride is its kernel size. A matrix
    product with the weights summed over the frames gives the same result with half the operations, and avoids the slow
    backward pass of the convolution on a CPU.

    Args:
        tower: The vision tower; its input is then (patches, 768).
    """
    embedding = tower.patch_embed

    def forward(patches: torch.Tensor) -> torch.Tensor:
        weight = embedding.proj.weight.sum(dim=2).flatten(1)
        return functional.linear(patches.to(weight.dtype), weight, embedding.proj.bias)

    embedding.forward = forward


def to_patches(images: Sequence[NDArray[np.uint8]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut images into patches, scaled to [-1, 1].

    Args:
        images: (height, width, 3) uint8 RGB each; sides are multiples of 32 px, sizes may differ.

    Returns:
        Patches of all images, float32 (patches, 768), the four of a visual token in sequence, and the grid of each
        image, int64 (images, 3): frames, rows and columns of patches.
    """
    patches, grids = [], []
    for image in images:
        rows, columns = image.shape[0] // (PATCH_PX * MERGE), image.shape[1] // (PATCH_PX * MERGE)
        blocks = torch.from_numpy(np.ascontiguousarray(image)).view(rows, MERGE, PATCH_PX, columns, MERGE, PATCH_PX, 3)
        patches.append(blocks.permute(0, 3, 1, 4, 6, 2, 5).reshape(rows * columns * MERGE**2, -1))
        grids.append([1, rows * MERGE, columns * MERGE])
    return torch.cat(patches).float().div_(127.5).sub_(1.0), torch.tensor(grids)
