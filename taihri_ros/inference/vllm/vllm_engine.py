"""The vLLM engine: an in-process `LLMEngine` that is stepped by the calling thread, for the lowest latency."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock
from typing import Any, ClassVar, Literal

import numpy as np

from taihri_ros.inference.checkpoint.adapter import read_adapter
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.constrained.answer_template import Template, TemplateState
from taihri_ros.inference.constrained.lark import to_lark
from taihri_ros.inference.engine import (
    EngineError,
    EngineInfo,
    Generation,
    GenerationFailedError,
    GenerationRequest,
    Question,
    RawAnswer,
)
from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.image_patches import ImagePatches
from taihri_ros.inference.local_engine import (
    Decoded,
    LocalEngine,
    common_prefix_length,
    has_few_cores,
    stage_times,
)
from taihri_ros.inference.process.protocol import MAX_IN_FLIGHT
from taihri_ros.inference.vllm.image_inputs import ImageInputs
from taihri_ros.inference.vllm.logprobs import LogprobRow, top_k_of_rows
from taihri_ros.inference.vllm.lora import load_lora, lora_arguments
from taihri_ros.inference.vllm.settings import engine_arguments, set_environment
from taihri_ros.inference.vllm.stepping import RequestState, Stepper, TemplateRequestState
from taihri_ros.model.grammar import Grammar
from taihri_ros.model.spec import ModelSpec
from taihri_ros.resources import expand_home

_FRAMEWORK = "vllm"
_GRAMMARS_KEPT = 64
_PARAMETERS_KEPT = 64


class VllmEngine(LocalEngine):
    """Engine that runs a checkpoint in vLLM's V1 engine, with jump-forward decoding through streaming sessions."""

    PACKAGES: ClassVar[tuple[str, ...]] = ("vllm", "transformers", "torch")

    @classmethod
    def prepare(cls) -> None:
        """Set the environment variables that vLLM and torch read on import, unless they are set already."""
        super().prepare()
        set_environment(few_cores=has_few_cores())

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
            adapter: Directory of a LoRA adapter, or None.

        Raises:
            EngineError: vLLM is not installed or cannot load the checkpoint.
        """
        self.prepare()
        chosen = None if adapter is None else read_adapter(expand_home(adapter), checkpoint)
        vllm = require("vllm", _FRAMEWORK)
        self._sampling: Any = require("vllm.sampling_params", _FRAMEWORK)
        self._replace: Any = require("msgspec.structs", _FRAMEWORK).replace
        platform = require("vllm.platforms", _FRAMEWORK).current_platform
        arguments = engine_arguments(
            checkpoint,
            spec,
            on_cpu=platform.is_cpu(),
            dtype=dtype,
            gpu_memory_utilization=gpu_memory_utilization,
            max_model_len=max_model_len,
            kv_cache_memory_bytes=kv_cache_memory_bytes,
            enforce_eager=enforce_eager,
            seed=seed,
        )
        if chosen is not None:
            arguments |= lora_arguments(chosen)
        try:
            self._engine: Any = vllm.LLMEngine.from_engine_args(vllm.EngineArgs(**arguments))
            self._lora = None if chosen is None else load_lora(self._engine, chosen)
        except Exception as error:  # vLLM does not document what it raises
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
            batched=True,
        )
        super().__init__(info, Vocabulary(checkpoint, absent=spec.has_absent), model_config.max_model_len)
        self._lark = lru_cache(_GRAMMARS_KEPT)(self._uncached_lark)
        self._coordinates_only = lru_cache(_PARAMETERS_KEPT)(self._uncached_coordinates_only)
        self._request_numbers = itertools.count(1)
        self._preparing = Lock()
        self._image_inputs = ImageInputs(ImagePatches.load(checkpoint))
        self._prototype: Any = None
        self._stepper = Stepper(self._engine.engine_core)

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
        if not self._has_room(request, templates, prompts):
            return self._decode_sequentially(request, prompts, started, aborted)
        template_states = [TemplateState[LogprobRow](template) for template in templates]

        def parameters(count: int) -> Any:
            return self._coordinates_only(count, request.top_k, request.repetition_penalty)

        def make_chunk(name: str, pending: tuple[int, ...], count: int) -> Any:
            return self._variant(first, name, list(pending), parameters(count), mm_features=None)

        inputs = [
            prompt + template_state.pending for prompt, template_state in zip(prompts, template_states, strict=True)
        ]
        first = self._session(request, inputs[0], parameters(template_states[0].remaining))
        sessions = [first]
        for tokens, template_state in zip(inputs[1:], template_states[1:], strict=True):
            expanded = self._expand_image(tokens, self.visual_tokens(request))
            sessions.append(self._variant(first, self._request_name(), expanded, parameters(template_state.remaining)))
        request_states = [
            TemplateRequestState(session, template_state, make_chunk)
            for session, template_state in zip(sessions, template_states, strict=True)
        ]
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
            stop_token_ids=list(self._vocabulary.end_ids),
            structured_outputs=grammar and self._sampling.StructuredOutputsParams(grammar=grammar),
        )
        with self._preparing:
            prepared = self._prepare(request, prompt, parameters)
        request_state = RequestState(prepared)
        self._stepper.run([request_state], aborted)
        stopped = bool(request_state.tokens) and request_state.tokens[-1] in self._vocabulary.end_ids
        (answer,) = self._answers(request, [request_state], stopped=stopped)
        return Decoded(answer, request_state.passes, request_state.first_token, request_state.stepping_s)

    def _request_name(self) -> str:
        return f"request-{next(self._request_numbers)}"

    def _prepare(
        self, request: GenerationRequest, tokens: tuple[int, ...], parameters: Any, *, resumable: bool = False
    ) -> Any:
        """Create an `EngineCoreRequest` with vLLM's own input processor, which also processes the image."""
        image = np.ascontiguousarray(request.image)  # torch does not accept negative strides
        prompt = {"prompt_token_ids": list(tokens), "multi_modal_data": {"image": image}}
        try:
            (rendered,) = self._engine.renderer.render_cmpl([prompt])
            return self._engine.input_processor.process_inputs(
                self._request_name(),
                rendered,
                parameters,
                lora_request=self._lora,
                supported_tasks=self._engine.get_supported_tasks(),
                resumable=resumable,
            )
        except Exception as error:  # the request is not queued, so the engine is intact
            raise GenerationFailedError(f"vLLM rejected the request: {error}") from error

    def _has_room(
        self, request: GenerationRequest, templates: tuple[Template, ...], prompts: tuple[tuple[int, ...], ...]
    ) -> bool:
        """Return whether the KV cache can hold all questions of this request and as many of another.

        Otherwise the sessions could deadlock: each keeps its blocks while it waits for one more.
        """
        cache = self._engine.vllm_config.cache_config
        shared = common_prefix_length(prompts)
        blocks = (self.visual_tokens(request) + shared) // cache.block_size
        for template, prompt in zip(templates, prompts, strict=True):
            blocks += 2 + (len(prompt) - shared + template.length) // cache.block_size
        return bool(blocks <= cache.num_gpu_blocks // MAX_IN_FLIGHT)

    def _session(self, request: GenerationRequest, tokens: tuple[int, ...], parameters: Any) -> Any:
        """Create the first chunk of a streaming session, from the prototype of its image size if there is one."""
        image, name = np.ascontiguousarray(request.image), self._request_name()
        with self._preparing:
            features = self._image_inputs.features(image, name)
            if features is None:
                prepared = self._prepare(request, tokens, parameters, resumable=True)
                self._image_inputs.add_prototype(image, prepared.mm_features)
                self._prototype = prepared
                return prepared
        place = tokens.index(self._vocabulary.image_id)
        position = dataclasses.replace(features[0].mm_position, offset=place)
        features = [dataclasses.replace(features[0], mm_position=position)]
        expanded = self._expand_image(tokens, self.visual_tokens(request))
        return self._variant(
            self._prototype, name, expanded, parameters, mm_features=features, arrival_time=time.time()
        )

    def _expand_image(self, tokens: tuple[int, ...], count: int) -> list[int]:
        """Repeat the image placeholder for every visual token, as vLLM does."""
        place = tokens.index(self._vocabulary.image_id)
        return [*tokens[:place], *([tokens[place]] * count), *tokens[place + 1 :]]

    def _variant(self, request: Any, name: str, tokens: list[int], parameters: Any, **changes: Any) -> Any:
        """Copy a request with another name, prompt and sampling parameters."""
        return self._replace(request, request_id=name, prompt_token_ids=tokens, sampling_params=parameters, **changes)

    def _uncached_coordinates_only(self, count: int, top_k: int, repetition_penalty: float) -> Any:
        """Create the sampling parameters of a chunk that decodes coordinates only."""
        return self._sampling.SamplingParams(
            temperature=0.0,
            max_tokens=count,
            repetition_penalty=repetition_penalty,
            logprobs=top_k or None,
            detokenize=False,
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
        self._engine.engine_core.shutdown()
        del self._engine


def _first_token(request_states: Sequence[RequestState], started: float) -> float:
    """Return the time when all questions had their first token, or `started` if the request was aborted earlier."""
    return max(request_state.first_token for request_state in request_states) or started
