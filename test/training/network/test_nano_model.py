"""`taihri train nano` with three steps a stage, and its checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import torch
from click.testing import CliRunner
from people import CAMERA, make_sample
from safetensors.torch import load_file

from taihri_ros.cli.train import command
from taihri_ros.commands.command import joint_command
from taihri_ros.inference.checkpoint.checks import check_checkpoint
from taihri_ros.inference.factory import open_engine
from taihri_ros.pipeline.estimator import Estimator


def test_the_checkpoint_answers_in_the_right_format(trained: Path) -> None:
    check_checkpoint(trained)
    sample = make_sample(0)
    with open_engine("transformers", str(trained)) as engine:
        spec = engine.info.spec
        assert (spec.name, spec.trained, spec.person_crops, spec.repetition_penalty) == ("taihri-nano", True, True, 1.0)
        estimate = Estimator(engine).estimate(sample.image, CAMERA, joint_command(["left_wrist", "head"]))
    assert {keypoint.name for keypoint in estimate.person.keypoints if keypoint.position is not None} == {
        "left_wrist",
        "head",
    }


def test_the_checkpoint_has_metrics_curves_and_a_model_card(trained: Path) -> None:
    stages = json.loads((trained / "metrics.json").read_text())
    assert [(stage["stage"], stage["step"], stage["finished"]) for stage in stages] == [
        ("vision", 3, True),
        ("alignment", 3, True),
        ("sft", 3, True),
    ]
    assert [record["step"] for record in stages[2]["records"] if "eval_bin_error" in record] == [2, 3]
    assert [record["step"] for record in stages[0]["records"] if "eval_pixel_error" in record] == [1, 2, 3]
    for stage in stages[1:]:  # the validation has a view of nobody
        shares = [record for record in stage["records"] if {"eval_absent_accuracy", "eval_false_absent"} <= set(record)]
        assert [record["step"] for record in shares] == [2, 3]
        assert all(0.0 <= record["eval_absent_accuracy"] <= 1.0 for record in shares)
    assert "token_accuracy" not in stages[1]["records"][0]  # its answers have no tokens that the model selects
    for name in ("vision-curves.png", "alignment-curves.png", "sft-curves.png"):
        assert cv2.imread(str(trained / name)) is not None
    card = (trained / "README.md").read_text()
    assert "# taihri-nano" in card
    assert "| sft | 3 steps, 6 views" in card
    assert json.loads((trained / "config.json").read_text())["dtype"] == "bfloat16"


def test_the_alignment_stage_does_not_change_the_vision_tower(trained: Path) -> None:
    before = load_file(trained.parent / "vision" / "tower.safetensors")
    after = load_file(trained.parent / "alignment" / "weights.safetensors")
    assert all(torch.equal(tensor, after[f"model.visual.{name}"]) for name, tensor in before.items())
    first = load_file(trained.parent / "initial" / "model.safetensors")
    layer = "model.language_model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(first[layer], after[layer])


def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_one(
    trained: Path, recipe_file: Path, tmp_path: Path
) -> None:
    interrupted = trained.parent / "vision" / "tower.safetensors"
    stopped_at = json.loads((trained.parent / "vision" / "metrics.json").read_text())["records"][0]["step"]
    assert stopped_at == 1
    run = ["vision", "--config", str(recipe_file), "--out", str(tmp_path)]
    CliRunner().invoke(command, run, catch_exceptions=False)
    whole = load_file(tmp_path / "vision" / "tower.safetensors")
    for name, tensor in load_file(interrupted).items():
        assert torch.allclose(tensor, whole[name], atol=1e-6), name


def test_an_existing_run_is_not_overwritten(trained: Path, recipe_file: Path) -> None:
    result = CliRunner().invoke(command, ["vision", "--config", str(recipe_file)])
    assert "--resume" in str(result.exception)
    assert trained.is_dir()
