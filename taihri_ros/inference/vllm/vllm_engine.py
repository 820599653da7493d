"""The vLLM engine: an in-process `LLMEngine` that is stepped by the calling thread, for the lowest latency."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, ClassVar, Literal, get_args

from taihri_ros.inference.checkpoint.adapter import Adapter
from taihri_ros.inference.checkpoint.tokenizer_files import write_without_gaps
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.constrained.answer_template import Template, TemplateState
from taihri_ros.inference.constrained.lark import to_lark
from taihri_ros.inference.engine import (
    EngineError,
    EngineInfo,
    Generation,
    GenerationRequest,
    Question,
    RawAnswer,
)
from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.image_patches import ImagePatches
from taihri_ros.inference.local_engine import (
    Decoded,
    LocalEngine,
    has_few_cores,
    stage_times,
)
from taihri_ros.inference.vllm import private_api
from taihri_ros.inference.vllm.logprobs import LogprobRow, top_k_of_rows
from taihri_ros.inference.vllm.lora import load_lora, lora_arguments
from taihri_ros.inference.vllm.low_bit_weights import check_low_bit_weights_on_cpu
from taihri_ros.inference.vllm.public_requests import PublicRequests
from taihri_ros.inference.vllm.requests import Requests, VllmApi
from taihri_ros.inference.vllm.session_requests import SessionRequests
from taihri_ros.inference.vllm.settings import add_arguments, engine_arguments, set_environment
from taihri_ros.inference.vllm.stepping import RequestState, Stepper
from taihri_ros.inference.vllm.versions import check_version, is_cpu_build
from taihri_ros.model.grammar import Grammar
from taihri_ros.model.spec import ModelSpec

_FRAMEWORK = "vllm"
_GRAMMARS_KEPT = 64
_PARAMETERS_KEPT = 64

_logger = logging.getLogger(__name__)


class VllmEngine(LocalEngine):
    """Engine that runs a checkpoint in vLLM's V1 engine, with jump-forward decoding."""

    PACKAGES: ClassVar[tuple[str, ...]] = ("vllm", "transformers", "torch")

    @classmethod
    def prepare(cls) -> None:
        """Set the environment variables that vLLM and torch read on import, unless they are set already."""
        super().prepare()
        set_environment(few_cores=has_few_cores())

    @classmethod
    def check(cls, checkpoint: Path) -> None:
        """Check a checkpoint, its quantisation, and the version of vLLM; see `check_checkpoint` and `check_version`."""
        check_version()
        super().check(checkpoint)
        if is_cpu_build():
            check_low_bit_weights_on_cpu(checkpoint)

    @classmethod
    def check_adapter(cls, adapter: str, checkpoint: Path) -> Adapter:
        """Read a LoRA adapter and check that vLLM can load it; see `read_adapter` and `lora_arguments`."""
        chosen = super().check_adapter(adapter, checkpoint)
        lora_arguments(chosen)
        return chosen

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
        api: VllmApi = "auto",
        further: Mapping[str, object] | None = None,
        adapter: str | None = None,
    ) -> None:
        """Load a checkpoint that passes `check_checkpoint`; call `prepare` before anything imports torch.

        Args:
            checkpoint: The checkpoint's directory.
            spec: The checkpoint's specification.
            dtype: Data type of the weights. `auto` is the checkpoint's own on a GPU; on a CPU it is bfloat16 if the
                weights are bfloat16 and the CPU has instructions for it, else float32.
            gpu_memory_utilization: Fraction of the GPU memory to use, 0 to 1.
            max_model_len: Maximum number of tokens of image, prompt and answer together; by default enough for the
                largest image.
            kv_cache_memory_bytes: Size of the KV cache, bytes; by default the rest of the used GPU memory, and on a CPU
                enough for two requests of maximum length.
            enforce_eager: Whether to disable CUDA graphs; by default only on a CPU.
            seed: Random seed of vLLM; decoding is greedy and does not depend on it.
            api: Which part of vLLM is used; `internal` is faster than `public`, the answers are equal.
            further: Further fields of vLLM's `EngineArgs`, by name; see `add_arguments`.
            adapter: Directory of a LoRA adapter, or None.

        Raises:
            EngineError: vLLM is not installed, cannot load the checkpoint, refuses a further argument, or is not as
                `internal` needs it.
        """
        self.prepare()
        chosen = None if adapter is None else self.check_adapter(adapter, checkpoint)
        self._sampling: Any = require("vllm.sampling_params", _FRAMEWORK)
        is_public = _needs_public_api(api)
        private_api.keep_patches()
        on_cpu, device = private_api.device()
        arguments = engine_arguments(
            checkpoint,
            spec,
            on_cpu=on_cpu,
            dtype=dtype,
            gpu_memory_utilization=gpu_memory_utilization,
            max_model_len=max_model_len,
            kv_cache_memory_bytes=kv_cache_memory_bytes,
            enforce_eager=enforce_eager,
            seed=seed,
        )
        if chosen is not None:
            arguments |= lora_arguments(chosen)
        vocabulary = Vocabulary(checkpoint, absent=spec.has_absent)
        self._engine, lora = _load(checkpoint, vocabulary, arguments, further or {}, chosen)
        info = EngineInfo(
            kind="vllm",
            version=require("vllm", _FRAMEWORK).__version__,
            model=str(checkpoint),
            device=device,
            dtype=private_api.dtype_of(self._engine, arguments["dtype"]),
            spec=spec,
            batched=True,
        )
        super().__init__(info, vocabulary, arguments["max_model_len"])
        self._lark = lru_cache(_GRAMMARS_KEPT)(self._uncached_lark)
        self._coordinates_only = lru_cache(_PARAMETERS_KEPT)(self._uncached_coordinates_only)
        self._requests: Requests = (
            PublicRequests(self._engine, lora)
            if is_public
            else SessionRequests(self._engine, self._vocabulary.image_id, ImagePatches.load(checkpoint), lora)
        )
        self._stepper = Stepper(self._requests.core)

    @property
    def llm_engine(self) -> Any:
        """The `LLMEngine` itself, for benchmarks; do not call this engine while it is in use."""
        return self._engine

    def _uncached_lark(self, grammar: Grammar) -> str:
        return to_lark(grammar, self._vocabulary.ids, self._vocabulary.coordinates)

    def _decode_templates(
        self,
        request: GenerationRequest,
        templates: tuple[Template, ...],
        prompts: tuple[tuple[int, ...], ...],
        started: float,
        aborted: Event,
    ) -> Generation:
        visual_tokens = self.visual_tokens(request)
        with self._requests.reserved(visual_tokens, templates, prompts) as is_reserved:
            if is_reserved:
                return self._decode_together(request, visual_tokens, templates, prompts, started, aborted)
        return self._decode_sequentially(request, prompts, started, aborted)

    def _decode_together(
        self,
        request: GenerationRequest,
        visual_tokens: int,
        templates: tuple[Template, ...],
        prompts: tuple[tuple[int, ...], ...],
        started: float,
        aborted: Event,
    ) -> Generation:
        template_states = [TemplateState[LogprobRow](template) for template in templates]

        def parameters(count: int) -> Any:
            return self._coordinates_only(count, request.top_k, request.repetition_penalty)

        request_states = self._requests.templated(request, visual_tokens, prompts, template_states, parameters)
        self._stepper.run(request_states, aborted)
        return Generation(
            answers=self._answers(request, request_states, stopped=True),
            steps=max(request_state.passes for request_state in request_states),
            timings_ms=stage_times(
                started, _first_token(request_states, started), time.perf_counter(), request_states[0].stepping_s
            ),
        )

    def _decode(
        self, request: GenerationRequest, question: Question, prompt: tuple[int, ...], aborted: Event
    ) -> Decoded:
        grammar = None if question.grammar is None else self._lark(question.grammar)
        parameters = self._sampling.SamplingParams(
            temperature=0.0,
            max_tokens=request.max_tokens,
            repetition_penalty=request.repetition_penalty,
            logprobs=request.top_k or None,
            detokenize=False,
            output_kind=self._sampling.RequestOutputKind.DELTA,
            stop_token_ids=list(self._vocabulary.end_ids),
            structured_outputs=grammar and self._sampling.StructuredOutputsParams(grammar=grammar),
        )
        length = min(self.visual_tokens(request) + len(prompt) + request.max_tokens, self._max_length)
        with self._requests.reserved_for_one(length, aborted):
            request_state = self._requests.one(request, prompt, parameters)
            self._stepper.run([request_state], aborted)
        stopped = bool(request_state.tokens) and request_state.tokens[-1] in self._vocabulary.end_ids
        (answer,) = self._answers(request, [request_state], stopped=stopped)
        return Decoded(answer, request_state.passes, request_state.first_token, request_state.stepping_s)

    def _uncached_coordinates_only(self, count: int, top_k: int, repetition_penalty: float) -> Any:
        """Create the sampling parameters of a request that decodes coordinates only."""
        return self._sampling.SamplingParams(
            temperature=0.0,
            max_tokens=count,
            repetition_penalty=repetition_penalty,
            logprobs=top_k or None,
            detokenize=False,
            output_kind=self._sampling.RequestOutputKind.DELTA,
            allowed_token_ids=list(self._vocabulary.coordinates),
        )

    def _answers(
        self, request: GenerationRequest, request_states: Sequence[RequestState], *, stopped: bool
    ) -> tuple[RawAnswer, ...]:
        coordinates, end_ids = self._vocabulary.coordinates, self._vocabulary.end_ids
        rows = [
            [
                row if token in coordinates else None
                for token, row in zip(request_state.tokens, request_state.rows, strict=True)
            ]
            for request_state in request_states
        ]
        found = top_k_of_rows(rows, coordinates, request.top_k)
        answers: list[RawAnswer] = []
        for request_state, top_k in zip(request_states, found, strict=True):
            count = len(request_state.tokens) - (bool(request_state.tokens) and request_state.tokens[-1] in end_ids)
            answers.append(
                RawAnswer(
                    tokens=self._vocabulary.texts(request_state.tokens[:count]),
                    top_k=top_k[:count],
                    finish_reason="stop" if stopped else "length",
                )
            )
        return tuple(answers)

    def _release(self) -> None:
        private_api.shut_down(self._engine)
        del self._engine


