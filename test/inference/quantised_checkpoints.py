"""Layouts in which weights may be quantised. Each rewrites a checkpoint in place, or to the weights that it stands for.

The layouts are those of vLLM's and transformers' readers: FP8 (`quant_method` fp8), compressed-tensors, AutoAWQ's GEMM
and GPTQ's first version. The names are those of the rows in docs/checkpoints.md.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from checkpoint_variants import WEIGHTS, edit_config, edit_weights
from safetensors import safe_open

Tensors = dict[str, torch.Tensor]
Quantise = Callable[[torch.Tensor], tuple[Tensors, torch.Tensor]]
"""Returns the tensors of a layout, by the last part of their names, and the weights that they stand for."""

GROUP = 32
BLOCK = 64
LARGEST_FP8 = 448.0
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""AutoAWQ's order of eight columns in an integer of 32 bits."""


def to_fp8(weight: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    quantised = (weight / scale).to(torch.float8_e4m3fn)
    return quantised, quantised.float() * scale


def fp8_of_tensor(weight: torch.Tensor) -> tuple[Tensors, torch.Tensor]:
    scale = weight.abs().max() / LARGEST_FP8
    quantised, stands_for = to_fp8(weight, scale)
    return {"weight": quantised, "weight_scale": scale}, stands_for


def fp8_of_rows(weight: torch.Tensor) -> tuple[Tensors, torch.Tensor]:
    scale = weight.abs().amax(1, keepdim=True) / LARGEST_FP8
    quantised, stands_for = to_fp8(weight, scale)
    return {"weight": quantised, "weight_scale": scale}, stands_for


def fp8_of_blocks(weight: torch.Tensor) -> tuple[Tensors, torch.Tensor]:
    rows, columns = (-(-side // BLOCK) for side in weight.shape)
    scale = torch.zeros(rows, columns)
    for row in range(rows):
        for column in range(columns):
            block = weight[row * BLOCK :, column * BLOCK :][:BLOCK, :BLOCK]
            scale[row, column] = block.abs().max() / LARGEST_FP8
    spread = scale.repeat_interleave(BLOCK, 0).repeat_interleave(BLOCK, 1)[: weight.shape[0], : weight.shape[1]]
    quantised, stands_for = to_fp8(weight, spread)
    return {"weight": quantised, "weight_scale_inv": scale}, stands_for


def pack(values: torch.Tensor, dim: int) -> torch.Tensor:
    """Pack eight integers of 4 bits along a dimension into one of 32 bits."""
    parts = values.to(torch.int64).unflatten(dim, (-1, 8)).movedim(dim + 1, -1)
    return (parts << torch.arange(0, 32, 4)).sum(-1).to(torch.uint32).view(torch.int32)


def awq(weight: torch.Tensor) -> tuple[Tensors, torch.Tensor]:
    inputs = weight.T
    groups = inputs.unflatten(0, (-1, GROUP))
    low, high = groups.amin(1), groups.amax(1)
    scales = ((high - low) / 15).half()
    zeros = (-low / scales.float()).round().clamp(0, 15)
    wide_scales, wide_zeros = (one.float().repeat_interleave(GROUP, 0) for one in (scales, zeros))
    values = (inputs / wide_scales + wide_zeros).round().clamp(0, 15)
    order = [8 * (column // 8) + AWQ_ORDER[column % 8] for column in range(weight.shape[0])]
    tensors = {"qweight": pack(values[:, order], 1), "qzeros": pack(zeros[:, order], 1), "scales": scales}
    return tensors, ((values - wide_zeros) * wide_scales).T


def gptq(weight: torch.Tensor) -> tuple[Tensors, torch.Tensor]:
    inputs = weight.T
    scales = (inputs.unflatten(0, (-1, GROUP)).abs().amax(1) / 7).half()
    wide_scales = scales.float().repeat_interleave(GROUP, 0)
    values = (inputs / wide_scales + 8).round().clamp(0, 15)
    tensors = {
        "qweight": pack(values, 0),
        "qzeros": pack(torch.full(scales.shape, 7), 1),  # one less than the zero, as GPTQ's first version stores it
        "scales": scales,
        "g_idx": torch.arange(len(inputs), dtype=torch.int32) // GROUP,
    }
    return tensors, ((values - 8) * wide_scales).T


def compressed(weights: dict[str, Any], inputs: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "quantization_status": "compressed",
        "ignore": ["re:.*visual.*", "lm_head"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": inputs}},
    }


EIGHT_BITS = {"num_bits": 8, "type": "float", "symmetric": True}
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic"}
FOUR_BITS = {"bits": 4, "group_size": GROUP}
LAYOUTS: dict[str, tuple[dict[str, Any], Quantise]] = {
    "FP8 (`fp8`), one scale for a matrix": (FP8, fp8_of_tensor),
    "FP8 (`fp8`), scales of blocks": (FP8 | {"weight_block_size": [BLOCK, BLOCK]}, fp8_of_blocks),
    "FP8 (`compressed-tensors`), scales of rows": (
        compressed(
            EIGHT_BITS | {"strategy": "channel", "dynamic": False},
            EIGHT_BITS | {"strategy": "token", "dynamic": True},
        ),
        fp8_of_rows,
    ),
    "AWQ, 4 bits": ({"quant_method": "awq", "zero_point": True, "version": "gemm", **FOUR_BITS}, awq),
    "GPTQ, 4 bits": (
        {"quant_method": "gptq", "sym": True, "desc_act": False, "checkpoint_format": "gptq", **FOUR_BITS},
        gptq,
    ),
}


def is_quantised(name: str) -> bool:
    return name.startswith("model.language_model.layers.") and name.endswith("_proj.weight")


def quantised(directory: Path, layout: str) -> Path:
    """Quantise the linear layers of the language model in place, and return the directory."""
    settings, quantise = LAYOUTS[layout]

    def change(tensors: Tensors) -> None:
        for name in [name for name in tensors if is_quantised(name)]:
            parts, _ = quantise(tensors.pop(name).float())
            module = name.removesuffix("weight")
            tensors.update({module + part: tensor.contiguous() for part, tensor in parts.items()})

    edit_weights(change)(directory)
    with safe_open(directory / WEIGHTS, "pt") as file:
        modules = {name.rpartition(".")[0] for name in file.offset_keys() if len(file.get_slice(name).get_shape()) == 2}
    others = sorted(module for module in modules if not is_quantised(f"{module}.weight"))
    if settings["quant_method"] != "compressed-tensors":
        settings = settings | {"modules_to_not_convert": others}
    edit_config(lambda config: config.update(quantization_config=settings))(directory)
    return directory


def dequantised(directory: Path, layout: str) -> Path:
    """Replace the weights by those that `quantised` makes stand for in place, and return the directory."""
    _, quantise = LAYOUTS[layout]

    def change(tensors: Tensors) -> None:
        for name in [name for name in tensors if is_quantised(name)]:
            tensors[name] = quantise(tensors[name].float())[1].contiguous()

    edit_weights(change)(directory)
    return directory


ON_CPU = ("FP8 (`compressed-tensors`), scales of rows", "AWQ, 4 bits", "GPTQ, 4 bits")
"""The layouts that vLLM reads on a CPU without AMX."""

IN_TRANSFORMERS = ("FP8 (`fp8`), scales of blocks", "FP8 (`compressed-tensors`), scales of rows")
"""The layouts that transformers reads with the packages of the engine's environment."""
