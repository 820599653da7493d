"""LoRA adapters: their settings and weights are checked against the base before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_safetensors_header import write

from taihri_ros.inference.checkpoint.adapter import CONFIG, WEIGHTS, read_adapter
from taihri_ros.inference.engine import CheckpointError

MODULE = "model.language_model.layers.0.self_attn.q_proj"
FIRST, SECOND = (f"base_model.model.{MODULE}.lora_{half}.weight" for half in "AB")
SETTINGS: dict[str, Any] = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "bias": "none"}


def write_tensors(path: Path, shapes: dict[str, tuple[int, int]]) -> None:
    header, place = {}, 0
    for name, (rows, columns) in shapes.items():
        header[name] = {
            "dtype": "F32",
            "shape": [rows, columns],
            "data_offsets": [place, place := place + 4 * rows * columns],
        }
    write(path, header, place)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    directory = tmp_path / "base"
    directory.mkdir()
    (directory / "config.json").write_text("{}")
    write_tensors(directory / "model.safetensors", {f"{MODULE}.weight": (8, 6), "lm_head.weight": (8, 6)})
    return directory


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    directory = tmp_path / "adapter"
    directory.mkdir()
    (directory / CONFIG).write_text(json.dumps(SETTINGS))
    write_tensors(directory / WEIGHTS, {FIRST: (2, 6), SECOND: (8, 2)})
    return directory


@pytest.mark.parametrize(("settings", "scale"), [({}, 2.0), ({"use_rslora": True}, 4 / 2**0.5), ({"bias": None}, 2.0)])
def test_an_adapter_that_fits_is_read(base: Path, adapter: Path, settings: dict[str, Any], scale: float) -> None:
    (adapter / CONFIG).write_text(json.dumps(SETTINGS | settings))
    found = read_adapter(adapter, base)
    assert (found.rank, found.scale, found.modules, found.changes_vision) == (2, pytest.approx(scale), (MODULE,), False)


@pytest.mark.handles("Engine", "adapter of another kind than plain LoRA", "refused: merge it into its base")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft_type": "LOHA"}, "has peft_type 'LOHA', but only LORA"),
        ({"use_dora": True}, "has use_dora True, which is not plain LoRA: merge the adapter"),
        ({"bias": "all"}, "has bias 'all'"),
        ({"modules_to_save": ["lm_head"]}, r"has modules_to_save \['lm_head'\]"),
        ({"trainable_token_indices": [1, 2]}, "has trainable_token_indices"),
        ({"rank_pattern": {"q_proj": 4}}, "has rank_pattern"),
        ({"r": 0}, "has r 0, but it must be from 1 to 512"),
        ({"r": 10**9}, "has r 1000000000"),
        ({"r": True}, "has r True"),
        ({"lora_alpha": float("nan")}, "has lora_alpha nan"),
        ({"lora_alpha": "8"}, "has lora_alpha '8'"),
        ({"r": 4}, r"lora_A\.weight has the shape \(2, 6\) instead of \(4, 6\)"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    base: Path, adapter: Path, settings: dict[str, Any], message: str
) -> None:
    (adapter / CONFIG).write_text(json.dumps(SETTINGS | settings))
    with pytest.raises(CheckpointError, match=message):
        read_adapter(adapter, base)


@pytest.mark.handles(
    "Engine", "adapter of another base, or with tensors that are not LoRA's", "refused, names the tensor"
)
@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({}, "has no tensors"),
        ({FIRST: (2, 6)}, r"lora_B\.weight is missing"),
        ({FIRST: (2, 5), SECOND: (8, 2)}, r"lora_A\.weight has the shape \(2, 5\) instead of \(2, 6\)"),
        ({FIRST.replace("layers.0", "layers.7"): (2, 6)}, "which the base does not have"),
        ({"base_model.model.lm_head.lora_A.weight": (2, 6)}, "lm_head, which the base does not have or LoRA cannot"),
        ({"lm_head.weight": (8, 6)}, r"has other tensors than those of LoRA, lm_head\.weight"),
        ({FIRST.replace("lora_A", "lora_embedding_A"): (2, 6)}, "has other tensors than those of LoRA"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    base: Path, adapter: Path, shapes: dict[str, tuple[int, int]], message: str
) -> None:
    write_tensors(adapter / WEIGHTS, shapes)
    with pytest.raises(CheckpointError, match=message):
        read_adapter(adapter, base)


@pytest.mark.handles("Engine", "adapter saved as a pickle (adapter_model.bin)", "refused: it must be safetensors")
def test_an_adapter_is_a_directory_with_safetensors(base: Path, adapter: Path, tmp_path: Path) -> None:
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors cannot be read"):
        read_adapter(adapter, base)
    with pytest.raises(CheckpointError, match="there is no adapter directory"):
        read_adapter(tmp_path / "nowhere", base)
    with pytest.raises(CheckpointError, match=r"adapter_config\.json cannot be read"):
        read_adapter(base, base)
