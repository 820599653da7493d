"""The engine on Hugging Face transformers: slower than vLLM, and light to install.

It decodes greedily and masks every next token by the grammar's automaton, so that it gives the answer that vLLM gives.
"""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from taihri_ros.engine.automaton import Automaton
from taihri_ros.engine.framework import require
from taihri_ros.engine.interface import (
    Alternatives,
    CheckpointError,
    EngineError,
    EngineInfo,
    Generation,
    GenerationFailedError,
    GenerationRequest,
)
from taihri_ros.engine.local import LocalEngine, sorted_alternatives, stage_times
from taihri_ros.engine.vocabulary import Vocabulary
from taihri_ros.language.grammar import Grammar
from taihri_ros.model_spec import ModelSpec

_FRAMEWORK = "transformers"
_GRAMMARS_KEPT = 32


class TransformersEngine(LocalEngine):
    """A checkpoint in transformers' `Qwen3VLForConditionalGeneration`."""

    def __init__(
        self,
        checkpoint: Path,
        spec: ModelSpec,
        *,
        device: str = "auto",
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    ) -> None:
        """Load a checkpoint that `check_checkpoint` has passed.

        Args:
            checkpoint: Its directory.
            spec: Its numbers.
            device: `cpu`, `cuda`, `cuda:1` ..., or `auto` for the GPU where there is one.
            dtype: Number format of the weights; `auto` is the checkpoint's own on a GPU and float32 on a CPU.

        Raises:
            CheckpointError: The checkpoint cannot be loaded.
            EngineError: The framework is not installed, or has no such device.
        """
        torch, transformers = require("torch", _FRAMEWORK), require("transformers", _FRAMEWORK)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype == "auto" and device == "cpu":
            dtype = "float32"
        transformers.utils.logging.disable_progress_bar()
        try:
            model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(
                checkpoint, dtype=dtype, local_files_only=True, trust_remote_code=False, use_safetensors=True
            )
            self._image_processor: Any = transformers.AutoImageProcessor.from_pretrained(
                checkpoint, backend="pil", local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(f"{checkpoint} cannot be loaded: {error}") from error
        try:
            self._model: Any = model.to(device).eval()
        except (RuntimeError, AssertionError) as error:
            raise EngineError(f"the model cannot be moved to {device!r}: {error}") from error
        self._model.generation_config = transformers.GenerationConfig()
        self._torch, self._transformers = torch, transformers
        self._automaton = lru_cache(_GRAMMARS_KEPT)(self._compile)
        name = f" {torch.cuda.get_device_name(self._model.device)}" if self._model.device.type == "cuda" else ""
        info = EngineInfo(
            kind="transformers",
            version=transformers.__version__,
            model=str(checkpoint),
            device=f"{self._model.device}{name}",
            dtype=str(self._model.dtype).removeprefix("torch."),
            spec=spec,
        )
        super().__init__(info, Vocabulary(checkpoint), self._model.config.text_config.max_position_embeddings)

    def _compile(self, grammar: Grammar) -> Automaton:
        return Automaton(grammar, self._vocabulary.ids, self._vocabulary.coordinates)

    def _run(self, request: GenerationRequest, prompt_ids: tuple[int, ...], started: float) -> Generation:
        torch, transformers = self._torch, self._transformers
        inputs = self._inputs(request, prompt_ids)
        length = inputs["input_ids"].shape[1]
        automaton = None if request.grammar is None else self._automaton(request.grammar)
        watch = _Watch(torch, self._vocabulary, automaton, request.alternatives)
        processors = transformers.LogitsProcessorList()
        if request.repetition_penalty != 1.0:
            processors.append(transformers.RepetitionPenaltyLogitsProcessor(float(request.repetition_penalty)))
        processors.append(watch)
        with torch.inference_mode():
            try:
                ids = self._model.generate(
                    **inputs,
                    do_sample=False,
                    max_new_tokens=min(request.max_tokens, self._longest - length),
                    eos_token_id=list(self._vocabulary.end_ids),
                    pad_token_id=self._vocabulary.end_ids[-1],
                    logits_processor=processors,
                    stopping_criteria=transformers.StoppingCriteriaList([self._stop_when_aborted]),
                )
            except RuntimeError as error:
                raise GenerationFailedError(f"the model failed: {error}") from error
        answer = ids[0, length:].tolist()
        stopped = answer[-1] in self._vocabulary.end_ids
        answer = answer[:-1] if stopped else answer
        return Generation(
            tokens=self._vocabulary.texts(answer),
            alternatives=tuple(watch.alternatives[: len(answer)]),
            finish_reason="stop" if stopped else "length",
            timings_ms=stage_times(started, watch.first_token, time.perf_counter()),
        )

    def _inputs(self, request: GenerationRequest, prompt_ids: tuple[int, ...]) -> dict[str, Any]:
        """Give the model's inputs, the placeholder repeated for every visual token."""
        count = self.visual_tokens(request)
        image = self._image_processor(
            images=[request.image], do_resize=False, input_data_format="channels_last", return_tensors="pt"
        )
        if image["image_grid_thw"].prod() != count * self._image_processor.merge_size**2:
            raise GenerationFailedError(
                f"the image processor of {self._info.model} cuts the image into another number of patches than "
                f"image_multiple {self._info.spec.image_multiple} says: correct it in taihri.json"
            )
        place = prompt_ids.index(self._vocabulary.image_id)
        before, after = prompt_ids[:place], prompt_ids[place + 1 :]
        ids = self._torch.tensor([[*before, *([self._vocabulary.image_id] * count), *after]])
        inputs = {
            "input_ids": ids,
            "attention_mask": self._torch.ones_like(ids),
            "mm_token_type_ids": (ids == self._vocabulary.image_id).int(),
            "pixel_values": image["pixel_values"].to(self._model.dtype),
            "image_grid_thw": image["image_grid_thw"],
        }
        return {name: tensor.to(self._model.device) for name, tensor in inputs.items()}

    def _stop_when_aborted(self, input_ids: Any, _scores: Any, **_: Any) -> Any:
        return self._torch.full((1,), self._abort.is_set(), device=input_ids.device)

    def _release(self) -> None:
        del self._model
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()


class _Watch:
    """A logits processor that masks what the grammar does not allow and notes the alternatives of every coordinate.

    Attributes:
        alternatives: One entry for each token that was chosen.
        first_token: When the first scores came, `time.perf_counter` seconds.
    """

    def __init__(self, torch: Any, vocabulary: Vocabulary, automaton: Automaton | None, count: int) -> None:
        self.alternatives: list[Alternatives | None] = []
        self.first_token = 0.0
        self._torch = torch
        self._vocabulary = vocabulary
        self._automaton = automaton
        self._state = automaton.start if automaton else frozenset()
        self._count = count

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        if not self.alternatives:
            self.first_token = time.perf_counter()
        elif self._automaton:
            self._state = self._automaton.advance(self._state, int(input_ids[0, -1]))
        if self._automaton:
            scores = self._masked(scores, self._automaton)
        self.alternatives.append(self._best_coordinates(scores[0]))
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
            ids = slice(self._vocabulary.coordinates.start, self._vocabulary.coordinates.stop)
            masked[:, ids] = scores[:, ids]
        return masked

    def _best_coordinates(self, scores: Any) -> Alternatives | None:
        if self._count == 0 or int(scores.argmax()) not in self._vocabulary.coordinates:
            return None
        logprobs, ids = scores.log_softmax(-1).topk(self._count)
        found = zip(ids.tolist(), logprobs.tolist(), strict=True)
        first = self._vocabulary.first_coordinate
        return sorted_alternatives(
            (token - first, logprob) for token, logprob in found if token in self._vocabulary.coordinates
        )
