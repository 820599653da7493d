"""A picture of the learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_TRAINING, _VALIDATION = "#c9c4bb", "#1f6f8b"
_SPEEDS = ("runtime", "samples_per_second", "steps_per_second")
_COLUMNS = 3


def draw_curves(path: Path, records: Sequence[Mapping[str, float]]) -> None:
    """Draw every validation metric over the steps, with its value in training.

    Args:
        path: The `.png` file to write.
        records: The log of a run, as in transformers' `TrainerState.log_history`, with at least one evaluation.
    """
    names = [
        name.removeprefix("eval_")
        for name in dict.fromkeys(name for record in records for name in record)
        if name.startswith("eval_") and name.removeprefix("eval_") not in _SPEEDS
    ]
    rows = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(4.2 * _COLUMNS, 2.8 * rows), layout="constrained")
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        for key, color, label in ((name, _TRAINING, "training"), (f"eval_{name}", _VALIDATION, "validation")):
            points = [(record["step"], float(record[key])) for record in records if key in record]
            axes.plot([step for step, _ in points], [value for _, value in points], color=color, label=label)
        axes.set_title(name.replace("_", " "), loc="left", fontsize=10)
        axes.set_xlabel("step")
        axes.spines[["top", "right"]].set_visible(False)
        if place == 1:
            axes.legend(frameon=False)
    FigureCanvasAgg(figure).print_png(path)
