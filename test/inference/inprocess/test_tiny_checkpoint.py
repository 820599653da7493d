"""Tests of the tiny checkpoint: atomic, reproducible builds, and a tokenizer that encodes any text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.inference.checkpoint import tiny_checkpoint
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.spec import FILE_NAME, ModelSpec


def weights(directory: Path) -> bytes:
    return (directory / "model.safetensors").read_bytes()


def test_the_weights_depend_on_the_seed_only(checkpoint: Path, tmp_path: Path) -> None:
    assert weights(tiny_checkpoint.build(tmp_path / "same")) == weights(checkpoint)
    assert weights(tiny_checkpoint.build(tmp_path / "other", seed=1)) != weights(checkpoint)


def test_an_equal_build_is_reused_and_a_different_one_replaced(tmp_path: Path) -> None:
    directory = tiny_checkpoint.build(tmp_path / "tiny")
    before = (directory / "model.safetensors").stat().st_mtime_ns
    assert tiny_checkpoint.build(directory) == directory
    assert (directory / "model.safetensors").stat().st_mtime_ns == before
    tiny_checkpoint.build(directory, spec=ModelSpec(name="mine", answer=AnswerFormat(box=False)))
    assert ModelSpec.load(directory).name == "mine"
    tiny_checkpoint.build(directory, spec=None)
    assert not (directory / FILE_NAME).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"], "no temporary files remain"


def test_a_directory_with_other_files_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="is not a tiny checkpoint"):
        tiny_checkpoint.build(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_command_line_builds_a_checkpoint(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "taihri_ros.inference.checkpoint.tiny_checkpoint",
        str(tmp_path / "tiny"),
        "--without-spec",
    ]
    subprocess.run(command, check=True)
    assert not (tmp_path / "tiny" / FILE_NAME).exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    result = subprocess.run([*command[:3], str(tmp_path / "full")], check=False, capture_output=True, text=True)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr


@pytest.fixture(scope="module")
def vocabulary(checkpoint: Path) -> Vocabulary:
    return Vocabulary(checkpoint)


@given(text=st.text())
def test_any_text_is_encoded_without_added_tokens(vocabulary: Vocabulary, text: str) -> None:
    ids = vocabulary.plain_ids(text)
    assert bool(ids) == bool(text)
    assert all(token < vocabulary.ids("<|endoftext|>")[0] for token in ids)


def test_the_command_line_builds_a_checkpoint_with_absent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "taihri_ros.inference.checkpoint.tiny_checkpoint", str(tmp_path), "--absent"]
    subprocess.run(command, check=True)
    spec = ModelSpec.load(tmp_path)
    assert spec == tiny_checkpoint.SPEC_WITH_ABSENT
    assert len(Vocabulary(tmp_path, absent=spec.has_absent).coordinates) == 1001
