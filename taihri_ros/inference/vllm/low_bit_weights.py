"""Checks, before vLLM loads anything, whether it can read low-bit (quantised) weights on a CPU; on a GPU vLLM decides.

The rules are those of the CPU kernels of vLLM 0.32 (`vllm.model_executor.kernels.linear`). On a CPU without AMX, vLLM
would choose FP8 kernels whose operators are missing in the build for CPUs, and fail in the first forward pass.
"""

from __future__ import annotations

from pathlib import Path

from taihri_ros.inference.checkpoint.low_bit_weights import Scheme, read_low_bit_format
from taihri_ros.inference.checkpoint.safetensors_header import Tensors, read_tensors
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.vllm.settings import CPUINFO, cpu_flags

_AMX = "amx_tile"
_MULTIPLE = 32
"""The numbers of rows and of columns of a 4-bit matrix must be multiples of this."""
_BLOCK = 128
_READ = "AWQ and symmetric GPTQ of 4 bits, and 8 bits of compressed-tensors with a scale for each row"


def check_low_bit_weights_on_cpu(checkpoint: Path, cpuinfo: Path = CPUINFO) -> None:
    """Check that vLLM can read the weights of a checkpoint on this CPU.

    Args:
        checkpoint: The directory of a checkpoint whose tensors fit its layout.
        cpuinfo: File that lists the CPU's flags.

    Raises:
        CheckpointError: It cannot; the message says what vLLM reads on a CPU.
    """
    low_bit = read_low_bit_format(checkpoint)
    if low_bit is None:
        return
    has_amx = _AMX in cpu_flags(cpuinfo)
    tensors = read_tensors(checkpoint)
    for scheme in low_bit.schemes:
        if reason := _refusal(scheme, has_amx) or _odd_size(scheme, tensors):
            raise CheckpointError(
                f"{checkpoint} has weights of {low_bit.method} {reason}, which vLLM does not read on this CPU "
                f"(it reads {_READ}): use a GPU, or the checkpoint before quantisation"
            )


def _refusal(scheme: Scheme, has_amx: bool) -> str | None:
    """Return what vLLM cannot read in a scheme, or None."""
    if scheme.layout in ("awq", "gptq", "pack-quantized"):
        if scheme.bits != 4:
            return f"with {scheme.bits} bits"
        if scheme.layout == "gptq" and scheme.ordered:
            return "with desc_act"
        if scheme.layout == "gptq" and not scheme.symmetric:
            return "with zero points (sym false)"
        return f"in groups of {scheme.group}" if scheme.group != -1 and scheme.group % 2 else None
    if scheme.layout == "int-quantized" or scheme.scale == "channel":
        return None
    if not has_amx:
        return f"with a scale for a {scheme.scale} of 8-bit floats, without AMX"
    if scheme.scale == "block" and (scheme.block[1] != _BLOCK or scheme.block[0] % _MULTIPLE):
        return f"in blocks of {scheme.block[0]}x{scheme.block[1]}"
    return None


def _odd_size(scheme: Scheme, tensors: Tensors) -> str | None:
    """Return the first 4-bit matrix of a size that vLLM's kernel does not read, or None."""
    part = {"awq": "qweight", "gptq": "qweight", "pack-quantized": "weight_packed"}.get(scheme.layout)
    for name, tensor in tensors.items():
        if part is None or name.rpartition(".")[2] != part:
            continue
        first, second = tensor.shape
        sides = (first * 8, second) if scheme.layout == "gptq" else (first, second * 8)
        if any(side % _MULTIPLE for side in sides):
            return f"with a matrix of {sides[0]}x{sides[1]}, {name.rpartition('.')[0]}"
    return None
