"""What the engines have in common that hold the model in their own process."""

from __future__ import annotations

import dataclasses
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import Condition, Event
from types import TracebackType
from typing import TypeVar

import numpy as np

from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.constrained.template import Template, make_template
from taihri_ros.inference.engine import (
    EngineInfo,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
    Question,
    RawAnswer,
    TopK,
)
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Grammar
from taihri_ros.skeleton import JOINTS

MAX_TOP_K = 20

MAX_QUESTIONS = len(JOINTS)
"""Questions that may be asked about one image."""

_GRAMMARS_KEPT = 256
_FEW_CORES = 2

_Self = TypeVar("_Self", bound="LocalEngine")


class LocalEngine(ABC):
    """Checks requests before the framework sees them, and ends those under way when it is told to."""

    def __init__(self, info: EngineInfo, vocabulary: Vocabulary, longest: int) -> None:
        """Take over a loaded model.

        Args:
            info: What the engine is.
            vocabulary: The checkpoint's tokens.
            longest: Most tokens of image, prompt and answer together.
        """
        self._info = info
        self._vocabulary = vocabulary
        self._longest = longest
        self._make_template = lru_cache(_GRAMMARS_KEPT)(self._cut)
        self._change = Condition()
        self._in_flight: list[Event] = []
        self._closed = False

    @classmethod
    def prepare(cls) -> None:
        """Set the environment variables that the framework reads on import, where they are not set."""
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        if has_few_cores():
            os.environ.setdefault("OMP_NUM_THREADS", "1")

    @property
    def info(self) -> EngineInfo:
        """What this engine is."""
        return self._info

    @property
    def vocabulary(self) -> Vocabulary:
        """The checkpoint's tokens."""
        return self._vocabulary

    def adopt_answer_format(self, answer_format: AnswerFormat) -> None:
        """Take a spelling that was learned from an answer into the checkpoint's numbers."""
        self._info = dataclasses.replace(self._info, spec=dataclasses.replace(self._info.spec, answer=answer_format))

    def generate(self, request: GenerationRequest, aborted: Event | None = None) -> Generation:
        """Answer one request; blocks until all its answers are complete.

        Args:
            request: The request.
            aborted: Set by someone else to end this request and no other.

        Returns:
            The answers.

        Raises:
            EngineUnavailableError: The engine is closed or broken.
            GenerationAbortedError: `abort` was called meanwhile, or `aborted` set.
            GenerationFailedError: The request is not one that the model can take, or failed; the engine stays usable.
        """
        started = time.perf_counter()
        aborted = aborted or Event()
        with self._listed(aborted):
            self._check(request)
            prompts = tuple(self._vocabulary.prompt_ids(question.prompt) for question in request.questions)
            room = self._room(request, max(map(len, prompts)))
            templates = self._templates(request, room)
            if templates is None:
                generation = self._in_turn(request, prompts, started, aborted)
            else:
                generation = self._fill(request, templates, prompts, started, aborted)
        if aborted.is_set():
            raise GenerationAbortedError("the request was aborted")
        return generation

    def abort(self) -> None:
        """End the requests that are under way, if any, as soon as possible. Returns at once."""
        with self._change:
            for aborted in self._in_flight:
                aborted.set()

    def close(self) -> None:
        """End the engine and give back what it holds; a second call does nothing."""
        with self._change:
            if self._closed:
                return
            self._closed = True
        self.abort()
        with self._change:
            self._change.wait_for(lambda: not self._in_flight)
        self._release()

    def __enter__(self: _Self) -> _Self:
        """Use the engine in a `with` statement, which closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
        self.close()

    @abstractmethod
    def _fill(
        self,
        request: GenerationRequest,
        templates: tuple[Template, ...],
        prompts: tuple[tuple[int, ...], ...],
        started: float,
        aborted: Event,
    ) -> Generation:
        """Decode the coordinates of straight answers, side by side; may return anything once `aborted` is set."""

    @abstractmethod
    def _decode(
        self, request: GenerationRequest, question: Question, prompt: tuple[int, ...], aborted: Event
    ) -> Decoded:
        """Decode one answer token by token; may return anything once `aborted` is set."""

    @abstractmethod
    def _release(self) -> None:
        """Give back the model's memory."""

    @contextmanager
    def _listed(self, aborted: Event) -> Iterator[None]:
        with self._change:
            if self._closed:
                raise EngineUnavailableError("the engine is closed: open another")
            self._in_flight.append(aborted)
        try:
            yield
        finally:
            with self._change:
                self._in_flight.remove(aborted)
                self._change.notify_all()

    def _cut(self, grammar: Grammar) -> Template | None:
        return make_template(grammar, self._vocabulary.ids)

    def _templates(self, request: GenerationRequest, room: int) -> tuple[Template, ...] | None:
        """Give the parts of answers without choices that fit the room, or None where all are decoded by token."""
        if not request.jump_forward or len({question.prompt.system for question in request.questions}) > 1:
            return None
        grammars = [question.grammar for question in request.questions]
        found = [None if grammar is None else self._make_template(grammar) for grammar in grammars]
        templates = tuple(one for one in found if one is not None and one.length < room)
        return templates if len(templates) == len(grammars) else None

    def _in_turn(
        self, request: GenerationRequest, prompts: tuple[tuple[int, ...], ...], started: float, aborted: Event
    ) -> Generation:
        """Answer one question after the other."""
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
                sum(one.passing_s for one in decoded),
            ),
        )

    def visual_tokens(self, request: GenerationRequest) -> int:
        """Count the tokens that the image takes; it is never resized."""
        height, width, _ = request.image.shape
        return int(height * width) // self._info.spec.image_multiple**2

    def _check(self, request: GenerationRequest) -> None:
        image, spec, multiple = request.image, self._info.spec, self._info.spec.image_multiple
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            found = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
            raise GenerationFailedError(f"the image must be (height, width, 3) uint8 RGB, not {found}")
        height, width, _ = image.shape
        if height % multiple or width % multiple or not spec.min_pixels <= height * width <= spec.max_pixels:
            raise GenerationFailedError(
                f"the image has {width}x{height} px, but the model takes multiples of {multiple} px and "
                f"{spec.min_pixels} to {spec.max_pixels} px in all: make it a canonical view of this checkpoint"
            )
        if not 1 <= len(request.questions) <= MAX_QUESTIONS:
            raise GenerationFailedError(f"{len(request.questions)} questions were asked: ask 1 to {MAX_QUESTIONS}")
        if not 0 <= request.top_k <= MAX_TOP_K or request.max_tokens < 1:
            raise GenerationFailedError(
                f"{request.top_k} alternatives and {request.max_tokens} tokens were asked for: "
                f"ask for 0 to {MAX_TOP_K}, and for at least one token"
            )
        if not (np.isfinite(request.repetition_penalty) and request.repetition_penalty > 0):
            raise GenerationFailedError(f"the repetition penalty must be positive, not {request.repetition_penalty}")

    def _room(self, request: GenerationRequest, prompt_length: int) -> int:
        """Count the tokens that an answer may have, its end token included."""
        length = prompt_length - 1 + self.visual_tokens(request)
        if length >= self._longest:
            raise GenerationFailedError(
                f"image and prompt take {length} tokens and leave none of {self._longest} for the answer: "
                "say it shorter, show a smaller image, or raise max_model_len"
            )
        return min(request.max_tokens, self._longest - length)


