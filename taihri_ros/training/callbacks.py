"""Trainer callbacks: annealing of the soft targets, a time limit, a progress bar, and a metrics file with curves."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import TrainerCallback

from taihri_ros.resources import write_file
from taihri_ros.training.curves import draw_curves
from taihri_ros.training.network.answer_loss import AnswerLoss
from taihri_ros.training.recipe import SoftTargets

METRICS, CURVES = "metrics.json", "curves.png"


class SoftTargetAnnealing(TrainerCallback):
    """Callback that narrows the soft targets of the coordinates geometrically during training."""

    def __init__(self, module: AnswerLoss, targets: SoftTargets, *, decay: int) -> None:
        """Create the callback.

        Args:
            module: The model with its loss.
            targets: Widths at the first step and at the step where the decay of the learning rate begins.
            decay: Number of steps of that decay.
        """
        self._module, self._targets, self._decay = module, targets, decay

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Set the width for this step."""
        part = min(1.0, state.global_step / max(1, args.max_steps - self._decay))
        first, last = self._targets.first_bins, self._targets.last_bins
        self._module.sigma_bins = first * (last / first) ** part


class TimeLimit(TrainerCallback):
    """Callback that saves a checkpoint and stops the run after a time limit, in all processes at the same step."""

    def __init__(self, minutes: float) -> None:
        """Start the clock.

        Args:
            minutes: The limit.
        """
        self._end = time.monotonic() + 60.0 * minutes

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop the run when the time is over; process 0 decides for all."""
        over = torch.tensor(float(time.monotonic() > self._end), device=args.device)
        if args.world_size > 1:
            torch.distributed.broadcast(over, src=0)
        if over and state.global_step < args.max_steps:
            control.should_evaluate = control.should_save = control.should_training_stop = True


class ProgressBar(TrainerCallback):
    """A progress bar on stderr."""

    def __init__(self, label: str) -> None:
        """Create the callback.

        Args:
            label: Text before the bar.
        """
        self._label = label
        self._bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Open the bar at the first step of a new or resumed run."""
        if state.is_world_process_zero:
            self._bar = tqdm(
                total=state.max_steps,
                initial=state.global_step,
                desc=self._label,
                unit="step",
                dynamic_ncols=True,
                file=sys.stderr,
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Advance the bar."""
        if self._bar is not None:
            self._bar.update(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:  # noqa: ARG002
        """Show the latest loss."""
        if self._bar is not None and "loss" in logs:
            self._bar.set_postfix(loss=f"{float(logs['loss']):.3f}")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


class MetricsFile(TrainerCallback):
    """Callback that writes `metrics.json` and `curves.png` of a run and keeps them up to date.

    `metrics.json` holds the entries of `description`, and `finished`, `step`, `hours` and `records`. A record has the
    metrics of one training step or of one validation (names begin with `eval_`).
    """

    def __init__(self, directory: Path, description: dict[str, Any]) -> None:
        """Create the callback.

        Args:
            directory: Directory of the run.
            description: Entries that describe the run, in JSON types.
        """
        self._path, self._description = directory / METRICS, description
        self._begun, self._earlier_hours = time.monotonic(), 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Continue to count the hours of a resumed run."""
        self._begun = time.monotonic()
        if state.global_step > 0 and self._path.is_file():
            self._earlier_hours = read_metrics(self._path.parent)["hours"]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Request an evaluation at the last step, even if it is not a multiple of the interval."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = True

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Write `metrics.json`."""
        if state.is_world_process_zero:
            hours = self._earlier_hours + (time.monotonic() - self._begun) / 3600.0
            metrics = {
                **self._description,
                "finished": state.global_step >= state.max_steps,
                "step": state.global_step,
                "hours": hours,
                "records": state.log_history,
            }
            write_file(self._path, (json.dumps(metrics, indent=1) + "\n").encode())

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Write `curves.png`."""
        if state.is_world_process_zero:
            draw_curves(self._path.with_name(CURVES), state.log_history)


def read_metrics(directory: Path) -> dict[str, Any]:
    """Read the `metrics.json` of a run.

    Args:
        directory: Directory of the run.

    Returns:
        The content that `MetricsFile` wrote. A run that has not started has no records.
    """
    path = directory / METRICS
    if not path.is_file():
        return {"finished": False, "step": 0, "hours": 0.0, "records": []}
    return dict(json.loads(path.read_text(encoding="utf-8")))
