"""Runs stages in as many processes as the configuration says, and the stages of a whole recipe one after another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from taihri_ros.errors import TaihriError
from taihri_ros.training.callbacks import read_metrics
from taihri_ros.training.recipe import Recipe
from taihri_ros.training.sft_stage import train_reading, train_sft
from taihri_ros.training.stage import RunOptions
from taihri_ros.training.vision_stage import train_vision

STAGES: dict[str, Callable[[Recipe, RunOptions], Path]] = {
    "vision": train_vision,
    "reading": train_reading,
    "sft": train_sft,
}


def run_here_or_launch(stage: str, recipe: Recipe, options: RunOptions, command: list[str]) -> None:
    """Run a stage in this process, or with torchrun in several that repeat a command.

    Args:
        stage: One of STAGES.
        recipe: The training.
        options: How it is run this time.
        command: Arguments of `taihri` that run this stage.

    Raises:
        TaihriError: It failed.
    """
    processes = recipe.machine.processes
    if processes == 1 or "WORLD_SIZE" in os.environ:
        STAGES[stage](recipe, options)
        return
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    ended = subprocess.run([*torchrun, "-m", "taihri_ros.cli", *command])
    if ended.returncode:
        raise TaihriError(f"the {stage} stage failed in one of its {processes} processes: its error is above")


def train_all(recipe: Recipe, options: RunOptions, command: Callable[[str, RunOptions], list[str]]) -> bool:
    """Run the stages of a recipe one after another; those that are finished are not run again.

    Args:
        recipe: The training.
        options: How it is run this time; the time limit is that of all stages together.
        command: Gives the arguments of `taihri` that run one stage.

    Returns:
        Whether all are finished.

    Raises:
        TaihriError: One failed.
    """
    begun = time.monotonic()
    for stage in recipe.stages:
        if read_metrics(recipe.out / stage)["finished"]:
            continue
        left = options
        if options.limit_minutes is not None:
            left = replace(options, limit_minutes=options.limit_minutes - (time.monotonic() - begun) / 60.0)
        run_here_or_launch(stage, recipe, left, command(stage, left))
        if not read_metrics(recipe.out / stage)["finished"]:
            return False
    return True
