"""Modules whose checkpoints hold only the weights that are trained."""

from __future__ import annotations

from typing import Any

from torch import nn


class TrainedWeights(nn.Module):
    """A module whose state has no frozen weights, so that the checkpoints of a run do not repeat them."""

    _keys_to_ignore_on_save = None  # read by Hugging Face's Trainer where a checkpoint lacks the frozen weights

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the trainable tensors only."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in super().state_dict(*args, **kwargs).items() if name in trained}
