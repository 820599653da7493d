"""Tests of the checkpoint checks: invalid checkpoints are rejected with an error that names the fault."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoint_variants import INDEX, WEIGHTS, edit_config, edit_json, edit_weights, shards

from taihri_ros.inference.checkpoint import tiny_checkpoint
from taihri_ros.inference.checkpoint.checks import check_checkpoint, find_checkpoint
from taihri_ros.inference.checkpoint.safetensors_header import read_tensors
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.factory import open_engine


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def test_a_complete_checkpoint_passes(checkpoint: Path) -> None:
    check_checkpoint(checkpoint)


@pytest.mark.parametrize("tied", [False, True])
def test_tied_and_untied_embeddings_pass(tmp_path: Path, tied: bool) -> None:
    directory = tiny_checkpoint.build(tmp_path / "tiny", tied=tied)
    assert ("lm_head.weight" in read_tensors(directory)) == (not tied)
    check_checkpoint(directory)


def drop(name: str) -> Callable[[dict], None]:
    return lambda tensors: tensors.pop(name)


def cut(directory: Path, keep: float = 0.7) -> None:
    data = (directory / WEIGHTS).read_bytes()
    (directory / WEIGHTS).write_bytes(data[: int(len(data) * keep)])


def rename_token(text: str, other: str) -> Callable[[dict], None]:
    def change(tokenizer: dict) -> None:
        next(token for token in tokenizer["added_tokens"] if token["content"] == text)["content"] = other

    return change


def write_header(directory: Path, header: object) -> None:
    data = json.dumps(header).encode()
    (directory / WEIGHTS).write_bytes(len(data).to_bytes(8, "little") + data)


BIAS = "model.visual.blocks.1.attn.qkv.bias"
NORM = "model.language_model.norm.weight"
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda d: (d / "config.json").unlink(), r"config\.json cannot be read"),
    "another model": (
        edit_json("config.json", lambda c: c.update(model_type="llama")),
        "model_type 'llama', but TAIHRI's is 'qwen3_vl'",
    ),
    "config is not JSON": (lambda d: (d / "config.json").write_text("{"), r"config\.json is not JSON"),
    "config of other sizes": (
        edit_json("config.json", lambda c: c["text_config"].update(hidden_size=96)),
        r"has \d+ tensors of the wrong shape, such as model\.",
    ),
    "taihri.json out of range": (
        edit_json("taihri.json", lambda c: c.update(focal_px=-1)),
        r"taihri\.json: focal_px must be from 1 to 100000 px, not -1",
    ),
    "no image processor": (lambda d: (d / "preprocessor_config.json").unlink(), "has no preprocessor_config.json"),
    "no tokenizer": (lambda d: (d / "tokenizer.json").unlink(), "has neither tokenizer.json nor"),
    "broken tokenizer": (lambda d: (d / "tokenizer.json").write_text("{}"), "tokenizer.json cannot be read"),
    "no tokenizer settings": (lambda d: (d / "tokenizer_config.json").unlink(), "tokenizer_config.json cannot be read"),
    "no end token": (
        edit_json("tokenizer_config.json", lambda c: c.update(eos_token=None)),
        r"has eos_token None, but TAIHRI ends an answer with <\|im_end\|>",
    ),
    "no joint token": (
        edit_json("tokenizer.json", rename_token("<|left_wrist|>", "<|left_hand|>")),
        r"lacks 1 of the tokens that TAIHRI adds, such as <\|left_wrist\|>",
    ),
    "no coordinate": (edit_json("tokenizer.json", rename_token("<999>", "<1000>")), "lacks 1 .* <999>"),
    "another head than the tied embedding": (
        edit_config(lambda config: [part.update(tie_word_embeddings=True) for part in (config, config["text_config"])]),
        r"its lm_head\.weight differs from its embedding, and would be left out: set tie_word_embeddings to false",
    ),
    "GGUF": (
        lambda d: (d / WEIGHTS).rename(d / "taihri-Q4_K_M.gguf"),
        r"has no model\.safetensors, but taihri-Q4_K_M\.gguf: GGUF is not read",
    ),
    "shards without an index": (
        lambda d: (d / WEIGHTS).rename(d / "model-00001-of-00002.safetensors"),
        r"but model-00001-of-00002\.safetensors: model\.safetensors\.index\.json is missing",
    ),
    "adapter": (
        lambda d: (d / "config.json").rename(d / "adapter_config.json"),
        r"is a LoRA adapter: name it with engine\.adapter, and its base checkpoint with engine\.model",
    ),
    "no weights": (lambda d: (d / WEIGHTS).unlink(), r"model\.safetensors cannot be read"),
    "truncated weights": (cut, r"model\.safetensors has \d+ bytes, but its header describes \d+"),
    "truncated header": (lambda d: cut(d, 0.0005), r"model\.safetensors is truncated within its header"),
    "empty weights": (lambda d: (d / WEIGHTS).write_bytes(b""), r"model\.safetensors is not a safetensors file"),
    "missing tensor": (edit_weights(drop(NORM)), rf"lacks 1 of the model's \d+ tensors, {NORM}"),
    "missing bias": (edit_weights(drop(BIAS)), rf"lacks 1 of the model's \d+ tensors, {BIAS}"),
    "missing head": (edit_weights(drop("lm_head.weight")), r"lm_head\.weight"),
    "tensor of another shape": (
        edit_weights(lambda tensors: tensors.update({NORM: tensors[NORM][:5].clone()})),
        rf"1 tensors of the wrong shape, {NORM} \(5,\) instead of \(128,\)",
    ),
    "weights that git did not fetch": (
        lambda d: (d / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n"),
        r"is a Git LFS pointer instead of the weights: run `git lfs pull`",
    ),
    "weights of another format": (
        lambda d: (d / WEIGHTS).write_bytes(b"PK\x03\x04" + bytes(200)),
        r"model\.safetensors (is truncated within its header|is not a safetensors file)",
    ),
    "header of other entries": (lambda d: write_header(d, {"a": 1}), r"model\.safetensors is not a safetensors file"),
    "header that is a list": (lambda d: write_header(d, [1]), r"model\.safetensors is not a safetensors file"),
    "header without shapes": (
        lambda d: write_header(d, {"a": {"data_offsets": [0, 0]}}),
        r"model\.safetensors is not a safetensors file",
    ),
    "index of other entries": (
        lambda d: (d / INDEX).write_text('{"weight_map": {"a": ["b"]}}'),
        "has a weight_map with other values than file names",
    ),
    "config of other types": (
        edit_json("config.json", lambda c: c["text_config"].update(hidden_size="many")),
        r"config\.json does not describe a Qwen3-VL",
    ),
    "config without layers": (
        edit_json("config.json", lambda c: c["text_config"].update(num_attention_heads=0)),
        r"config\.json does not describe a Qwen3-VL",
    ),
    "config that is a directory": (
        lambda d: ((d / "config.json").unlink(), (d / "config.json").mkdir()),
        r"config\.json cannot be read \(Is a directory\)",
    ),
    "absurd number of layers": (
        edit_json("config.json", lambda c: c["text_config"].update(num_hidden_layers=10**9)),
        r"has text_config\.num_hidden_layers 1000000000, but at most 512 is possible",
    ),
    "absurd depth": (
        edit_json("config.json", lambda c: c["vision_config"].update(depth=1e30)),
        r"has vision_config\.depth 1e\+30, but at most 512 is possible",
    ),
    "absurd context": (
        edit_json("config.json", lambda c: c["text_config"].update(max_position_embeddings=10**15)),
        r"has text_config\.max_position_embeddings 10+, but at most 1048576",
    ),
    "absurd width": (
        edit_json("config.json", lambda c: c["text_config"].update(hidden_size=10**12)),
        r"has \d+ tensors of the wrong shape|config\.json does not describe a Qwen3-VL",
    ),
    "weights of integers": (
        edit_weights(lambda tensors: tensors.update({NORM: tensors[NORM].int()})),
        rf"has 1 tensors that are no floating-point numbers, {NORM} of type I32",
    ),
    "pipe in place of the tokenizer": (
        lambda d: ((d / "tokenizer.json").unlink(), os.mkfifo(d / "tokenizer.json")),
        r"tokenizer\.json is not a regular file",
    ),
    "device in place of the weights": (
        lambda d: ((d / WEIGHTS).unlink(), (d / WEIGHTS).symlink_to("/dev/zero")),
        r"model\.safetensors leads out of the checkpoint, to /dev/zero",
    ),
    "weights of an adapter beside the model": (
        lambda d: shutil.copy(d / WEIGHTS, d / "adapter_model.safetensors"),
        r"adapter_model\.safetensors may not belong to the model, as there is no .*: move it away",
    ),
    "weights as a pickle only": (
        lambda d: (d / WEIGHTS).rename(d / "pytorch_model.bin"),
        r"but pytorch_model\.bin: a pickle is never opened: convert it to safetensors",
    ),
    "missing shard": (
        lambda d: (shards(d), (d / "model-00002-of-00003.safetensors").unlink()),
        r"model-00002-of-00003\.safetensors cannot be read",
    ),
}


@pytest.mark.handles("Engine", "checkpoint with a missing, truncated or damaged file", "refused, names the file")
@pytest.mark.handles("Engine", "checkpoint whose sizes would fill the memory", "refused before anything is allocated")
@pytest.mark.handles(
    "Engine", "checkpoint with weights as a pickle (.bin, .pt)", "refused: weights must be safetensors"
)
@pytest.mark.handles("Engine", "checkpoint of another architecture or of other sizes", "refused, names the difference")
@pytest.mark.parametrize("name", FAULTS)
def test_the_error_names_the_fault(copy: Path, name: str) -> None:
    fault, message = FAULTS[name]
    fault(copy)
    with pytest.raises(CheckpointError, match=message) as caught:
        check_checkpoint(copy)
    assert str(copy) in str(caught.value)


def test_image_processor_settings_in_processor_config_pass(copy: Path) -> None:
    settings = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    (copy / "preprocessor_config.json").unlink()
    with open_engine("transformers", str(copy)) as engine:
        assert engine.info.model == str(copy)


@pytest.mark.parametrize("kind", ["vllm", "transformers"])
def test_no_engine_opens_an_invalid_checkpoint(copy: Path, kind: str) -> None:
    cut(copy)
    with pytest.raises(CheckpointError, match="bytes, but its header describes"):
        open_engine(kind, str(copy))  # type: ignore[arg-type]


@pytest.mark.handles("Engine", "checkpoint without read permission", "refused: correct its permissions")
def test_a_checkpoint_that_may_not_be_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run as root, for whom every file is readable."""

    def refuse(path: Path, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read \(Permission denied\): correct its perm"):
        check_checkpoint(copy)
    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(CheckpointError, match=r"cannot be read \(Permission denied\): correct its permissions"):
        find_checkpoint(str(copy))


def test_a_checkpoint_that_does_not_exist_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint directory"):
        find_checkpoint(str(tmp_path / "nowhere"))
    with pytest.raises(CheckpointError, match=r"`hf download nobody/nothing --local-dir"):
        find_checkpoint("nobody/nothing")
