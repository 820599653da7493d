"""`taihri doctor`: report what is installed, which device the engine will use, and how to fix problems."""

from __future__ import annotations

import sys

import click

from taihri_ros.cli.doctor_checks import Level, examine

_MARKS = {Level.OK: ("ok", "green"), Level.NOTE: ("note", "yellow"), Level.PROBLEM: ("problem", "red")}


@click.command("doctor")
@click.option("--model", help="Also check this checkpoint.")
@click.option("--adapter", help="Also check this LoRA adapter of the checkpoint.")
@click.option("--engine-python", help="Python interpreter of the engine's environment.")
def command(*, model: str | None, adapter: str | None, engine_python: str | None) -> None:
    """Report what is installed, which device the engine will use, and how to fix each problem.

    The exit code is 1 when the node cannot run.

    \b
    Examples:
      taihri doctor
      taihri doctor --model ~/TAIHRI --engine-python ~/engine/bin/python
    """
    worst = Level.OK
    for finding in examine(model, engine_python, adapter):
        mark, color = _MARKS[finding.level]
        click.echo(f"{click.style(f'{mark:>7}', fg=color)}  {finding.subject}: {finding.text}")
        if finding.advice:
            click.echo(f"{'':>7}  -> {finding.advice}")
        worst = max(worst, finding.level)
    sys.exit(1 if worst is Level.PROBLEM else 0)
