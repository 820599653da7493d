"""Pre-training of the vision tower with a heatmap and a depth for every joint, through a temporary head.

Localisation is learned much faster from dense targets than by next-token prediction. The head is linear on the visual
tokens, which are the input of the language model, so that joint positions become linearly decodable from them. The 2D
position is the expectation of the heatmap, as in integral regression (Sun et al. 2018). Each visual token also predicts
the depth of every joint; the depth of a joint is their mean, weighted by its heatmap. The depth of the root, which most
of the other joints' errors share, counts twice, and also where the root is out of the view.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from taihri_ros.inference.checkpoint.layout import PATCH_PX, TOKEN_PX
from taihri_ros.model.zoom import ROOT_INDEX
from taihri_ros.skeleton import JOINTS
from taihri_ros.training.data.viewpoints import ABSENT_M, View
from taihri_ros.training.network.patch_batch import to_patches

CELLS = 4
"""Each visual token has CELLS x CELLS heatmap cells."""

_CELL_PX = TOKEN_PX // CELLS
_NEAREST_M = 0.2
_SIGMA_PX = 6.0


def collate(views: Sequence[View]) -> dict[str, torch.Tensor]:
    """Build a batch of views, sorted by size for `attend_by_size`.

    Args:
        views: The views; sizes may differ.

    Returns:
        `patches` float32 (patches, 768), `grids` int64 (views, 3), `joints` float32 (views, 22, 3) metres in the frame
        of the view, as the model sees them, `ABSENT_M` without a label, `pixels` float32 (views, 22, 2) px, `inside`
        bool (views, 22): whether the joint is in the view, and `zooms` float32 (views,).
    """
    views = sorted(views, key=lambda view: view.image.shape)
    patches, grids = to_patches([view.image for view in views])
    joints = np.nan_to_num(np.stack([view.joints for view in views]), nan=ABSENT_M)
    pixels = np.nan_to_num(np.stack([view.pixels for view in views]))
    return {
        "patches": patches,
        "grids": grids,
        "joints": torch.from_numpy(joints),
        "pixels": torch.from_numpy(pixels),
        "inside": torch.from_numpy(np.stack([view.visibility for view in views]) < 2),
        "zooms": torch.tensor([view.zoom for view in views], dtype=torch.float32),
    }


class DenseHead(nn.Module):
    """A linear head on visual tokens: heatmap cells and log depth of each joint."""

    def __init__(self, width: int) -> None:
        """Create the head.

        Args:
            width: Width of the visual tokens.
        """
        super().__init__()
        self.heat = nn.Linear(width, len(JOINTS) * CELLS**2)
        self.depth = nn.Linear(width, len(JOINTS))
        self.outside = nn.Linear(width, len(JOINTS) * 3)

    def forward(self, tokens: torch.Tensor, grids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Predict heatmaps and depths of a batch.

        Args:
            tokens: (tokens of all views, width).
            grids: (views, 3).

        Returns:
            Heatmap logits (views, 22, cells), -inf in the padding; centres of the cells (views, cells, 2) px; logarithm
            of the depth in metres (views, 22); positions from the mean token (views, 22, 3) metres.
        """
        counts = (grids.prod(dim=1) // 4).tolist()
        views, most = len(counts), max(counts)
        heat = tokens.new_full((views, most, len(JOINTS) * CELLS**2), float("-inf"))
        depth = tokens.new_zeros((views, most, len(JOINTS)))
        mean = torch.stack([part.mean(dim=0) for part in tokens.split(counts)])
        of_view = torch.repeat_interleave(torch.arange(views), torch.tensor(counts))
        place = torch.cat([torch.arange(count) for count in counts])
        heat = heat.index_put((of_view, place), self.heat(tokens).to(heat))
        depth = depth.index_put((of_view, place), self.depth(tokens).to(depth))
        heat = heat.view(views, most, len(JOINTS), CELLS**2).transpose(1, 2)
        weights = torch.softmax(heat.logsumexp(dim=-1), dim=-1)
        log_depth = (weights * depth.transpose(1, 2)).sum(dim=-1)
        centres = torch.stack([_centres(rows // 2, columns // 2, most) for _, rows, columns in grids.tolist()])
        return heat.flatten(2), centres.to(heat), log_depth, self.outside(mean).view(views, len(JOINTS), 3)


class DensePretraining(nn.Module):
    """The vision tower with the temporary head, and the loss."""

    def __init__(self, tower: nn.Module, *, width: int, focal_px: float) -> None:
        """Add the head to a vision tower.

        Args:
            tower: The vision tower.
            width: Width of its visual tokens.
            focal_px: Focal length of the model in px.
        """
        super().__init__()
        self.tower = tower
        self.head = DenseHead(width)
        self.focal_px = focal_px

    def forward(
        self,
        patches: torch.Tensor,
        grids: torch.Tensor,
        joints: torch.Tensor,
        pixels: torch.Tensor,
        inside: torch.Tensor,
        zooms: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Compute the loss and the errors of a batch; the arguments are the tensors of `collate`, with their shapes.

        Returns:
            `loss` to minimise, and `heat_loss`; for the joints in the view `pixel_error` and `pixel_median` in px, and
            `depth_error`, `error` and `error_median` in m, all without the zoom; `root_depth_error` in m for the views
            with a joint; for all joints within 4 m `anywhere_error` in m.
        """
        tokens = self.tower(patches, grids).pooler_output.float()
        heat, centres, log_depth, anywhere = self.head(tokens, grids)
        with torch.no_grad():
            nearness = pixels @ centres.mT - centres.square().sum(dim=-1)[:, None] / 2  # without |pixel|^2 / 2
            target = torch.softmax((nearness / _SIGMA_PX**2).masked_fill(heat.isneginf(), float("-inf")), dim=-1)
        log_heat = heat.log_softmax(dim=-1).clamp_min(-50.0)
        located = torch.einsum("vjc,vcd->vjd", log_heat.exp(), centres)
        z = joints[..., 2].clamp_min(_NEAREST_M)
        heat_loss = -(target * log_heat).sum(dim=-1)[inside].mean()
        offset = (located - pixels)[inside]
        pixel_loss = functional.smooth_l1_loss(offset / TOKEN_PX, torch.zeros_like(offset), beta=0.05)
        depth_loss = (log_depth - z.log())[inside].abs().mean()
        rooted = inside.any(dim=-1) & (z[:, ROOT_INDEX] < ABSENT_M)
        root_loss = (log_depth - z.log())[rooted, ROOT_INDEX].abs().mean()
        near = joints.abs().amax(dim=-1) < 4.0
        anywhere_loss = (anywhere - joints)[near].abs().mean()
        with torch.no_grad():
            size = grids[:, [2, 1]] * PATCH_PX
            ray = (located - (size[:, None] - 1) / 2) / (self.focal_px * zooms)[:, None, None]
            depth = _real_depths(log_depth.exp(), zooms)
            offset_z = depth - _real_depths(z, zooms)
            error = torch.cat([ray * depth[..., None] - joints[..., :2], offset_z[..., None]], dim=-1)[inside]
            error = error.norm(dim=-1)
            pixel_error = offset.norm(dim=-1)
        return {
            "loss": heat_loss + pixel_loss + 2.0 * depth_loss + root_loss + 0.3 * anywhere_loss,
            "heat_loss": heat_loss.detach(),
            "pixel_error": pixel_error.mean(),
            "pixel_median": pixel_error.median(),
            "depth_error": offset_z[inside].abs().mean(),
            "root_depth_error": offset_z[rooted, ROOT_INDEX].abs().mean(),
            "error": error.mean(),
            "error_median": error.median(),
            "anywhere_error": anywhere_loss.detach(),
        }


def _real_depths(seen: torch.Tensor, zooms: torch.Tensor) -> torch.Tensor:
    """Return the depths (views, 22) without the zoom, by the rule of `model/zoom.py`."""
    return seen + (zooms - 1.0)[:, None] * seen[:, ROOT_INDEX, None]


def _centres(rows: int, columns: int, most: int) -> torch.Tensor:
    """Return the centres of the heatmap cells of a view, in the order of its tokens, padded to a number of tokens."""
    cell = torch.arange(CELLS) * _CELL_PX + (_CELL_PX - 1) / 2
    y = (torch.arange(rows)[:, None, None, None] * TOKEN_PX + cell[:, None]).expand(rows, columns, CELLS, CELLS)
    x = (torch.arange(columns)[None, :, None, None] * TOKEN_PX + cell).expand(rows, columns, CELLS, CELLS)
    centres = torch.stack([x, y], dim=-1).reshape(-1, 2)
    return functional.pad(centres, (0, 0, 0, most * CELLS**2 - len(centres)))
