"""The memory bandwidth of a device, measured, and the least time of a decoding pass that follows from it.

A pass that decodes one token of each answer reads every weight of the language model once. So it takes at least the
size of these weights divided by the bandwidth. The keys and values, which are read as well, are not counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from taihri_ros.inference.checkpoint.low_bit_weights import low_bit_settings
from taihri_ros.inference.checkpoint.safetensors_header import Tensors
from taihri_ros.inference.checkpoint.tied_head import EMBEDDING, HEAD
from taihri_ros.inference.framework_imports import require

_REPETITIONS = 10
_LANGUAGE_MODEL = "model.language_model."
_VALUE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def measure_bandwidth(device: str, size: int = 1 << 30) -> float:
    """Measure the bandwidth of copies within the memory of a device.

    Args:
        device: `cpu` or `cuda`.
        size: Size of the copied data, bytes; it must be many times that of the caches.

    Returns:
        Bytes that are read and written in a second; the fastest of several copies.

    Raises:
        EngineError: torch is not installed.
    """
    torch = require("torch", "transformers")
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    fastest = math.inf
    for _ in range(_REPETITIONS + 1):  # the first copy also maps the target's pages
        _wait(torch, device)
        started = time.perf_counter()
        target.copy_(source)
        _wait(torch, device)
        fastest = min(fastest, time.perf_counter() - started)
    del source, target
    if device == "cuda":
        torch.cuda.empty_cache()
    return 2 * size / fastest


def bytes_of_pass(tensors: Tensors, config: Mapping[str, Any], dtype: str) -> int:
    """Return the size of the weights that a decoding pass reads.

    Args:
        tensors: The tensors of a checkpoint.
        config: The content of its `config.json`.
        dtype: Data type in which the engine holds the weights; quantised weights remain as they are in the file.

    Returns:
        Bytes of the language model and its head. The embedding, of which a pass reads one row, counts only if it is the
        head as well.
    """
    is_tied = config.get("tie_word_embeddings") is True
    read = [
        tensor
        for name, tensor in tensors.items()
        if (name.startswith(_LANGUAGE_MODEL) and (is_tied or name != EMBEDDING)) or (name == HEAD and not is_tied)
    ]
    if low_bit_settings(config) is not None:
        return sum(tensor.bytes for tensor in read)
    return _VALUE_BYTES[dtype] * sum(math.prod(tensor.shape) for tensor in read)


def _wait(torch: Any, device: str) -> None:
    """Wait until a device has finished what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
