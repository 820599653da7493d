"""Base class of the engines that run a language model in their own process."""

from __future__ import annotations

import dataclasses
import os
import time
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Event

from taihri_ros.inference.checkpoint.adapter import Adapter, read_adapter
from taihri_ros.inference.checkpoint.checks import check_checkpoint, find_checkpoint
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.constrained.answer_template import Template, make_template
from taihri_ros.inference.engine import (
    EngineInfo,
    Generation,
    GenerationFailedError,
    GenerationRequest,
    Question,
    RawAnswer,
    TopK,
)
from taihri_ros.inference.in_process_engine import InProcessEngine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Grammar
from taihri_ros.resources import expand_home

_GRAMMARS_KEPT = 256
_FEW_CORES = 2
"""Number of cores up to which a framework uses one thread and leaves the others to the node."""


class LocalEngine(InProcessEngine):
    """Base class that chooses how to decode the requests."""

    def __init__(self, info: EngineInfo, vocabulary: Vocabulary, max_length: int) -> None:
        """Initialise the part that is common to all frameworks.

        Args:
            info: Description of the engine.
            vocabulary: The checkpoint's tokens.
            max_length: Maximum number of tokens of image, prompt and answer together.
        """
        if vocabulary.cannot_constrain:
            info = info.as_unconstrained(vocabulary.cannot_constrain, has_probabilities=False)
        super().__init__(info)
        self._vocabulary = vocabulary
        self._max_length = max_length
        self._make_template = lru_cache(_GRAMMARS_KEPT)(self._uncached_template)

    @classmethod
    def prepare(cls) -> None:
        """Set the environment variables that the framework reads on import, unless they are set already."""
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        if has_few_cores():
            os.environ.setdefault("OMP_NUM_THREADS", "1")

    @classmethod
    def find(cls, model: str) -> Path:
        """Return the directory of a checkpoint; see `find_checkpoint`."""
        return find_checkpoint(model)

    @classmethod
    def check(cls, checkpoint: Path) -> None:
        """Check a checkpoint; see `check_checkpoint`."""
        check_checkpoint(checkpoint)

    @classmethod
    def check_adapter(cls, adapter: str, checkpoint: Path) -> Adapter:
        """Read a LoRA adapter and check it against its checkpoint; see `read_adapter`."""
        return read_adapter(expand_home(adapter), checkpoint)

    @property
    def vocabulary(self) -> Vocabulary:
        """The checkpoint's tokens."""
        return self._vocabulary

    def adopt_answer_format(self, answer_format: AnswerFormat) -> None:
        """Set the answer format in the specification of `info`."""
        self._info = dataclasses.replace(self._info, spec=dataclasses.replace(self._info.spec, answer=answer_format))

    def give_up_constraints(self, reason: str) -> None:
        """Answer without constraints from now on; coordinates keep their top-k log-probabilities."""
        self._info = self._info.as_unconstrained(reason, has_probabilities=True)

    def _answer(self, request: GenerationRequest, started: float, aborted: Event) -> Generation:
        if self._info.unconstrained:
            request = request.without_grammars()
        prompts = tuple(self._vocabulary.prompt_ids(question.prompt) for question in request.questions)
        max_answer = self._max_answer(request, max(map(len, prompts)))
        templates = self._templates(request, max_answer)
        if templates is None:
            return self._decode_sequentially(request, prompts, started, aborted)
        return self._decode_templates(request, templates, prompts, started, aborted)

    @abstractmethod
    def _decode_templates(
        self,
        request: GenerationRequest,
        templates: tuple[Template, ...],
        prompts: tuple[tuple[int, ...], ...],
        started: float,
        aborted: Event,
    ) -> Generation:
        """Decode the coordinates of all templates as one batch; the result is ignored once `aborted` is set."""

    @abstractmethod
    def _decode(
        self, request: GenerationRequest, question: Question, prompt: tuple[int, ...], aborted: Event
    ) -> Decoded:
        """Decode one answer token by token; the result is ignored once `aborted` is set."""

    def _uncached_template(self, grammar: Grammar) -> Template | None:
        return make_template(grammar, self._vocabulary.ids)

    def _templates(self, request: GenerationRequest, max_answer: int) -> tuple[Template, ...] | None:
        """Return a template for each question, or None if any answer must be decoded token by token."""
        if not request.jump_forward or len({question.prompt.system for question in request.questions}) > 1:
            return None
        grammars = [question.grammar for question in request.questions]
        found = [None if grammar is None else self._make_template(grammar) for grammar in grammars]
        templates = tuple(one for one in found if one is not None and one.length < max_answer)
        return templates if len(templates) == len(grammars) else None

    def _decode_sequentially(
        self, request: GenerationRequest, prompts: tuple[tuple[int, ...], ...], started: float, aborted: Event
    ) -> Generation:
        """Decode the answers one after another, token by token."""
        decoded: list[Decoded] = []
        for question, prompt in zip(request.questions, prompts, strict=True):
            if not aborted.is_set():
                decoded.append(self._decode(request, question, prompt, aborted))
        return Generation(
            answers=tuple(one.answer for one in decoded),
            steps=sum(one.steps for one in decoded),
            timings_ms=stage_times(
                started,
                decoded[0].first_token if decoded else started,
                time.perf_counter(),
                sum(one.forward_s for one in decoded),
            ),
        )

    def visual_tokens(self, request: GenerationRequest) -> int:
        """Return the number of visual tokens of the request's image, which is never resized."""
        height, width, _ = request.image.shape
        return int(height * width) // self._info.spec.image_multiple**2

    def _max_answer(self, request: GenerationRequest, prompt_length: int) -> int:
        """Return the maximum number of answer tokens, including the end token."""
        length = prompt_length - 1 + self.visual_tokens(request)
        if length >= self._max_length:
            raise GenerationFailedError(
                f"image and prompt have {length} tokens, but the limit including the answer is {self._max_length}: "
                "shorten the prompt, use a smaller image, or raise max_model_len"
            )
        return min(request.max_tokens, self._max_length - length)


