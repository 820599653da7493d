"""The Hugging Face transformers engine: slower than vLLM, but easier to install.

Decoding is greedy, and the grammar's automaton masks the tokens, so the answers are equal to those of vLLM. Questions
whose grammars have templates are decoded as one batch in a `PrefixTree`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock
from typing import Any, ClassVar, Literal

from taihri_ros.inference.checkpoint.adapter import Adapter
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.constrained.answer_template import Template, TemplateState
from taihri_ros.inference.constrained.automaton import Automaton
from taihri_ros.inference.engine import (
    CheckpointError,
    EngineError,
    EngineInfo,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
    Question,
    RawAnswer,
    TopK,
)
from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.image_patches import ImagePatches
from taihri_ros.inference.local_engine import Decoded, LocalEngine, common_prefix_length, sorted_top_k, stage_times
from taihri_ros.inference.transformers.low_bit_weights import check_low_bit_weights, loading_options
from taihri_ros.inference.transformers.prefix_tree import PrefixTree
from taihri_ros.model.grammar import Grammar
from taihri_ros.model.spec import ModelSpec

_FRAMEWORK = "transformers"
_GRAMMARS_KEPT = 32
_POLL_S = 0.02
"""Interval at which a request that waits for the model checks whether it was aborted, seconds."""


class TransformersEngine(LocalEngine):
    """Engine that runs a checkpoint in transformers' `Qwen3VLForConditionalGeneration`."""

    PACKAGES: ClassVar[tuple[str, ...]] = ("transformers", "torch")

    @classmethod
    def check(cls, checkpoint: Path) -> None:
        """Check a checkpoint, and that transformers can read its quantisation; see `check_checkpoint`."""
        super().check(checkpoint)
        check_low_bit_weights(checkpoint)

    def __init__(
        self,
        checkpoint: Path,
        spec: ModelSpec,
        *,
        device: str = "auto",
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        adapter: str | None = None,
    ) -> None:
        """Load a checkpoint that passes `check_checkpoint`.

        Args:
            checkpoint: The checkpoint's directory.
            spec: The checkpoint's specification.
            device: `cpu`, `cuda`, `cuda:1` ..., or `auto` for the GPU if there is one.
            dtype: Data type of the weights; `auto` is the checkpoint's own on a GPU and float32 on a CPU.
            adapter: Directory of a LoRA adapter that is merged into the weights, or None.

        Raises:
            CheckpointError: The checkpoint cannot be loaded.
            EngineError: The framework is not installed, or the device does not exist.
        """
        chosen = None if adapter is None else self.check_adapter(adapter, checkpoint)
        torch, transformers = require("torch", _FRAMEWORK), require("transformers", _FRAMEWORK)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype == "auto" and device == "cpu":
            dtype = "float32"
        self._model = _load(transformers, checkpoint, device, dtype, chosen)
        self._torch, self._transformers = torch, transformers
        self._model_lock = Lock()
        self._patches = ImagePatches.load(checkpoint)
        self._automaton = lru_cache(_GRAMMARS_KEPT)(self._uncached_automaton)
        name = f" {torch.cuda.get_device_name(self._model.device)}" if self._model.device.type == "cuda" else ""
        info = EngineInfo(
            kind="transformers",
            version=transformers.__version__,
            model=str(checkpoint),
            device=f"{self._model.device}{name}",
            dtype=str(self._model.dtype).removeprefix("torch."),
            spec=spec,
            batched=True,
        )
        vocabulary = Vocabulary(checkpoint, absent=spec.has_absent)
        super().__init__(info, vocabulary, self._model.config.text_config.max_position_embeddings)
        self._coordinates: Any = torch.from_numpy(vocabulary.coordinates.array).to(self._model.device)

    @property
    def model(self) -> Any:
        """The model itself, for benchmarks; do not call the engine while it is in use."""
        return self._model

    def _uncached_automaton(self, grammar: Grammar) -> Automaton:
        return Automaton(grammar, self._vocabulary.ids, self._vocabulary.coordinates)

    def _decode_templates(
        self,
        request: GenerationRequest,
        templates: tuple[Template, ...],
        prompts: tuple[tuple[int, ...], ...],
        started: float,
        aborted: Event,
    ) -> Generation:
        template_states = [TemplateState[TopK](template) for template in templates]
        shared = common_prefix_length(prompts)
        pending = {number: prompt[shared:] + template_states[number].pending for number, prompt in enumerate(prompts)}
        inputs = self._inputs(request, prompts[0][:shared])
        first_token, forward_s = started, 0.0
        with self._exclusive(aborted), self._torch.inference_mode():
            try:
                tree = PrefixTree(self._model, inputs)
                while pending and not aborted.is_set():
                    pass_started = time.perf_counter()
                    logits = tree.forward(pending)
                    forward_s += time.perf_counter() - pass_started
                    self._append_most_likely(request, logits, [template_states[number] for number in pending])
                    first_token = first_token if tree.passes > 1 else time.perf_counter()
                    pending = {
                        number: template_states[number].pending
                        for number in pending
                        if template_states[number].remaining
                    }
            except RuntimeError as error:
                raise GenerationFailedError(f"the model failed: {error}") from error
        return Generation(
            answers=tuple(
                RawAnswer(
                    tokens=self._vocabulary.texts(template_state.tokens),
                    top_k=tuple(template_state.top_k),
                    finish_reason="stop",
                )
                for template_state in template_states
            ),
            steps=tree.passes,
            timings_ms=stage_times(started, first_token, time.perf_counter(), forward_s),
        )

    @contextmanager
    def _exclusive(self, aborted: Event) -> Iterator[None]:
        """Hold the model's lock; raise an error if the request is aborted while it waits."""
        while not self._model_lock.acquire(timeout=_POLL_S):
            if aborted.is_set():
                raise GenerationAbortedError("the request was aborted before it started")
        try:
            yield
        finally:
            self._model_lock.release()

    def _append_most_likely(
        self, request: GenerationRequest, logits: Any, template_states: list[TemplateState[TopK]]
    ) -> None:
        """Append to each answer its most likely coordinate; `logits` are float32 (answers, vocabulary)."""
        coordinates = self._vocabulary.coordinates
        scores = logits[:, self._coordinates]
        if request.repetition_penalty != 1.0:
            for row, template_state in enumerate(template_states):
                seen = [coordinates.bin_of(token) for token in set(template_state.tokens) if token in coordinates]
                seen_scores = scores[row, seen]
                penalty = float(request.repetition_penalty)
                scores[row, seen] = self._torch.where(seen_scores > 0, seen_scores / penalty, seen_scores * penalty)
        logprobs, bins = scores.log_softmax(-1).topk(max(request.top_k, 1))
        for template_state, found, values in zip(template_states, bins.tolist(), logprobs.tolist(), strict=True):
            top_k = sorted_top_k(zip(found, values, strict=True)) if request.top_k else None
            template_state.append(coordinates[found[0]], top_k)

    def _decode(
        self, request: GenerationRequest, question: Question, prompt: tuple[int, ...], aborted: Event
    ) -> Decoded:
        torch, transformers = self._torch, self._transformers
        inputs = self._inputs(request, prompt)
        length = inputs["input_ids"].shape[1]
        automaton = None if question.grammar is None else self._automaton(question.grammar)
        constraint = _ConstraintProcessor(torch, self._vocabulary, self._coordinates, automaton, request.top_k)
        processors = transformers.LogitsProcessorList()
        if request.repetition_penalty != 1.0:
            processors.append(transformers.RepetitionPenaltyLogitsProcessor(float(request.repetition_penalty)))
        processors.append(constraint)

        def stop_when_aborted(input_ids: Any, _scores: Any, **_: Any) -> Any:
            return torch.full((1,), aborted.is_set(), device=input_ids.device)

        with self._exclusive(aborted), torch.inference_mode():
            decoding_started = time.perf_counter()
            try:
                ids = self._model.generate(
                    **inputs,
                    do_sample=False,
                    max_new_tokens=min(request.max_tokens, self._max_length - length),
                    eos_token_id=list(self._vocabulary.end_ids),
                    pad_token_id=self._vocabulary.end_ids[-1],
                    logits_processor=processors,
                    stopping_criteria=transformers.StoppingCriteriaList([stop_when_aborted]),
                )
            except RuntimeError as error:
                raise GenerationFailedError(f"the model failed: {error}") from error
            forward_s = time.perf_counter() - decoding_started
        tokens = ids[0, length:].tolist()
        steps = len(tokens)
        stopped = tokens[-1] in self._vocabulary.end_ids
        tokens = tokens[:-1] if stopped else tokens
        answer = RawAnswer(
            tokens=self._vocabulary.texts(tokens),
            top_k=tuple(constraint.top_k[: len(tokens)]),
            finish_reason="stop" if stopped else "length",
        )
        return Decoded(answer, steps, constraint.first_token, forward_s)

    def _inputs(self, request: GenerationRequest, prompt: tuple[int, ...]) -> dict[str, Any]:
        """Return the model inputs of a prompt or its prefix, with the placeholder repeated for every visual token."""
        count = self.visual_tokens(request)
        grid = self._patches.grid(request.image)
        if math.prod(grid) != count * self._patches.merge_size**2:
            raise GenerationFailedError(
                f"image_multiple {self._info.spec.image_multiple} does not match the image processor of "
                f"{self._info.model}: correct it in taihri.json"
            )
        values = self._patches.normalize(self._patches.cut(request.image))
        place = prompt.index(self._vocabulary.image_id)
        before, after = prompt[:place], prompt[place + 1 :]
        ids = self._torch.tensor([[*before, *([self._vocabulary.image_id] * count), *after]])
        inputs = {
            "input_ids": ids,
            "attention_mask": self._torch.ones_like(ids),
            "mm_token_type_ids": (ids == self._vocabulary.image_id).int(),
            "pixel_values": self._torch.from_numpy(values).to(self._model.dtype),
            "image_grid_thw": self._torch.tensor([grid]),
        }
        return {name: tensor.to(self._model.device) for name, tensor in inputs.items()}

    def _release(self) -> None:
        del self._model
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()


