"""The one interface of all engines, and the types that cross it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.language.grammar import Grammar
from taihri_ros.language.prompts import Prompt
from taihri_ros.model_spec import ModelSpec

FinishReason = Literal["stop", "length"]


class EngineError(TaihriError):
    """An engine could not do what it was asked."""


class CheckpointError(EngineError):
    """A checkpoint cannot be loaded; the message names what is missing or wrong in it."""


class EngineUnavailableError(EngineError):
    """The engine does not answer now: it is starting, has failed, or cannot be reached."""


class GenerationAbortedError(EngineError):
    """The request was ended by `Engine.abort` before it was finished."""


class GenerationFailedError(EngineError):
    """The engine ended this one request with an error; others may succeed."""


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One image, one question.

    Attributes:
        image: (height, width, 3) uint8 RGB, the canonical view, both sides multiples of the model's patch-and-merge
            size.
        prompt: System and user message; the image stands before the user text.
        grammar: What the answer may be, or None for an unconstrained answer.
        max_tokens: Longest answer in tokens.
        alternatives: How many alternatives of every token to return, 0 to 20.
        repetition_penalty: 1.0 for none.
    """

    image: NDArray[np.uint8]
    prompt: Prompt
    grammar: Grammar | None
    max_tokens: int = 512
    alternatives: int = 20
    repetition_penalty: float = 1.0


@dataclass(frozen=True)
class Alternatives:
    """The likeliest coordinates at the place of one coordinate token.

    Attributes:
        bins: Their bins, the chosen one among them.
        logprobs: Natural logarithms of their probabilities, among what the grammar allowed.
    """

    bins: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What the engine answered.

    Attributes:
        tokens: The answer's tokens as text, special tokens kept, the end token left out.
        alternatives: For each token the alternatives where it is a coordinate, else None.
        finish_reason: `stop` when the model ended its answer, `length` when it was cut off at `max_tokens`.
        timings_ms: Milliseconds by stage; `total` is there always, `prefill` (until the first token) and `decode`
            where the engine can tell them apart.
    """

    tokens: tuple[str, ...]
    alternatives: tuple[Alternatives | None, ...]
    finish_reason: FinishReason
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What an engine is.

    Attributes:
        kind: `vllm`, `transformers` or `openai`.
        version: Version of the framework.
        model: The checkpoint, as a path or name.
        device: Where it runs, such as `cpu` or `cuda:0 NVIDIA ...`.
        dtype: Number format of the weights.
        spec: The checkpoint's own numbers; its `answer` is never None here.
    """

    kind: str
    version: str
    model: str
    device: str
    dtype: str
    spec: ModelSpec


class Engine(Protocol):
    """An engine that is loaded and ready.

    `generate` is called from one thread at a time; `abort` and `close` from any.
    """

    @property
    def info(self) -> EngineInfo:
        """What this engine is."""

    def generate(self, request: GenerationRequest) -> Generation:
        """Answer one request; blocks until the answer is complete.

        Args:
            request: The request.

        Returns:
            The answer.

        Raises:
            EngineUnavailableError: The engine is not there now.
            GenerationAbortedError: `abort` was called meanwhile.
            GenerationFailedError: The engine ended the request with an error.
        """

    def abort(self) -> None:
        """End the request that is under way, if any, as soon as possible. Returns at once."""

    def close(self) -> None:
        """End the engine and give back what it holds; a second call does nothing."""

    def __enter__(self) -> Engine:
        """Use the engine in a `with` statement, which closes it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