def has_few_cores() -> bool:
    """Return whether the CPU has so few cores that a framework must use one thread and leave the others to the node."""
    return len(os.sched_getaffinity(0)) <= _FEW_CORES


@dataclasses.dataclass(frozen=True)
class Decoded:
    """An answer that was decoded token by token.

    Attributes:
        answer: The answer.
        steps: Number of forward passes of the language model.
        first_token: Time of the first token, `time.perf_counter` seconds.
        forward_s: Duration of the forward passes, seconds.
    """

    answer: RawAnswer
    steps: int
    first_token: float
    forward_s: float


def common_prefix_length(sequences: Sequence[Sequence[int]]) -> int:
    """Return the length of the longest common prefix of token sequences.

    Args:
        sequences: One or more non-empty sequences.

    Returns:
        The length; at most one less than the length of the shortest sequence.
    """
    shortest = min(map(len, sequences)) - 1
    return next((place for place in range(shortest) if len({tokens[place] for tokens in sequences}) > 1), shortest)


def sorted_top_k(found: Iterable[tuple[int, float]]) -> TopK:
    """Sort bins by descending log-probability; bins of equal probability are sorted by index.

    Args:
        found: Pairs of bin and log-probability.

    Returns:
        The sorted bins and log-probabilities.
    """
    ordered = sorted(found, key=lambda pair: (-pair[1], pair[0]))
    return TopK(tuple(index for index, _ in ordered), tuple(logprob for _, logprob in ordered))


def stage_times(started: float, first_token: float, ended: float, forward_s: float) -> dict[str, float]:
    """Return `Generation.timings_ms` from `time.perf_counter` values and the duration of the forward passes, s."""
    return {
        "total": 1e3 * (ended - started),
        "prefill": 1e3 * (first_token - started),
        "decode": 1e3 * (ended - first_token),
        "passes": 1e3 * forward_s,
    }
