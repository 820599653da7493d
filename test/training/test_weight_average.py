"""The average of the weights of a run, and another run that starts from it.

That a resumed average equals an uninterrupted one is tested in `network/test_nano_model.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers.utils import SAFE_WEIGHTS_NAME

from taihri_ros.errors import TaihriError
from taihri_ros.training.recipe import Recipe
from taihri_ros.training.stage import RunOptions
from taihri_ros.training.vision_stage import TOWER, train_vision
from taihri_ros.training.weight_average import AVERAGE, last_checkpoint

DECAY = 0.6
"""`average` of the schedules in `recipe_file`."""


def test_checkpoints_and_the_result_have_the_average(trained: Path) -> None:
    run = trained.parent / "vision"
    weights, averages = (
        [load_file(run / f"checkpoint-{step}" / name) for step in (2, 3)] for name in (SAFE_WEIGHTS_NAME, AVERAGE)
    )
    moved = 0.0
    for name, average in averages[1].items():
        expected = DECAY * averages[0][name] + (1.0 - DECAY) * weights[1][name]
        torch.testing.assert_close(average, expected, rtol=1e-4, atol=1e-6)
        moved = max(moved, float((weights[1][name] - average).abs().max()))
    assert moved > 1e-4
    tower = load_file(run / TOWER)
    assert all(torch.equal(tensor, averages[1][f"tower.{name}"]) for name, tensor in tower.items())


def test_a_vision_stage_starts_from_another_run(trained: Path, recipe_file: Path, tmp_path: Path) -> None:
    """With a rate of next to nothing the tower stays the average that it started from."""
    start = trained.parent / "vision" / "checkpoint-3"
    recipe = Recipe.read(recipe_file)
    assert recipe.vision is not None
    few = {"steps": 1, "warmup": 0, "decay": 1, "validation": 1, "rate": 1e-9, "muon_rate": 1e-9, "average": None}
    schedule = replace(recipe.vision.schedule, **few)
    other = replace(recipe, out=tmp_path, vision=replace(recipe.vision, schedule=schedule, start=start))
    train_vision(other, RunOptions())
    tower, average = load_file(tmp_path / "vision" / TOWER), load_file(start / AVERAGE)
    assert all((tensor - average[f"tower.{name}"]).abs().max() < 1e-6 for name, tensor in tower.items())
    nowhere = replace(recipe.vision, start=tmp_path / "nothing")
    with pytest.raises(TaihriError, match=r"vision\.start: .* is not a checkpoint"):
        train_vision(replace(other, out=tmp_path / "b", vision=nowhere), RunOptions())


def test_a_checkpoint_during_whose_writing_a_run_was_killed_is_left_out(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "nothing", averaged=False) is None
    written = {800: ("trainer_state.json", AVERAGE), 1600: ("trainer_state.json",), 2400: (SAFE_WEIGHTS_NAME,)}
    for step, names in written.items():
        (tmp_path / f"checkpoint-{step}").mkdir()
        for name in names:
            (tmp_path / f"checkpoint-{step}" / name).touch()
    assert last_checkpoint(tmp_path, averaged=True) == tmp_path / "checkpoint-800"
    assert last_checkpoint(tmp_path, averaged=False) == tmp_path / "checkpoint-1600"
