"""An inspection describes a checkpoint of every form, and what one fault hides does not hide the rest."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoint_variants import VARIANTS, edit_config, edit_json
from quantised_checkpoints import quantised
from safetensors.torch import load_file, save_file

from taihri_ros.inference.checkpoint import contents, inspection
from taihri_ros.inference.checkpoint.inspection import inspect
from taihri_ros.inference.checkpoint.lock import write_lock
from taihri_ros.inference.engine import CheckpointError, EngineError
from taihri_ros.inference.vllm.low_bit_weights import check_low_bit_weights_on_cpu
from taihri_ros.resources import BLAZEPOSE, NANO


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copied"))


def test_the_small_model(checkpoint: Path) -> None:
    found = inspect(str(NANO))
    weights = load_file(NANO / "model.safetensors")
    assert found.weights is not None
    assert found.weights.values == sum(tensor.numel() for tensor in weights.values())
    assert found.weights.dtypes == {"BF16": found.weights.bytes}
    assert found.tokens is not None
    assert found.tokens.coordinates == "tokens 1196 to 2195, one block, in order"
    assert (found.tokens.names, found.tokens.delimiters, found.tokens.absent) == ("tokens", "tokens", True)
    assert (found.fault, found.unchecked, found.quantization) == ("", "", "")
    assert found.constrained is True
    assert found.engines == {"vllm": "", "transformers": ""}
    assert found.licence.name == "apache-2.0"
    assert found.memory[0].visual_tokens == 1
    assert json.loads(json.dumps(dataclasses.asdict(found)))["spec"]["name"] == "taihri-nano"


def test_the_light_engine() -> None:
    found = inspect(str(BLAZEPOSE))
    assert (found.kind, found.fault, found.engines) == ("light", "", {"mediapipe": ""})
    assert found.constrained is None


def test_a_language_model_without_its_config_is_not_taken_for_the_light_engine(copied: Path) -> None:
    shutil.copy(BLAZEPOSE / "taihri.json", copied)
    (copied / "config.json").unlink()
    found = inspect(str(copied))
    assert found.kind == "checkpoint"
    assert "config.json" in found.fault


def test_a_checkpoint_without_a_specification(copied: Path) -> None:
    (copied / "taihri.json").unlink()
    found = inspect(str(copied))
    assert not found.has_spec
    assert "unconstrained if the answer at the start is JSON" in found.decoding
    assert any(text.startswith("taihri.json: the official numbers") for text in found.missing)
    assert [view.visual_tokens for view in found.memory][-2] == 43 * 43


@pytest.mark.parametrize(
    ("form", "coordinates"),
    [
        ("ids of the coordinates in another order", "one block, shuffled"),
        ("ids of the joints among those of the coordinates", "blocks"),
        ("slow tokenizer, added tokens in `added_tokens.json`", "one block, in order"),
    ],
)
def test_forms_of_the_tokenizer(copied: Path, form: str, coordinates: str) -> None:
    VARIANTS[form](copied)
    found = inspect(str(copied))
    assert found.tokens is not None
    assert coordinates in found.tokens.coordinates
    assert (found.fault, found.constrained) == ("", True)


def without_weights(directory: Path) -> None:
    (directory / "model.safetensors").unlink()


def cut_off(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def without_image_processor(directory: Path) -> None:
    (directory / "preprocessor_config.json").unlink()


def without_tokenizer(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()


def other_than_locked(directory: Path) -> None:
    write_lock(directory)
    (directory / "chat_template.jinja").write_text("")


def without_a_tensor(directory: Path) -> None:
    tensors = load_file(directory / "model.safetensors")
    tensors.pop("model.language_model.norm.weight")
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.handles("Engine", "`taihri model inspect` of a broken checkpoint", "exit code 1, shows all that is intact")
@pytest.mark.parametrize(
    ("damage", "fault", "hidden"),
    [
        (without_weights, "model.safetensors cannot be read", {"weights", "memory"}),
        (cut_off, "but its header describes", {"weights", "memory"}),
        (without_image_processor, "has no preprocessor_config.json", set()),
        (without_tokenizer, "has neither tokenizer.json nor", {"tokens"}),
        (without_a_tensor, "lacks 1 of the model's", set()),
        (other_than_locked, "differs from its taihri.lock, chat_template.jinja has 0 bytes", set()),
        (edit_config(lambda config: config.update(model_type="llama")), "has model_type 'llama'", set()),
        (edit_json("taihri.json", lambda spec: spec.update(focal_px=-1)), "focal_px", {"spec", "memory"}),
        (lambda directory: (directory / "config.json").write_text("{"), "is not JSON", {"architecture", "memory"}),
    ],
)
def test_a_fault_does_not_hide_the_rest(
    copied: Path, damage: Callable[[Path], object], fault: str, hidden: set[str]
) -> None:
    damage(copied)
    found = inspect(str(copied))
    assert fault in found.fault
    assert found.engines == {}
    parts = ("architecture", "weights", "tokens", "spec", "memory")
    assert {name for name in parts if not getattr(found, name)} == hidden


def test_without_the_packages_of_an_engine_the_files_are_still_described(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(*_: object, **__: object) -> None:
        raise EngineError("tokenizers cannot be imported")

    monkeypatch.setattr(contents, "Vocabulary", lacks)
    monkeypatch.setattr(inspection, "check_checkpoint", lacks)
    found = inspect(str(checkpoint))
    assert (found.fault, found.unchecked, found.tokens) == ("", "tokenizers cannot be imported", None)
    assert found.weights
    assert found.memory


@pytest.mark.parametrize(
    ("layout", "quantization", "engines"),
    [
        ("AWQ, 4 bits", "awq, 4 bits", {"vllm"}),
        ("FP8 (`compressed-tensors`), scales of rows", "compressed-tensors", {"vllm", "transformers"}),
        ("FP8 (`fp8`), one scale for a matrix", "fp8", set()),
    ],
)
def test_quantised_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, quantization: str, engines: set[str]
) -> None:
    no_amx = functools.partial(check_low_bit_weights_on_cpu, cpuinfo=tmp_path / "missing")
    monkeypatch.setattr(inspection, "check_low_bit_weights_on_cpu", no_amx)
    monkeypatch.setattr(inspection, "is_cpu_build", lambda: True)
    pictures = shutil.ignore_patterns("*.png")
    found = inspect(str(quantised(Path(shutil.copytree(NANO, tmp_path / "copied", ignore=pictures)), layout)))
    assert (found.quantization, found.float32_bytes) == (quantization, 0)
    assert {name for name, fault in found.engines.items() if not fault} == engines
    assert bool(found.fault) == (not engines)


def test_an_adapter(copied: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for module, engines in (
        ("language_model.layers.0.self_attn.o_proj", {"vllm": "", "transformers": ""}),
        ("visual.blocks.0.attn.proj", {"transformers": ""}),
    ):
        weight = load_file(copied / "model.safetensors")[f"model.{module}.weight"]
        name = f"base_model.model.model.{module}"
        halves = {"A": torch.zeros(2, weight.shape[1]), "B": torch.zeros(weight.shape[0], 2)}
        save_file(
            {f"{name}.lora_{half}.weight": value for half, value in halves.items()},
            adapter / "adapter_model.safetensors",
        )
        (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4}))
        found = inspect(str(copied), adapter)
        assert (found.fault, found.adapter) == ("", "LoRA of rank 2, scale 2, on 1 weights")
        assert found.engines == engines
    alone = inspect(str(adapter))
    assert (alone.kind, alone.engines) == ("adapter", {})
    assert "is a LoRA adapter without its base" in alone.fault


def test_a_tied_head_is_counted_once(checkpoint: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(checkpoint, tmp_path / "tied"))
    untied = inspect(str(directory)).weights
    edit_config(lambda config: [part.update(tie_word_embeddings=True) for part in (config, config["text_config"])])(
        directory
    )
    tied = inspect(str(directory)).weights
    assert untied is not None
    assert tied is not None
    shape = load_file(directory / "model.safetensors")["lm_head.weight"].shape
    assert untied.values - tied.values == math.prod(shape)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint directory"):
        inspect(str(tmp_path / "missing"))
