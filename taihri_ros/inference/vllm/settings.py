"""Environment variables and engine arguments of vLLM, with the reasons for their values."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taihri_ros.inference.checkpoint.low_bit_weights import low_bit_settings
from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.in_process_engine import MAX_QUESTIONS, MAX_TOP_K
from taihri_ros.inference.process.protocol import MAX_IN_FLIGHT
from taihri_ros.inference.vllm.versions import is_cpu_build
from taihri_ros.model.spec import ModelSpec
from taihri_ros.validation import unknown_name

CPUINFO = Path("/proc/cpuinfo")
"""File that lists the CPU's flags."""

_TEXT_TOKENS = 2048
"""Maximum number of prompt and answer tokens in addition to the image."""
_QUESTION_TOKENS = 96
"""Tokens that each further question needs: its prompt after the prefix that all questions share, its answer, and the
unused rest of its first and last cache block."""
_CPU_BLOCK = 32
"""Tokens in a block of the KV cache on a CPU."""

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}

_HAS_PARAMETER = ("dtype", "gpu_memory_utilization", "max_model_len", "model")
"""Fields of `EngineArgs` that have parameters of their own."""

_NEEDED = (
    "allowed_local_media_path",
    "allowed_media_domains",
    "convert",
    "enable_prefix_caching",
    "generation_config",
    "limit_mm_per_prompt",
    "logprobs_mode",
    "max_logprobs",
    "mm_processor_cache_gb",
    "mm_processor_kwargs",
    "override_generation_config",
    "runner",
    "skip_tokenizer_init",
    "structured_outputs_config",
    "tokenizer",
    "trust_remote_code",
)
"""Fields of `EngineArgs` that users must not change: otherwise answers may be wrong, or a checkpoint may run code."""

_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # a second process has no benefit here
    "VLLM_HOST_IP": "127.0.0.1",  # otherwise vLLM queries the network for its own address
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_XGRAMMAR_CACHE_MB": "0",  # xgrammar 0.2.8's cache confuses grammars of equal structure
}
_CPU_ENVIRONMENT = {
    "TORCH_COMPILE_DISABLE": "1",  # otherwise the first request with log-probabilities compiles for many seconds
    "VLLM_LOGGING_LEVEL": "ERROR",  # otherwise vLLM logs a warning about its own calls with every request
}
_FEW_CORES_ENVIRONMENT = {
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # otherwise vLLM pins itself to a core that the node and the camera may use
}


def set_environment(*, few_cores: bool) -> None:
    """Set the environment variables that vLLM reads on import, unless they are set already.

    Args:
        few_cores: Whether the node and the engine share few CPU cores.
    """
    values = dict(_ENVIRONMENT)
    if is_cpu_build():
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
    """Return the fields of vLLM's `EngineArgs`. All arguments from `dtype` on are those of `VllmEngine`.

    Args:
        checkpoint: The checkpoint's directory.
        spec: The checkpoint's specification.
        on_cpu: Whether vLLM runs on a CPU.
        dtype: Data type of the weights, or `auto`.
        gpu_memory_utilization: Fraction of the GPU memory to use, 0 to 1.
        max_model_len: Maximum number of tokens of image, prompt and answer together, or None.
        kv_cache_memory_bytes: Size of the KV cache, bytes, or None.
        enforce_eager: Whether to disable CUDA graphs, or None.
        seed: Random seed of vLLM.

    Returns:
        The fields by name.
    """
    max_length = max_model_len or spec.max_pixels // spec.image_multiple**2 + _TEXT_TOKENS
    further = (MAX_QUESTIONS - 1) * _QUESTION_TOKENS
    arguments: dict[str, Any] = {
        "model": str(checkpoint),
        "seed": seed,
        "max_model_len": max_length,
        "max_num_batched_tokens": max(max_length, 2048) + further,  # image and all questions in one step
        "max_num_seqs": MAX_IN_FLIGHT * MAX_QUESTIONS,
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "mm_processor_kwargs": {"size": {"shortest_edge": spec.min_pixels, "longest_edge": spec.max_pixels}},
        "mm_processor_cache_gb": 0,  # a cached image of a refused request would block the engine
        "max_logprobs": MAX_TOP_K,
        "logprobs_mode": "processed_logprobs",
        "structured_outputs_config": {"backend": "xgrammar"},
        "generation_config": "vllm",  # the checkpoint's own settings may sample or penalise
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "trust_remote_code": False,
        "load_format": "safetensors",  # otherwise a stray consolidated.safetensors selects Mistral's loader
    }
    if on_cpu:
        cache_bytes = MAX_IN_FLIGHT * (max_length + further) * _kv_bytes_per_token(checkpoint)
        return arguments | {
            "dtype": cpu_dtype(checkpoint) if dtype == "auto" else dtype,
            "block_size": _CPU_BLOCK,
            "kv_cache_memory_bytes": kv_cache_memory_bytes or cache_bytes,
            "enforce_eager": enforce_eager is not False,
        }
    return arguments | {
        "dtype": dtype,
        "gpu_memory_utilization": gpu_memory_utilization,
        "kv_cache_memory_bytes": kv_cache_memory_bytes,
        "enforce_eager": bool(enforce_eager),
    }


