"""Execution of the stages of a recipe, each in as many processes as the configuration sets."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from taihri_ros.errors import TaihriError
from taihri_ros.inference.environment import module_command
from taihri_ros.training.callbacks import read_metrics
from taihri_ros.training.recipe import Recipe
from taihri_ros.training.rft_stage import train_rft
from taihri_ros.training.sft_stage import train_alignment, train_sft
from taihri_ros.training.stage import RunOptions
from taihri_ros.training.vision_stage import train_vision

STAGES: dict[str, Callable[[Recipe, RunOptions], Path]] = {
    "vision": train_vision,
    "alignment": train_alignment,
    "sft": train_sft,
    "rft": train_rft,
}


def launch_stage(stage: str, recipe: Recipe, options: RunOptions, command: list[str]) -> None:
    """Run a stage in this process, or in several processes with torchrun.

    Args:
        stage: One of STAGES.
        recipe: The training.
        options: Options of this run.
        command: Arguments of `taihri` that run this stage; torchrun starts it in every process.

    Raises:
        TaihriError: The stage failed.
    """
    processes = recipe.machine.processes
    if processes == 1 or "WORLD_SIZE" in os.environ:
        STAGES[stage](recipe, options)
        return
    torchrun = [*module_command("torch.distributed.run"), "--standalone", f"--nproc_per_node={processes}"]
    ended = subprocess.run(
        [*torchrun, "--no-python", *module_command("taihri_ros.cli"), *command],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        check=False,
    )
    if ended.returncode:
        raise TaihriError(f"the {stage} stage failed in one of its {processes} processes: see its error above")


def run_all_stages(recipe: Recipe, options: RunOptions, command: Callable[[str, RunOptions], list[str]]) -> bool:
    """Run the stages of a recipe one after another; finished stages are skipped.

    Args:
        recipe: The training.
        options: Options of this run; the time limit is for all stages together.
        command: Returns the arguments of `taihri` that run one stage.

    Returns:
        Whether all stages are finished.

    Raises:
        TaihriError: A stage failed.
    """
    begun = time.monotonic()
    for stage in recipe.stages:
        if read_metrics(recipe.out / stage)["finished"]:
            continue
        left = options
        if options.limit_minutes is not None:
            left = replace(options, limit_minutes=options.limit_minutes - (time.monotonic() - begun) / 60.0)
        launch_stage(stage, recipe, left, command(stage, left))
        if not read_metrics(recipe.out / stage)["finished"]:
            return False
    return True
