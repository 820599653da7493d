"""Output of an evaluation of the belief: `belief.json`, `belief.md` and a plot of false alarms and lost joints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from taihri_ros.evaluation.belief.answers import CORRECT_MM, QUESTIONS, BeliefAnswers
from taihri_ros.evaluation.belief.trade_off import (
    MOST_FALSE_ALARMS,
    MOST_LOST,
    Trade,
    best_trades,
    false_alarms,
    lost_joints,
    trades,
)
from taihri_ros.evaluation.reports.tables import counted
from taihri_ros.model.spec import Belief

_COLORS = {"both": "#1f6f8b", "presence": "#f0c98a", "confidence": "#a9a39a"}
_NAMES = {
    "sentence": "a sentence of the task table",
    "task": "the joints of a task by name",
    "every": "all 22 joints by name",
}


def write_belief_report(
    out: Path, run: Mapping[str, Any], belief: Belief, nobody: BeliefAnswers, people: BeliefAnswers | None
) -> dict[str, Any]:
    """Compute and write the metrics, the report and, with labelled data, the plot.

    Args:
        out: Directory to write.
        run: Settings of the run.
        belief: Thresholds in force, and coefficients of the presence.
        nobody: Answers about pictures without people.
        people: Answers about labelled pictures; None without labelled data.

    Returns:
        The content of `belief.json`: `run`, `belief`, `false_alarms`, and with labelled data `lost` and `curves`.
    """
    found: dict[str, Any] = {
        "run": dict(run),
        "belief": json.loads(json.dumps(asdict(belief))),
        "false_alarms": false_alarms(nobody, belief),
    }
    if people is not None:
        curves: dict[str, list[Trade]] = {
            name: best_trades(trades(nobody, people, belief, name)) for name in ("both", "presence", "confidence")
        }
        found["lost"] = lost_joints(people, belief)
        found["curves"] = {name: [asdict(trade) for trade in curve] for name, curve in curves.items()}
        _draw(out / "false_alarms.png", curves, found)
    (out / "belief.json").write_text(json.dumps(found, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    (out / "belief.md").write_text(_markdown(found), encoding="utf-8")
    return found


def summary(found: Mapping[str, Any]) -> str:
    """Return the main results as lines of text.

    Args:
        found: The content of `belief.json`.

    Returns:
        The text.
    """
    belief, alarms = found["belief"], found["false_alarms"]
    lines = [
        f"thresholds: min_confidence {belief['min_confidence']:g}, min_presence {belief['min_presence']:g}",
        f"pictures without people with any joint published: {counted(alarms)}",
    ]
    if "lost" in found:
        lines.append(f"joints within {CORRECT_MM:g} mm of the truth that are lost: {counted(found['lost'])}")
    return "\n".join(lines)


def _markdown(found: Mapping[str, Any]) -> str:
    run, alarms = found["run"], found["false_alarms"]
    lines = [
        f"# What {run['name']} must be sure of",
        "",
        f"{alarms['of']} pictures without people ({run['data']}). A false alarm is a picture for which any of three "
        "questions publishes any joint.",
        "",
        *(f"- {line}" for line in summary(found).splitlines()),
        "",
        "| question | pictures with any joint published | correct joints lost |",
        "| --- | ---: | ---: |",
    ]
    for name in QUESTIONS:
        lost = counted(found["lost"]["by_question"][name]) if "lost" in found else ""
        lines.append(f"| {_NAMES[name]} | {counted(alarms['by_question'][name])} | {lost} |")
    lines += ["", "| kind of picture | with any joint published |", "| --- | ---: |"]
    lines += [f"| {kind} | {counted(group)} |" for kind, group in alarms["by_kind"].items()]
    if "lost" in found:
        lost = found["lost"]
        lines += [
            "",
            f"Of all labelled joints in the images {_percent(lost['published_share'])} are published. Their mean error "
            f"is {_millimetres(lost['published_mm'])}, that of all answered ones {_millimetres(lost['answered_mm'])}.",
            "",
            "![false alarms against lost joints](false_alarms.png)",
        ]
    return "\n".join(lines) + "\n"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f} %"


def _millimetres(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} mm"


def _draw(path: Path, curves: Mapping[str, Sequence[Trade]], found: Mapping[str, Any]) -> None:
    """Draw the curves with the aims and the thresholds in force."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    titles = {"both": "both thresholds", "presence": "min_presence alone", "confidence": "min_confidence alone"}
    for name, width in (("confidence", 2), ("presence", 5), ("both", 2)):
        alarms, lost = ([100 * getattr(trade, share) for trade in curves[name]] for share in ("false_alarms", "lost"))
        axes.plot(alarms, lost, color=_COLORS[name], lw=width, label=titles[name], drawstyle="steps-post")
    axes.plot(
        100 * (found["false_alarms"]["share"] or 0.0),
        100 * (found["lost"]["share"] or 0.0),
        "o",
        color="#b5372b",
        label="thresholds in force",
    )
    axes.axvline(100 * MOST_FALSE_ALARMS, color="0.8", lw=1, zorder=0)
    axes.axhline(100 * MOST_LOST, color="0.8", lw=1, zorder=0)
    axes.set_xlim(-0.3, 30)
    axes.set_ylim(0, 100)
    axes.set_xlabel("pictures without people with any joint published, %")
    axes.set_ylabel(f"joints within {CORRECT_MM:g} mm of the truth lost, %")
    axes.set_title(f"{found['run']['name']}: false alarms against lost joints (grey lines: the aims)")
    axes.legend(frameon=False)
    figure.savefig(path)
