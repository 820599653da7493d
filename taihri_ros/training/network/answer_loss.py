"""The loss of supervised fine-tuning: next-token cross-entropy with soft targets for the coordinates.

Plain cross-entropy penalises <499> as much as any other wrong bin when the target is <500>. The soft target is a
Gaussian over the neighbouring bins, which narrows during training. `<absent>` is no bin: it has plain cross-entropy, in
which it competes with all bins. As an answer, however, it competes with the likeliest bin alone, which has only a small
part of the probability of all bins, so it would be said of every joint that is absent with a tenth of the probability.
A margin is therefore added to its logit in training, which the model learns to subtract (logit adjustment, Menon et al.
2021, arXiv 2007.07314): of what has probability p, the model then says exp(-margin) p / (1 - p) of all bins.

For a share of the pictures, the coordinates in the context are the model's own predictions instead of the true ones, at
all positions at once (parallel scheduled sampling, Duckworth et al. 2019, arXiv 1906.04331). The model thereby learns
to take errors of its earlier coordinates into account.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from taihri_ros.model.quantization import ABSENT, BINS
from taihri_ros.training.network.packing import NO_TARGET
from taihri_ros.training.network.trained_weights import TrainedWeights


class AnswerLoss(TrainedWeights):
    """A Qwen3-VL model with the loss of packed answers."""

    def __init__(
        self,
        model: Any,
        *,
        first_coordinate: int,
        sigma_bins: float,
        scheduled_sampling: float = 0.0,
        absent: bool = False,
        absent_margin: float = 0.0,
    ) -> None:
        """Wrap a model.

        Args:
            model: transformers' Qwen3VLForConditionalGeneration.
            first_coordinate: Id of `<0>`.
            sigma_bins: Standard deviation of the soft targets in bins; 0 for plain cross-entropy.
            scheduled_sampling: Share of the pictures whose context holds the model's own coordinates.
            absent: Whether `<absent>` follows `<999>`.
            absent_margin: What is added to the logit of `<absent>` in the loss, nats.
        """
        super().__init__()
        self.model = model
        self.sigma_bins = sigma_bins
        self._scheduled_sampling = scheduled_sampling
        self._first = first_coordinate
        self._coordinates = BINS + absent
        self._absent_margin = absent_margin

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
        """Compute the loss of a batch; the arguments are the tensors of `packing.collate`, with their shapes.

        Returns:
            `loss` to minimise; `number_loss`, the mean loss of the coordinates; `bin_error`, the mean absolute error of
            the expected coordinate in bins; and `token_accuracy`, the share of correct joint names and delimiters among
            those that the model selects, if it selects any. With `absent` also `absent_accuracy`, the share of absent
            joints that are answered so at their first coordinate, and `false_absent`, the share of the coordinates of
            joints that are there for which `<absent>` is the most likely one. A mean of nothing is NaN.
        """
        features = self.model.model.get_image_features(patches, grids, return_dict=True)
        return self.of_features(features, input_ids, position_ids, visible, targets, weights)

    def of_features(
        self,
        features: Any,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        visible: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Compute the loss of a batch whose images are encoded: `forward` without its first step.

        Args:
            features: Features of the images, from `get_image_features`.
            input_ids: As from `packing.collate`, and so are the others.
            position_ids: The positions.
            visible: The mask.
            targets: The ids to predict.
            weights: Their weights.

        Returns:
            As `forward`.
        """

        def encode(ids: torch.Tensor) -> torch.Tensor:
            return self.model.model(
                input_ids=ids,
                position_ids=position_ids,
                attention_mask=visible,
                mm_encoder_outputs={"image": features},
                use_cache=False,
            ).last_hidden_state

        if self._scheduled_sampling > 0.0:
            with torch.no_grad():
                input_ids = self._with_scheduled_sampling(input_ids, encode(input_ids), targets)
        hidden = encode(input_ids)
        wanted = (targets != NO_TARGET) & (weights > 0.0)
        logits = self.model.lm_head(hidden[wanted]).float()
        ids, weight = targets[wanted], weights[wanted]
        logprobs = self._with_margin(logits).log_softmax(dim=-1)
        bins = ids - self._first
        numeric = (bins >= 0) & (bins < BINS)
        loss = functional.nll_loss(logprobs, ids, reduction="none")
        numbers = logprobs[numeric][:, self._first : self._first + BINS]
        if self.sigma_bins > 0.0:
            target = _soft_targets(bins[numeric], self.sigma_bins)
            loss = loss.masked_scatter(numeric, -(target * numbers).sum(dim=-1))
        return {
            "loss": (loss * weight).sum() / weight.sum(),
            "number_loss": loss[numeric].detach().mean(),
            **self._accuracies(logits, numbers, ids, weight),
        }

    @torch.no_grad()
    def _accuracies(
        self, logits: torch.Tensor, numbers: torch.Tensor, ids: torch.Tensor, weight: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Return how often the predictions with weight 1 are right; see `forward`.

        Args:
            logits: (N, vocabulary) logits of the tokens to predict.
            numbers: (M, 1000) log-probabilities of the bins, for those of the N tokens that are numbers.
            ids: (N,) the right tokens.
            weight: (N,) their weights.
        """
        bins, certain = ids - self._first, weight == 1.0
        numeric, coordinate = (bins >= 0) & (bins < BINS), self._is_coordinate(ids)
        place = torch.arange(BINS, device=numbers.device, dtype=numbers.dtype)
        expected = (numbers.softmax(dim=-1) * place).sum(dim=-1)
        found = {"bin_error": (expected - bins[numeric]).abs()[certain[numeric]].mean()}
        if self._coordinates > BINS:
            said = self._most_likely_coordinates(logits[coordinate & certain]) == ABSENT
            truly = bins[coordinate & certain] == ABSENT
            found |= {"absent_accuracy": said[truly].float().mean(), "false_absent": said[~truly].float().mean()}
        words = (logits[~coordinate].argmax(dim=-1) == ids[~coordinate])[certain[~coordinate]]
        return found | ({"token_accuracy": words.float().mean()} if len(words) else {})

    def _with_margin(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, vocabulary) with the margin of `<absent>`."""
        if self._absent_margin == 0.0 or self._coordinates == BINS:
            return logits
        margin = torch.zeros_like(logits[0])
        margin[self._first + ABSENT] = self._absent_margin
        return logits + margin

    def _is_coordinate(self, ids: torch.Tensor) -> torch.Tensor:
        return (ids >= self._first) & (ids < self._first + self._coordinates)

    def _most_likely_coordinates(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the most likely indices (N,) of coordinate tokens from logits (N, vocabulary)."""
        return logits[:, self._first : self._first + self._coordinates].argmax(dim=-1)

    def _with_scheduled_sampling(self, ids: torch.Tensor, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Replace the coordinates in the context of a share of the pictures by the model's own predictions."""
        chosen = torch.rand(len(ids), 1, device=ids.device) < (self._scheduled_sampling if self.training else 1.0)
        row, place = (self._is_coordinate(targets) & chosen).nonzero(as_tuple=True)
        mixed = ids.clone()
        mixed[row, place + 1] = self._first + self._most_likely_coordinates(self.model.lm_head(hidden[row, place]))
        return mixed


def _soft_targets(bins: torch.Tensor, sigma: float) -> torch.Tensor:
    """Return Gaussians around bins, (N, 1000), each with sum 1."""
    place = torch.arange(BINS, device=bins.device)
    return torch.softmax(-(place - bins[:, None]).square() / (2 * sigma**2), dim=-1)
