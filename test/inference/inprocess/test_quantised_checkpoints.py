"""Quantised checkpoints are checked against their layout, answer as the weights that they stand for, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_variants import edit_config, edit_weights
from quantised_checkpoints import IN_TRANSFORMERS, LAYOUTS, ON_CPU, dequantised, quantised
from test_checkpoint_forms import answer_of, copy_of

from taihri_ros.inference.checkpoint.adapter import read_adapter
from taihri_ros.inference.checkpoint.checks import check_checkpoint
from taihri_ros.inference.engine import CheckpointError, RawAnswer
from taihri_ros.inference.factory import check_engine
from taihri_ros.inference.transformers.low_bit_weights import check_low_bit_weights
from taihri_ros.inference.vllm.low_bit_weights import check_low_bit_weights_on_cpu
from taihri_ros.resources import NANO

MATRIX = "model.language_model.layers.0.mlp.up_proj"
TENSOR, BLOCKS, ROWS, AWQ, GPTQ = LAYOUTS


def nano(tmp_path: Path, layout: str, rewrite: Callable[[Path, str], Path] = quantised) -> Path:
    return rewrite(copy_of(NANO, tmp_path / rewrite.__name__, ()), layout)


def coordinates(answer: RawAnswer) -> np.ndarray:
    """Return the mean of the likeliest bins of each coordinate, which changes less than the likeliest one."""
    return np.array(
        [np.average(top_k.bins, weights=np.exp(top_k.logprobs)) for top_k in answer.top_k if top_k is not None]
    )


TWO_PEAKS = 40.0
"""Distance in bins by which rounding may move the mean of a coordinate's likeliest bins, if they have two peaks."""


def assert_same_points(answer: RawAnswer, other: RawAnswer, bins: float) -> None:
    """Check that most coordinates differ by less than some bins; one with two peaks may move further."""
    assert answer.finish_reason == other.finish_reason == "stop"
    differences = np.abs(np.subtract(coordinates(answer), coordinates(other)))
    assert np.median(differences) < bins
    assert differences.max() < TWO_PEAKS


@pytest.mark.parametrize(
    "layout", [pytest.param(layout, marks=() if layout == AWQ else pytest.mark.soak) for layout in ON_CPU]
)
def test_vllm_answers_as_the_weights_that_a_layout_stands_for(tmp_path: Path, layout: str) -> None:
    """vLLM computes quantised layers in bfloat16, and those of FP8 with activations of 8 bits."""
    answer = answer_of("vllm", nano(tmp_path, layout), dtype="auto")
    assert_same_points(answer, answer_of("transformers", nano(tmp_path, layout, dequantised)), 10.0)


@pytest.mark.parametrize("layout", IN_TRANSFORMERS)
def test_transformers_answers_as_the_weights_that_a_layout_stands_for(tmp_path: Path, layout: str) -> None:
    answer = answer_of("transformers", nano(tmp_path, layout))
    assert_same_points(answer, answer_of("transformers", nano(tmp_path, layout, dequantised)), 2.0)


@pytest.mark.handles("Engine", "quantised weights that vLLM does not read on this CPU", "refused before loading")
@pytest.mark.parametrize(
    ("layout", "settings", "message"),
    [
        (
            TENSOR,
            {},
            "fp8 with a scale for a tensor of 8-bit floats, without AMX, which vLLM does not read on this",
        ),
        (BLOCKS, {}, "fp8 with a scale for a block of 8-bit floats, without AMX, which"),
        (GPTQ, {"desc_act": True}, "gptq with desc_act, which"),
        (GPTQ, {"sym": False}, r"gptq with zero points \(sym false\), which"),
        (AWQ, {"bits": 8}, "awq with 8 bits, which"),
        (AWQ, {"group_size": 3}, "awq in groups of 3, which"),
    ],
)
def test_what_vllm_does_not_read_on_a_cpu(tmp_path: Path, layout: str, settings: dict[str, Any], message: str) -> None:
    directory = nano(tmp_path, layout)
    edit_config(lambda config: config["quantization_config"].update(settings))(directory)
    (tmp_path / "cpuinfo").write_text("flags : avx512_bf16\n")
    with pytest.raises(CheckpointError, match=message):
        check_low_bit_weights_on_cpu(directory, tmp_path / "cpuinfo")