def _load(
    checkpoint: Path,
    vocabulary: Vocabulary,
    arguments: Mapping[str, Any],
    further: Mapping[str, object],
    adapter: Adapter | None,
) -> tuple[Any, Any]:
    """Load a checkpoint, and return vLLM's `LLMEngine` and the `LoRARequest` of the adapter, if there is one."""
    try:
        with TemporaryDirectory(prefix="taihri-tokenizer-") as complete:
            tokenizer: dict[str, Any] = {}
            if vocabulary.has_gaps:
                write_without_gaps(checkpoint, Path(complete))
                tokenizer["tokenizer"] = complete
            engine_args = add_arguments({**arguments, **tokenizer}, further)
            engine = require("vllm", _FRAMEWORK).LLMEngine.from_engine_args(engine_args)
        return engine, None if adapter is None else load_lora(engine, adapter)
    except EngineError:
        raise
    except Exception as error:  # vLLM does not document what it raises
        raise EngineError(f"vLLM cannot load {checkpoint}: {error}") from error


def _first_token(request_states: Sequence[RequestState], started: float) -> float:
    """Return the time when all questions had their first token, or `started` if the request was aborted earlier."""
    return max(request_state.first_token for request_state in request_states) or started


def _needs_public_api(api: VllmApi) -> bool:
    """Return whether only the public API can be used, because it was chosen or vLLM's core lacks what is needed."""
    if api not in get_args(VllmApi):
        raise EngineError(f"the engine vllm has no API {api!r}: choose one of {', '.join(get_args(VllmApi))}")
    difference = None if api == "public" else private_api.mismatch()
    if difference and api == "internal":
        raise EngineError(f"{difference}: set engine.vllm_api to auto or public, or install a supported version")
    if difference:
        _logger.warning("%s: using vLLM's public API, which is slower", difference)
    return api == "public" or difference is not None