def has_few_cores() -> bool:
    """Tell whether a framework should keep to one thread: two of them would wait for each other and for the node."""
    return len(os.sched_getaffinity(0)) <= _FEW_CORES


@dataclasses.dataclass(frozen=True)
class Decoded:
    """An answer that was decoded token by token.

    Attributes:
        answer: The answer.
        steps: Passes through the language model.
        first_token: When its first token came, `time.perf_counter` seconds.
        passing_s: How long the passes took, seconds.
    """

    answer: RawAnswer
    steps: int
    first_token: float
    passing_s: float


def common_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """Count the tokens with which all sequences begin.

    Args:
        sequences: At least one.

    Returns:
        Their number; at least one token of every sequence is left over.
    """
    shortest = min(map(len, sequences)) - 1
    return next((place for place in range(shortest) if len({tokens[place] for tokens in sequences}) > 1), shortest)


def sorted_top_k(found: Iterable[tuple[int, float]]) -> TopK:
    """Put alternatives into the order of the interface: likeliest first, and of equals the lower bin.

    Args:
        found: Pairs of bin and log-probability.

    Returns:
        The alternatives.
    """
    ordered = sorted(found, key=lambda pair: (-pair[1], pair[0]))
    return TopK(tuple(index for index, _ in ordered), tuple(logprob for _, logprob in ordered))


def stage_times(started: float, first_token: float, ended: float, passing_s: float) -> dict[str, float]:
    """Give the milliseconds of the stages, from `time.perf_counter` values and the passes' duration in seconds."""
    return {
        "total": 1e3 * (ended - started),
        "prefill": 1e3 * (first_token - started),
        "decode": 1e3 * (ended - first_token),
        "passes": 1e3 * passing_s,
    }
