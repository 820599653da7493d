"""What transformers needs to read low-bit (quantised) weights, checked before it loads anything."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from taihri_ros.inference.checkpoint.low_bit_weights import FLOAT8, Scheme, read_low_bit_format
from taihri_ros.inference.checkpoint.safetensors_header import Tensors, read_tensors
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require

_PACKAGES = {
    "awq": ("accelerate", "gptqmodel"),
    "compressed-tensors": ("compressed_tensors",),
    "fp8": ("accelerate",),
    "gptq": ("optimum", "gptqmodel"),
}
"""The packages that transformers 5 imports for each method."""


def check_low_bit_weights(checkpoint: Path) -> None:
    """Check that transformers can read the weights of a checkpoint.

    Args:
        checkpoint: The directory of a checkpoint whose tensors fit its layout.

    Raises:
        CheckpointError: It cannot; the message says what is missing.
    """
    low_bit = read_low_bit_format(checkpoint)
    if low_bit is None:
        return
    missing = [name for name in _PACKAGES[low_bit.method] if importlib.util.find_spec(name) is None]
    if missing:
        raise CheckpointError(
            f"{checkpoint} has weights of {low_bit.method}, for which transformers needs {', '.join(missing)}: "
            f"run `{sys.executable} -m pip install {' '.join(missing)}`, or set engine.kind to vllm"
        )
    if low_bit.method == "fp8" and (reason := _misread(low_bit.schemes[0], read_tensors(checkpoint))):
        raise CheckpointError(
            f"{checkpoint} has FP8 weights {reason}, which transformers misreads: "
            "set engine.kind to vllm, or use the checkpoint before quantisation"
        )


def loading_options(checkpoint: Path) -> dict[str, Any]:
    """Return the options of `from_pretrained` with which quantised weights are read.

    Those of compressed-tensors are decompressed while they are loaded: transformers would otherwise do it in the first
    call of the whole model, and the engine calls its parts.
    """
    low_bit = read_low_bit_format(checkpoint)
    if low_bit is None or low_bit.method != "compressed-tensors":
        return {}
    config = require("transformers", "transformers").CompressedTensorsConfig
    return {"quantization_config": config(dequantize=True)}


def _misread(scheme: Scheme, tensors: Tensors) -> str | None:
    """Return what transformers would read without an error and wrongly, or None.

    It ignores a scale of a whole matrix, and takes the size of a block from the number of scales, which differs where
    the last block is smaller.
    """
    if scheme.scale != "block":
        return "without weight_block_size"
    for name, tensor in tensors.items():
        if tensor.dtype in FLOAT8 and any(side % block for side, block in zip(tensor.shape, scheme.block, strict=True)):
            return f"with a block at the edge that is smaller than {scheme.block[0]}x{scheme.block[1]}, {name}"
    return None
