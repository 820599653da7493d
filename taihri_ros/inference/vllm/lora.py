"""Loading of a LoRA adapter into vLLM, which applies it in every forward pass and leaves the base weights unchanged."""

from __future__ import annotations

from typing import Any

from taihri_ros.inference.checkpoint.adapter import MAX_RANK, Adapter
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require

_RANKS = (8, 16, 32, 64, 128, 256, MAX_RANK)
"""The ranks for which vLLM can reserve memory; an adapter of another rank takes the next larger one."""


def lora_arguments(adapter: Adapter) -> dict[str, Any]:
    """Return the fields of vLLM's `EngineArgs` for one adapter.

    Args:
        adapter: The adapter.

    Returns:
        The fields by name.

    Raises:
        CheckpointError: The adapter changes the vision tower, which vLLM would ignore.
    """
    if adapter.changes_vision:
        raise CheckpointError(
            f"{adapter.directory} changes the vision tower, which vLLM would ignore: merge the adapter into its base "
            "with peft's merge_and_unload and use the result, or set engine.kind to transformers"
        )
    rank = next(size for size in _RANKS if size >= adapter.rank)
    return {"enable_lora": True, "max_loras": 1, "max_lora_rank": rank}


def load_lora(engine: Any, adapter: Adapter) -> Any:
    """Load an adapter into an engine.

    Args:
        engine: An `LLMEngine` that was made with `lora_arguments`.
        adapter: The adapter.

    Returns:
        The `LoRARequest` that every request must name.
    """
    request = require("vllm.lora.request", "vllm").LoRARequest("adapter", 1, str(adapter.directory.absolute()))
    engine.add_lora(request)
    return request
