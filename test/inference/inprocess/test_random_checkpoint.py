"""Tests of the random checkpoints: published sizes, shards in bfloat16, and weights that transformers can use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taihri_ros.inference.checkpoint import random_checkpoint
from taihri_ros.inference.checkpoint.checks import check_checkpoint
from taihri_ros.inference.checkpoint.random_checkpoint import SHAPES, build_shape, count_parameters
from taihri_ros.inference.checkpoint.safetensors_header import INDEX, read_tensors
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.model.spec import ModelSpec

PUBLISHED = {"2b": 2_127_532_032, "4b": 4_437_815_808}
"""Numbers of parameters of Qwen3-VL-2B-Instruct and Qwen3-VL-4B-Instruct on the Hugging Face hub."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shape(tmp_path_factory.mktemp("random") / "tiny", "tiny")


@pytest.mark.parametrize("shape", PUBLISHED)
def test_a_shape_has_as_many_parameters_as_the_published_checkpoint(shape: str) -> None:
    assert count_parameters(shape) == PUBLISHED[shape]


def test_the_checkpoint_is_complete_and_has_the_official_preprocessing(tiny: Path) -> None:
    check_checkpoint(tiny)
    spec, official = ModelSpec.load(tiny), ModelSpec()
    assert not spec.trained
    assert (spec.focal_px, spec.max_image_size) == (official.focal_px, official.max_image_size)
    assert (spec.min_pixels, spec.max_pixels) == (official.min_pixels, official.max_pixels)


def test_the_weights_are_shards_in_bfloat16(tiny: Path) -> None:
    tensors = read_tensors(tiny)
    index = json.loads((tiny / INDEX).read_text())
    assert set(index["weight_map"]) == set(tensors)
    assert {tensor.dtype for tensor in tensors.values()} == {"BF16"}
    shards = sorted(tiny.glob("*.safetensors"))
    assert len(shards) > 1
    largest = max(path.stat().st_size for path in shards)
    header = 16 << 10
    assert largest < max(SHAPES["tiny"].shard_bytes, *(tensor.bytes for tensor in tensors.values())) + header


def test_the_same_build_is_reused(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random_checkpoint, "_write_weights", None)  # a second build would fail
    assert build_shape(tiny, "tiny") == tiny


def test_a_directory_with_other_files_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="is not a random checkpoint"):
        build_shape(tmp_path, "tiny")


def test_logits_are_finite_and_differ(tiny: Path) -> None:
    import torch
    import transformers

    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(tiny)
    assert model.dtype == torch.bfloat16
    logits = model(input_ids=torch.arange(64)[None]).logits
    assert bool(torch.isfinite(logits).all())
    assert float(logits.std()) > 0