def test_amx_reads_8_bit_floats(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("flags : amx_tile\n")
    check_low_bit_weights_on_cpu(nano(tmp_path, TENSOR), tmp_path / "cpuinfo")
    edit_config(lambda config: config["quantization_config"].update(weight_block_size=[128, 64]))(
        tmp_path / "quantised"
    )
    with pytest.raises(CheckpointError, match="fp8 in blocks of 128x64, which"):
        check_low_bit_weights_on_cpu(tmp_path / "quantised", tmp_path / "cpuinfo")


@pytest.mark.parametrize("side", [0, 1])
def test_vllm_reads_matrices_of_4_bits_with_sides_of_multiples_of_32_only(tmp_path: Path, side: int) -> None:
    directory = nano(tmp_path, AWQ)
    edit_weights(lambda tensors: tensors.update({f"{MATRIX}.qweight": cut(tensors[f"{MATRIX}.qweight"], side)}))(
        directory
    )
    with pytest.raises(CheckpointError, match=rf"with a matrix of \d+x\d+, {MATRIX}, which vLLM does not read"):
        check_low_bit_weights_on_cpu(directory)


@pytest.mark.handles("Engine", "quantised weights for which transformers lacks a package", "refused, names the package")
@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (AWQ, "weights of awq, for which transformers needs gptqmodel: run `.* -m pip install gptqmodel`, or set"),
        (GPTQ, "weights of gptq, for which transformers needs optimum, gptqmodel: run"),
        (TENSOR, "FP8 weights without weight_block_size, which transformers misreads"),
    ],
)
def test_what_transformers_does_not_read(tmp_path: Path, layout: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        check_engine("transformers", str(nano(tmp_path, layout)))


def test_transformers_does_not_read_smaller_blocks_at_an_edge(tmp_path: Path) -> None:
    directory = nano(tmp_path, BLOCKS)
    edit_config(lambda config: config["quantization_config"].update(weight_block_size=[128, 128]))(directory)
    with pytest.raises(CheckpointError, match=r"with a block at the edge that is smaller than 128x128, .*misreads"):
        check_low_bit_weights(directory)


def test_an_adapter_is_not_added_to_quantised_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="whose weights are quantised: merge it into the base before quantis"):
        read_adapter(tmp_path, nano(tmp_path, AWQ))


def cut(tensor: torch.Tensor, side: int = 0) -> torch.Tensor:
    return tensor.narrow(side, 0, tensor.shape[side] - 1).contiguous()


def without(part: str) -> Callable[[dict[str, Any]], object]:
    return lambda tensors: tensors.pop(f"{MATRIX}.{part}")


def shortened(part: str) -> Callable[[dict[str, Any]], object]:
    return lambda tensors: tensors.update({f"{MATRIX}.{part}": cut(tensors[f"{MATRIX}.{part}"])})


@pytest.mark.handles("Engine", "quantised checkpoint whose tensors do not fit its layout", "refused, names the tensor")
@pytest.mark.parametrize(
    ("layout", "change", "message"),
    [
        (AWQ, without("qzeros"), f"has 1 matrices .* {MATRIX}.qzeros is missing"),
        (AWQ, shortened("scales"), rf"{MATRIX}.scales F16 \(5, 512\) instead of BF16/F16/F32 \(6, 512\)"),
        (GPTQ, shortened("qweight"), rf"{MATRIX}.qweight I32 \(23, 512\) instead of I32 \(24, 512\)"),
        (GPTQ, shortened("g_idx"), rf"{MATRIX}.g_idx I32 \(191,\) instead of I32 \(192,\)"),
        (BLOCKS, shortened("weight_scale_inv"), rf"{MATRIX}.weight_scale_inv F32 \(7, 3\) instead of .* \(8, 3\)"),
        (ROWS, shortened("weight"), rf"{MATRIX}.weight F8_E4M3 \(511, 192\) instead of F8_E4M3 \(512, 192\)"),
        (TENSOR, without("weight_scale"), f"no floating-point numbers, {MATRIX}.weight of type F8_E4M3, and have no"),
        (TENSOR, without("weight"), f"{MATRIX}.weight is missing"),
    ],
)
def test_tensors_must_fit_their_layout(
    tmp_path: Path, layout: str, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    directory = nano(tmp_path, layout)
    check_checkpoint(directory)
    edit_weights(change)(directory)
    with pytest.raises(CheckpointError, match=message):
        check_checkpoint(directory)


@pytest.mark.handles("Engine", "quantisation in a layout that is not read, or with odd settings", "refused, names it")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quant_method": "bitsandbytes"}, "quant_method 'bitsandbytes', but only awq, compressed-tensors, fp8, gptq"),
        (["awq"], "quant_method None, but only"),
        ({"quant_method": "awq", "bits": 4}, "awq does not have: 'group_size' is missing"),
        ({"quant_method": "awq", "bits": 5, "group_size": 32}, "a value has 5 bits instead of 2, 4 or 8"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 0}, "a group has 0 values"),
        ({"quant_method": "fp8", "weight_block_size": [128, "128"]}, "a group has '128' values"),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": None}}}, "'format' is missing"),
        ({"quant_method": "fp8"}, r"has a quantization_config \(fp8\), but no quantised weights"),
    ],
)
def test_settings_that_are_not_read(tmp_path: Path, settings: object, message: str) -> None:
    directory = copy_of(NANO, tmp_path / "copy", ())
    edit_config(lambda config: config.update(quantization_config=settings))(directory)
    with pytest.raises(CheckpointError, match=message):
        check_checkpoint(directory)