def add_arguments(arguments: Mapping[str, Any], further: Mapping[str, object]) -> Any:
    """Return vLLM's `EngineArgs`, with arguments that the user has chosen; vLLM checks these before it loads anything.

    Args:
        arguments: The result of `engine_arguments`.
        further: Further fields by name, or other values for those of `arguments` that the node does not depend on.

    Returns:
        The `EngineArgs`.

    Raises:
        EngineError: vLLM does not know a name or refuses a value, or the node needs its own value of a field.
    """
    engine_args = require("vllm", "vllm").EngineArgs
    known = [field.name for field in dataclasses.fields(engine_args)]
    for name in further:
        if name in _HAS_PARAMETER:
            raise EngineError(f"engine.vllm cannot set {name}: set engine.{name} instead")
        if name in _NEEDED:
            raise EngineError(f"engine.vllm cannot set {name}: the node needs its own value, so leave it out")
        if name not in known:
            raise EngineError(f"engine.vllm: {unknown_name('argument', name, known)}")
    if not further:
        return engine_args(**arguments)
    try:
        made = engine_args(**{**arguments, **further})
        made.create_engine_config()
    except Exception as error:  # vLLM does not document what it raises
        reason = " ".join(str(error).split())
        raise EngineError(f"vLLM refuses engine.vllm ({', '.join(further)}): {reason}") from error
    return made


def cpu_flags(cpuinfo: Path = CPUINFO) -> set[str]:
    """Return the words of the file that lists the CPU's flags; empty if there is no such file."""
    return set(cpuinfo.read_text().split()) if cpuinfo.is_file() else set()


def cpu_dtype(checkpoint: Path, cpuinfo: Path = CPUINFO) -> str:
    """Choose the data type for a CPU: bfloat16 if the weights are bfloat16 and the CPU has instructions for it.

    Other CPUs emulate bfloat16, which is slower than float32; but vLLM reads quantised weights in bfloat16 only.

    Args:
        checkpoint: The checkpoint's directory.
        cpuinfo: File that lists the CPU's flags.

    Returns:
        `bfloat16` or `float32`.
    """
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    if low_bit_settings(config) is not None:
        return "bfloat16"
    weights = config.get("dtype") or config.get("torch_dtype")
    return "bfloat16" if weights == "bfloat16" and cpu_flags(cpuinfo) & _BFLOAT16_FLAGS else "float32"


def _kv_bytes_per_token(checkpoint: Path) -> int:
    """Return the size of one token's keys and values in float32, over all layers, bytes."""
    text = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))["text_config"]
    head = text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]
    return int(2 * 4 * text["num_hidden_layers"] * text["num_key_value_heads"] * head)