def _load(transformers: Any, checkpoint: Path, device: str, dtype: str, adapter: Adapter | None) -> Any:
    """Load a checkpoint with the adapter merged into it, and return the model on its device."""
    transformers.utils.logging.disable_progress_bar()
    try:
        model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(
            checkpoint,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            **loading_options(checkpoint),
        )
    except Exception as error:  # transformers does not document what it raises
        raise CheckpointError(f"{checkpoint} cannot be loaded: {error}") from error
    if adapter is not None:
        adapter.merge_into(model)
    try:
        model = model.to(device).eval()
    except (RuntimeError, AssertionError) as error:
        raise EngineError(f"the model cannot be moved to {device!r}: {error}") from error
    model.generation_config = transformers.GenerationConfig()
    return model


class _ConstraintProcessor:
    """Logits processor that masks the tokens that the grammar forbids and records the top-k entry of every coordinate.

    Attributes:
        top_k: One entry for each decoded token.
        first_token: Time of the first scores, `time.perf_counter` seconds.
    """

    def __init__(
        self, torch: Any, vocabulary: Vocabulary, coordinates: Any, automaton: Automaton | None, count: int
    ) -> None:
        self.top_k: list[TopK | None] = []
        self.first_token = 0.0
        self._torch = torch
        self._vocabulary = vocabulary
        self._coordinates = coordinates
        self._automaton = automaton
        self._state = automaton.start if automaton else frozenset()
        self._count = count

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        if not self.top_k:
            self.first_token = time.perf_counter()
        elif self._automaton:
            self._state = self._automaton.advance(self._state, int(input_ids[0, -1]))
        if self._automaton:
            scores = self._masked(scores, self._automaton)
        self.top_k.append(self._best_coordinates(scores[0]))
        return scores

    def _masked(self, scores: Any, automaton: Automaton) -> Any:
        allowed = automaton.allowed(self._state)
        keep = self._torch.tensor(
            [*allowed.ids, *(self._vocabulary.end_ids if allowed.end else ())],
            dtype=self._torch.int64,
            device=scores.device,
        )
        masked = self._torch.full_like(scores, float("-inf"))
        masked[:, keep] = scores[:, keep]
        if allowed.coordinates:
            masked[:, self._coordinates] = scores[:, self._coordinates]
        return masked

    def _best_coordinates(self, scores: Any) -> TopK | None:
        chosen, coordinates = int(scores.argmax()), self._vocabulary.coordinates
        if self._count == 0 or chosen not in coordinates:
            return None
        normalized = scores.log_softmax(-1)
        logprobs, ids = normalized.topk(self._count)
        found = dict(zip(ids.tolist(), logprobs.tolist(), strict=True))
        found[chosen] = float(normalized[chosen])  # of more than k equally likely tokens, topk may leave it out
        return sorted_top_k(
            (coordinates.bin_of(token), logprob) for token, logprob in found.items() if token in coordinates
        )
