"""Blends the weights before a fine-tuning into those after it, so that less of what the model knew is lost."""

from __future__ import annotations

import torch


class KeptWeights:
    """The weights of a model before a fine-tuning.

    Fine-tuning on one camera makes a model better there and worse elsewhere. On the line between the weights before and
    after it, most of the gain comes long before most of the loss (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903).
    """

    def __init__(self, model: torch.nn.Module, share: float) -> None:
        """Copy the weights.

        Args:
            model: The model before the fine-tuning.
            share: Their share in the result.
        """
        self._share = share
        self._weights = {name: weight.detach().cpu().clone() for name, weight in model.named_parameters()}

    def blend_into(self, model: torch.nn.Module) -> None:
        """Replace the weights of the model after the fine-tuning by the blend.

        Args:
            model: The model, with the same parameters.
        """
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.lerp_(self._weights[name].to(weight), self._share)
