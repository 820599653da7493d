"""What happens beside the steps of a run: narrower targets, a time limit, a progress bar, metrics and curves."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import TrainerCallback

from taihri_ros.training.curves import draw_curves
from taihri_ros.training.network.answer_loss import AnswerLoss
from taihri_ros.training.recipe import SoftTargets

METRICS, CURVES = "metrics.json", "curves.png"


class NarrowTargets(TrainerCallback):
    """Makes the soft targets of the numbers narrower as training goes on."""

    def __init__(self, module: AnswerLoss, targets: SoftTargets, *, decay: int) -> None:
        """Create the callback.

        Args:
            module: The model with its loss.
            targets: Widths at the first step and where the decay begins.
            decay: Steps of the decay.
        """
        self._module, self._targets, self._decay = module, targets, decay

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Set the width for a step."""
        part = min(1.0, state.global_step / max(1, args.max_steps - self._decay))
        first, last = self._targets.first_bins, self._targets.last_bins
        self._module.sigma_bins = first * (last / first) ** part


class TimeLimit(TrainerCallback):
    """Writes a checkpoint and ends the run after some time, in all processes at the same step."""

    def __init__(self, minutes: float) -> None:
        """Start the clock."""
        self._end = time.monotonic() + 60.0 * minutes

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Look at the clock."""
        over = torch.tensor(float(time.monotonic() > self._end), device=args.device)
        if args.world_size > 1:
            torch.distributed.broadcast(over, src=0)
        if over and state.global_step < args.max_steps:
            control.should_evaluate = control.should_save = control.should_training_stop = True


class Progress(TrainerCallback):
    """A progress bar on stderr."""

    def __init__(self, label: str) -> None:
        """Name the run."""
        self._label = label
        self._bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Open the bar where the run begins or goes on."""
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
        """Move it."""
        if self._bar is not None:
            self._bar.update(1)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:  # noqa: ARG002
        """Show the last loss."""
        if self._bar is not None and "loss" in logs:
            self._bar.set_postfix(loss=f"{float(logs['loss']):.3f}")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Close it."""
        if self._bar is not None:
            self._bar.close()


class MetricsFile(TrainerCallback):
    """Keeps `metrics.json` and `curves.png` of a run up to date.

    The file holds what `describe` was given, and `finished`, `step`, `hours` and `records`, one mapping for each record
    of training or validation (whose names begin with `eval_`).
    """

    def __init__(self, directory: Path, describe: dict[str, Any]) -> None:
        """Create the callback.

        Args:
            directory: Of the run.
            describe: What the file is to say of the run.
        """
        self._path, self._describe = directory / METRICS, describe
        self._begun, self._earlier_hours = time.monotonic(), 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Take up the hours of a run that goes on."""
        self._begun = time.monotonic()
        if state.global_step > 0 and self._path.is_file():
            self._earlier_hours = read_metrics(self._path.parent)["hours"]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Have the last step evaluated, whatever its number."""
        if state.global_step >= state.max_steps:
            control.should_evaluate = True

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Write the metrics."""
        if state.is_world_process_zero:
            hours = self._earlier_hours + (time.monotonic() - self._begun) / 3600.0
            metrics = {
                **self._describe,
                "finished": state.global_step >= state.max_steps,
                "step": state.global_step,
                "hours": hours,
                "records": state.log_history,
            }
            scratch = self._path.with_suffix(".part")
            scratch.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
            scratch.replace(self._path)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Draw the curves."""
        if state.is_world_process_zero:
            draw_curves(self._path.with_name(CURVES), state.log_history)


def read_metrics(directory: Path) -> dict[str, Any]:
    """Read the `metrics.json` of a run's directory; one that has not begun has no records.

    Args:
        directory: The directory.

    Returns:
        What `MetricsFile` wrote.
    """
    path = directory / METRICS
    if not path.is_file():
        return {"finished": False, "step": 0, "hours": 0.0, "records": []}
    return dict(json.loads(path.read_text(encoding="utf-8")))
