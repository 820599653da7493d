"""The exponential moving average of the weights of a run, with which it is evaluated and exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import TrainerCallback
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

AVERAGE = "average.safetensors"


class WeightAverage(TrainerCallback):
    """Callback that averages the weights after each step and saves the average in each checkpoint.

    At a constant learning rate the weights move around a minimum; their average lies nearer to it (Izmailov et al.
    2018, arXiv 1803.05407).
    """

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        """Create the average; it begins with the weights after the first step.

        Args:
            module: The trained module.
            decay: Weight of the average at each step; the new weights have the rest.
        """
        self._module = module
        self._average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Add the new weights to the average."""
        self._average.update_parameters(self._module)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Save the average beside the weights of a checkpoint."""
        if state.is_world_process_zero:
            checkpoint = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
            save_model(self._average.module, str(checkpoint / AVERAGE))

    def load(self, checkpoint: Path) -> None:
        """Continue from the average that a checkpoint holds.

        Args:
            checkpoint: The directory.
        """
        load_model(self._average.module, checkpoint / AVERAGE, strict=False)  # frozen weights are not saved
        self._average.n_averaged.fill_(1)  # a count of 0 would replace the average by the next weights

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Exchange the weights for their average, and back at the end."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def exchange(self) -> None:
        """Exchange the weights and their average."""
        for weights, average in zip(self._module.parameters(), self._average.module.parameters(), strict=True):
            weights.data, average.data = average.data, weights.data


def last_checkpoint(directory: Path, *, averaged: bool) -> Path | None:
    """Return the last complete checkpoint of a run.

    Args:
        directory: Directory of the run.
        averaged: Whether a checkpoint must hold the average of the weights.

    Returns:
        The checkpoint; None if there is none. One during whose writing the run was killed is left out.
    """
    needed = (TRAINER_STATE_NAME, AVERAGE) if averaged else (TRAINER_STATE_NAME,)
    complete = [
        path for path in directory.glob(f"{PREFIX_CHECKPOINT_DIR}-*") if all((path / name).is_file() for name in needed)
    ]
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
