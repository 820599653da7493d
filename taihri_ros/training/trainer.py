"""Hugging Face's Trainer with Muon, with evaluation of averaged weights, and with logging of further metrics."""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import transformers

from taihri_ros.training.optimizer import make_optimizer
from taihri_ros.training.weight_average import WeightAverage


class Trainer(transformers.Trainer):
    """A trainer for modules whose `forward` returns a dict with `loss` and further metrics.

    The metrics are averaged between two log entries and logged with the loss; NaN, for nothing to measure, is left out.
    """

    def __init__(
        self, *args: Any, muon_rate: float | None, average: WeightAverage | None = None, **kwargs: Any
    ) -> None:
        """Create the trainer.

        Args:
            *args: Passed to transformers.Trainer.
            muon_rate: Learning rate of the hidden matrices; other parameters use the `learning_rate` of the arguments.
                None for the default optimiser of transformers.
            average: The average of the weights, which is evaluated instead of them; None for none.
            **kwargs: Passed to transformers.Trainer.
        """
        super().__init__(*args, **kwargs)
        self._muon_rate, self._average = muon_rate, average
        self._metrics: dict[str, list[torch.Tensor]] = defaultdict(list)
        self.compute_metrics = self._mean_metrics

    def create_optimizer(self, model: Any = None) -> Any:
        """Create the optimiser of the module."""
        if self._muon_rate is None or self.optimizer is not None:
            return super().create_optimizer(model)
        self.optimizer: Any = make_optimizer(
            model or self.model,
            muon_rate=self._muon_rate,
            adam_rate=self.args.learning_rate,
            weight_decay=self.args.weight_decay,
            dtype=torch.bfloat16 if self.args.bf16 else torch.float32,
        )
        return self.optimizer

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        """Run the module on a batch and record its metrics."""
        outputs = model(**inputs)
        if model.training:
            for name, value in outputs.items():
                if name != "loss":
                    self._metrics[name].append(value.detach())
        return (outputs["loss"], outputs) if return_outputs else outputs["loss"]

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate the average of the weights, or the weights themselves without one."""
        with self._average.in_use() if self._average else nullcontext():
            return dict(super().evaluate(*args, **kwargs))

    def prediction_step(
        self,
        model: Any,
        inputs: Any,
        prediction_loss_only: bool,  # noqa: ARG002
        ignore_keys: Any = None,  # noqa: ARG002
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the loss of a batch and its other metrics as one row."""
        with torch.no_grad():
            outputs = model(**self._prepare_inputs(inputs))
        self._names = [name for name in outputs if name != "loss"]
        row = torch.stack([outputs[name] for name in self._names])[None]
        return outputs["loss"].detach(), row, row

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Write a log entry with the mean metrics since the previous one."""
        if "loss" in logs:
            means = {name: float(torch.stack(values).nanmean()) for name, values in self._metrics.items()}
            logs |= {name: value for name, value in means.items() if not math.isnan(value)}
            self._metrics.clear()
        super().log(logs, *args, **kwargs)

    def _mean_metrics(self, prediction: Any) -> dict[str, float]:
        """Return the means of the metrics over the validation batches, from the rows of `prediction_step`."""
        return {
            name: float(np.nanmean(column))
            for name, column in zip(self._names, prediction.predictions.T, strict=True)
            if not np.isnan(column).all()
        }
