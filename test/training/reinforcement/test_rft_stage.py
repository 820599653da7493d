"""`taihri train rft` on a tiny model: the reward rises, an interrupted run continues exactly, a checkpoint results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from required import ROOT
from safetensors.torch import load_file

from taihri_ros.cli.train import command
from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint.checks import check_checkpoint
from taihri_ros.training.recipe import ConfigError, Recipe
from taihri_ros.training.rft_stage import train_rft
from taihri_ros.training.stage import RunOptions

SCHEDULE = {"batch": 4, "rate": 1e-2, "muon_rate": 1e-2, "warmup": 1, "decay": 1, "log_every": 1, "validation": 3}


@pytest.fixture(scope="module")
def base(recipe_file: Path, nano: Path) -> dict[str, Any]:
    """A recipe that starts from the untrained checkpoint."""
    content: dict[str, Any] = yaml.safe_load(recipe_file.read_text())
    pictures = content["pictures"]
    made = ["pictures", "--data", pictures["data"], "--out", pictures["directory"]]
    CliRunner().invoke(command, made, catch_exceptions=False)
    for stage in ("checkpoint", "vision", "alignment"):
        del content[stage]
    return content | {"model": str(nano), "machine": {"device": "cpu", "threads": 1}}


def write(directory: Path, base: Mapping[str, Any], steps: int, **rft: Any) -> Path:
    schedule = SCHEDULE | {"steps": steps, "evaluate_every": 2} | rft.pop("schedule", {})
    content = {**base, "out": str(directory / "out"), "rft": {"schedule": schedule} | rft}
    file = directory / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def run(file: Path, *options: str) -> list[dict[str, float]]:
    CliRunner().invoke(command, ["rft", "--config", str(file), *options], catch_exceptions=False)
    metrics = json.loads((file.parent / "out" / "rft" / "metrics.json").read_text())
    return list(metrics["records"])


def test_the_reward_rises_in_ten_steps(base: dict[str, Any], tmp_path: Path) -> None:
    questions = {"named": [[1, 3], [2, 3]], "tasks": 1, "questions": 0}
    file = write(tmp_path, base, 10, schedule={"evaluate_every": 10}, questions=questions, kl=0.0)
    records = run(file)
    rewards = [record["reward"] for record in records if "reward" in record]
    assert len(rewards) == 10
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3]) + 0.03
    evaluated = next(record for record in records if "eval_reward" in record)
    assert {"eval_g_mpjpe_mm", "eval_g_mpjpe_argmax_mm", "eval_entropy", "eval_reward_point"} <= set(evaluated)


def test_the_supervised_term_learns_the_right_answers_besides(base: dict[str, Any], tmp_path: Path) -> None:
    few = {"questions": {"named": [[1, 3]], "tasks": 1, "questions": 0}, "kl": 0.0, "group": 2, "expected": True}
    found = {}
    for weight in (1e-6, 1.0):
        directory = tmp_path / str(weight)
        directory.mkdir()
        records = run(write(directory, base, 8, schedule={"evaluate_every": 8}, supervised={"weight": weight}, **few))
        found[weight] = [record["supervised_loss"] for record in records if "supervised_loss" in record]
    assert found[1.0][0] == pytest.approx(found[1e-6][0], rel=1e-5), "the first batch is the same"
    assert found[1.0][-1] < found[1e-6][-1] - 0.1
    assert found[1.0][-1] < found[1.0][0]


def test_a_run_that_was_interrupted_continues_exactly_and_writes_the_same_checkpoint(
    base: dict[str, Any], tmp_path: Path
) -> None:
    settings = {
        "schedule": {"average": 0.6, "batch": 2},
        "questions": {"named": [[1, 2]], "tasks": 1, "questions": 0},
        "group": 3,
        "epochs": 2,
        "expected": True,
        "ratio": "sequence",
        "kl": 0.1,
        "supervised": {"weight": 0.5},
        "rewards": {"credit": "coordinate"},
    }
    made = []
    for name, parts in {"whole": [[]], "parts": [["--limit-minutes", "0.00001"], ["--resume"]]}.items():
        directory = tmp_path / name
        directory.mkdir()
        file = write(directory, base, 4, **settings)
        control = directory / "out" / "sft" / "metrics.json"
        control.parent.mkdir(parents=True)
        control.write_text("the control of the same recipe is no part of this result")
        records = [run(file, *options) for options in parts]
        assert [max(int(record["step"]) for record in each) for each in records] == [2, 4][-len(parts) :]
        model = directory / "out" / "rft" / "model"
        check_checkpoint(model)
        assert "| rft | 4 steps" in (model / "README.md").read_text()
        assert (model / "rft-curves.png").is_file()
        made.append((model / "model.safetensors").read_bytes())
        kept = {name: [record[name] for record in records[-1] if name in record] for name in ("loss", "kl", "eval_kl")}
        assert kept["kl"][0] == pytest.approx(0.0, abs=1e-5)
        assert kept["kl"][-1] > kept["kl"][0], "the model leaves the reference"
    assert made[0] == made[1]


def test_adapters_learn_while_all_other_weights_stay(base: dict[str, Any], nano: Path, tmp_path: Path) -> None:
    """As in `rft-lora.yaml`."""
    small = {"schedule": {"batch": 2}, "questions": {"named": [[1, 2]], "tasks": 1, "questions": 0}, "group": 2}
    adapted = {"lora": {"rank": 2, "alpha": 4}, "train_vision": False, "gradient_checkpointing": True}
    run(write(tmp_path, base, 2, **small, **adapted))
    before, after = (load_file(path / "model.safetensors") for path in (nano, tmp_path / "out" / "rft" / "model"))
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name].bfloat16())}
    assert changed
    assert all("language_model.layers" in name for name in changed)


def test_what_is_missing_is_said(base: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe.read(write(tmp_path, base, 4))
    assert recipe.rft is not None
    missing = Recipe.read(write(tmp_path, base | {"model": str(tmp_path / "nothing")}, 4))
    with pytest.raises(TaihriError, match="nothing does not exist: run `taihri train sft`"):
        train_rft(missing, RunOptions())
    without = {name: value for name, value in base.items() if name != "rft"}
    file = tmp_path / "without.yaml"
    file.write_text(yaml.safe_dump(without | {"out": str(tmp_path)}))
    with pytest.raises(TaihriError, match="no rft stage"):
        train_rft(Recipe.read(file), RunOptions())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": 1}, "group must be at least 2"),
        ({"epochs": 0}, "epochs must be more than 0"),
        ({"epochs": 3}, "evaluate_every must be a multiple of epochs"),
        ({"clip_low": 1.0}, "clip_low must be from 0 to 1"),
        ({"ratio": "word"}, "ratio must be one of token, sequence"),
        ({"rewards": {"credit": "token"}}, "credit must be one of answer, joint, coordinate"),
        ({"rewards": {"point": -1.0}}, "must not be negative"),
        ({"person_crops": 2.0}, "person_crops must be from 0 to 1"),
        ({"supervised": {"weight": 0.0}}, "weight must be more than 0"),
        ({"supervised": {"absent_margin": -1.0}}, "absent_margin must be at least 0"),
        ({"supervised": {"scheduled_sampling": 2.0}}, "scheduled_sampling must be from 0 to 1"),
    ],
)
def test_a_wrong_setting_is_one_clear_error(
    base: dict[str, Any], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipe.read(write(tmp_path, base, 4, **changes))


@pytest.mark.parametrize("name", ["rft-nano", "rft-lora", "rft-full"])
def test_the_shipped_configurations_have_a_control_that_differs_in_the_objective_alone(name: str) -> None:
    recipe = Recipe.read(ROOT / "config" / "training" / f"{name}.yaml")
    assert recipe.rft is not None
    for setting in ("schedule", "person_crops", "train_vision", "lora"):
        assert getattr(recipe.rft, setting) == getattr(recipe.sft, setting), setting
