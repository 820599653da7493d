"""What the engines have in common that hold the model in their own process."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import TracebackType
from typing import TypeVar

import numpy as np

from taihri_ros.engine.interface import (
    Alternatives,
    EngineInfo,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
)
from taihri_ros.engine.vocabulary import Vocabulary
from taihri_ros.language.style import AnswerStyle

MOST_ALTERNATIVES = 20

_Self = TypeVar("_Self", bound="LocalEngine")


class LocalEngine(ABC):
    """Checks requests before the framework sees them, and ends the one under way when it is told to."""

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
        self._abort = threading.Event()
        self._closed = False
        self._busy = threading.Lock()

    @classmethod
    def prepare(cls) -> None:
        """Set the environment variables that the framework reads on import, where they are not set."""
        os.environ.setdefault("HF_HUB_OFFLINE", "1")

    @property
    def info(self) -> EngineInfo:
        """What this engine is."""
        return self._info

    @property
    def vocabulary(self) -> Vocabulary:
        """The checkpoint's tokens."""
        return self._vocabulary

    def adopt_style(self, style: AnswerStyle) -> None:
        """Take a spelling that was learned from an answer into the checkpoint's numbers."""
        self._info = dataclasses.replace(self._info, spec=dataclasses.replace(self._info.spec, answer=style))

    def generate(self, request: GenerationRequest) -> Generation:
        """Answer one request; blocks until the answer is complete.

        Args:
            request: The request.

        Returns:
            The answer.

        Raises:
            EngineUnavailableError: The engine is closed or broken.
            GenerationAbortedError: `abort` was called meanwhile.
            GenerationFailedError: The request is not one that the model can take, or failed; the engine stays usable.
        """
        started = time.perf_counter()
        with self._busy:
            self._abort.clear()
            if self._closed:
                raise EngineUnavailableError("the engine is closed: open another")
            prompt_ids = self._vocabulary.prompt_ids(request.prompt)
            self._check(request, len(prompt_ids))
            generation = self._run(request, prompt_ids, started)
        if self._abort.is_set():
            raise GenerationAbortedError("the request was aborted")
        return generation

    def abort(self) -> None:
        """End the request that is under way, if any, as soon as possible. Returns at once."""
        self._abort.set()

    def close(self) -> None:
        """End the engine and give back what it holds; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self.abort()
        with self._busy:
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
    def _run(self, request: GenerationRequest, prompt_ids: tuple[int, ...], started: float) -> Generation:
        """Answer a checked request; may return anything once the abort flag is set."""

    @abstractmethod
    def _release(self) -> None:
        """Give back the model's memory."""

    def visual_tokens(self, request: GenerationRequest) -> int:
        """Count the tokens that the image takes; it is never resized."""
        height, width, _ = request.image.shape
        return int(height * width) // self._info.spec.image_multiple**2

    def _check(self, request: GenerationRequest, prompt_length: int) -> None:
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
        if not 0 <= request.alternatives <= MOST_ALTERNATIVES or request.max_tokens < 1:
            raise GenerationFailedError(
                f"{request.alternatives} alternatives and {request.max_tokens} tokens were asked for: "
                f"ask for 0 to {MOST_ALTERNATIVES}, and for at least one token"
            )
        if not (np.isfinite(request.repetition_penalty) and request.repetition_penalty > 0):
            raise GenerationFailedError(f"the repetition penalty must be positive, not {request.repetition_penalty}")
        length = prompt_length - 1 + self.visual_tokens(request)
        if length >= self._longest:
            raise GenerationFailedError(
                f"image and prompt take {length} tokens and leave none of {self._longest} for the answer: "
                "say it shorter, show a smaller image, or raise max_model_len"
            )


def sorted_alternatives(found: Iterable[tuple[int, float]]) -> Alternatives:
    """Put alternatives into the order of the interface: likeliest first, and of equals the lower bin.

    Args:
        found: Pairs of bin and log-probability.

    Returns:
        The alternatives.
    """
    ordered = sorted(found, key=lambda pair: (-pair[1], pair[0]))
    return Alternatives(tuple(index for index, _ in ordered), tuple(logprob for _, logprob in ordered))


def stage_times(started: float, first_token: float, ended: float) -> dict[str, float]:
    """Give the milliseconds of the stages, from `time.perf_counter` values in seconds."""
    return {
        "total": 1e3 * (ended - started),
        "prefill": 1e3 * (first_token - started),
        "decode": 1e3 * (ended - first_token),
    }
