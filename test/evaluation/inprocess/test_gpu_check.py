"""The check for a GPU runs on a CPU too, and finds a wrong token."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from taihri_ros.evaluation.benchmark.gpu_check import Checked, report
from taihri_ros.evaluation.benchmark.memory_bandwidth import bytes_of_pass, measure_bandwidth
from taihri_ros.evaluation.benchmark.token_agreement import Agreement
from taihri_ros.inference.checkpoint.random_checkpoint import build_shape, count_parameters
from taihri_ros.inference.checkpoint.safetensors_header import read_tensors
from taihri_ros.inference.engine import EngineInfo
from taihri_ros.model.spec import ModelSpec


def test_the_check_passes_with_the_shipped_and_a_random_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "report.md"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "taihri_ros.evaluation.benchmark.gpu_check", "--shapes", "tiny", "--images", "0"),
            *("--checkpoints", str(tmp_path), "--out", str(out)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    text = out.read_text()
    assert text.count("both in float32") == text.count(": right.") == 2
    assert "## taihri-nano" in text
    assert "## random-tiny" in text


def test_a_wrong_token_is_named_in_the_report() -> None:
    right = Agreement(2, 2, 20, 20, 0, 0.0)
    info = EngineInfo(
        kind="vllm", version="0", model="m", device="cuda:0", dtype="bfloat16", spec=ModelSpec(), batched=True
    )
    checked = Checked(info, right, right, (), 10**9, ())
    assert checked.is_right
    wrong = replace(checked, exact=replace(right, equal_answers=1, equal_tokens=12, largest_gap=0.4))
    assert not wrong.is_right
    text = "\n".join(report([wrong], 1e12))
    assert "WRONG" in text
    assert "1000 MB of weights: 1.00 ms" in text


@pytest.mark.parametrize("tied", [True, False])
def test_a_pass_reads_the_language_model_and_its_head(tmp_path: Path, tied: bool) -> None:
    directory = build_shape(tmp_path / "tiny", "tiny")
    tensors = read_tensors(directory)
    config = json.loads((directory / "config.json").read_text())
    vision = sum(tensor.bytes for name, tensor in tensors.items() if name.startswith("model.visual."))
    embedding = tensors["model.language_model.embed_tokens.weight"].bytes
    if not tied:
        config["tie_word_embeddings"] = False
        tensors = {**tensors, "lm_head.weight": tensors["model.language_model.embed_tokens.weight"]}
    assert embedding > 0
    assert bytes_of_pass(tensors, config, "bfloat16") == 2 * count_parameters("tiny") - vision
    assert bytes_of_pass(tensors, config, "float32") == 2 * bytes_of_pass(tensors, config, "bfloat16")


def test_the_bandwidth_of_the_memory_is_plausible() -> None:
    assert 1e8 < measure_bandwidth("cpu", 1 << 26) < 1e13
