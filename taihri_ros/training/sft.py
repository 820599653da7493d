"""Supervised fine-tuning: the next token of the answer, its numbers with soft targets over the neighbouring bins.

That <499> is nearly right where <500> is asked for, plain cross-entropy cannot know. A target that falls off as a
Gaussian over the bins says so; as training goes on it is made narrower.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from taihri_ros.quantization import BINS, InteractionSpace
from taihri_ros.training.packing import NO_TARGET


class AnswerLoss(nn.Module):
    """A Qwen3-VL with the loss of its packed answers."""

    def __init__(self, model: Any, *, first_coordinate: int, space: InteractionSpace, sigma_bins: float) -> None:
        """Wrap a model.

        Args:
            model: transformers' Qwen3VLForConditionalGeneration.
            first_coordinate: Id of `<0>`.
            space: Ranges of the 3D bins, for the figures in metres.
            sigma_bins: Standard deviation of the soft targets in bins; 0 for plain cross-entropy.
        """
        super().__init__()
        self.model = model
        self.sigma_bins = sigma_bins
        self._first = first_coordinate
        self._depth_step = float(space.step[2])

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Give what is trained, each tensor once: checkpoints of a run repeat nothing that does not change."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in super().state_dict(*args, **kwargs).items() if name in trained}

    def forward(
        self,
        patches: torch.Tensor,
        grids: torch.Tensor,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        visible: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Compute the loss of a batch that `packing.collate` made.

        Returns:
            `loss` to minimise; `number_loss`; `bin_error`, by how many bins the expected number is wrong, all
            coordinates alike, and `token_accuracy`, the share right of the joints and marks that the model chooses,
            where it chooses any.
        """
        hidden = self.model.model(
            input_ids=input_ids,
            pixel_values=patches,
            image_grid_thw=grids,
            position_ids=position_ids,
            attention_mask=visible,
            use_cache=False,
        ).last_hidden_state
        wanted = (targets != NO_TARGET) & (weights > 0.0)
        logits = self.model.lm_head(hidden[wanted]).float()
        ids, weight = targets[wanted], weights[wanted]
        logprobs = logits.log_softmax(dim=-1)
        bins = ids - self._first
        numeric = (bins >= 0) & (bins < BINS)
        loss = functional.nll_loss(logprobs, ids, reduction="none")
        numbers = logprobs[numeric][:, self._first : self._first + BINS]
        if self.sigma_bins > 0.0:
            target = _soft_targets(bins[numeric], self.sigma_bins)
            loss = loss.masked_scatter(numeric, -(target * numbers).sum(dim=-1))
        with torch.no_grad():
            place = torch.arange(BINS, device=numbers.device, dtype=numbers.dtype)
            expected = (numbers.softmax(dim=-1) * place).sum(dim=-1)
            sure = weight[numeric] == 1.0
            off = (expected - bins[numeric]).abs()[sure]
            words = (logits[~numeric].argmax(dim=-1) == ids[~numeric])[weight[~numeric] == 1.0]
        figures = {
            "loss": (loss * weight).sum() / weight.sum(),
            "number_loss": loss[numeric].detach().mean(),
            "bin_error": off.mean(),
        }
        return figures | ({"token_accuracy": words.float().mean()} if len(words) else {})


def _soft_targets(bins: torch.Tensor, sigma: float) -> torch.Tensor:
    """Give Gaussians around bins, (N, 1000), each with sum 1."""
    place = torch.arange(BINS, device=bins.device)
    return torch.softmax(-(place - bins[:, None]).square() / (2 * sigma**2), dim=-1)
