"""The one interface of all engines, and the types that cross it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.model.grammar import Grammar
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.spec import ModelSpec

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


@dataclass(frozen=True)
class Question:
    """What is asked about the image.

    Attributes:
        prompt: System and user message; the image stands before the user text.
        grammar: What the answer may be, or None for an unconstrained answer.
    """

    prompt: Prompt
    grammar: Grammar | None = None


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """Questions about one image. An engine answers several of them side by side: the image is paid for once.

    Attributes:
        image: (height, width, 3) uint8 RGB, the canonical view, both sides multiples of the model's patch-and-merge
            size.
        questions: At least one; each is answered as if it had been asked alone.
        max_tokens: Longest answer in tokens.
        top_k: How many alternatives of every token to return, 0 to 20.
        repetition_penalty: 1.0 for none.
        jump_forward: Whether tokens that the grammar leaves no choice about are written without being decoded, where
            the engine can do that; the answer is the same.
    """

    image: NDArray[np.uint8]
    questions: tuple[Question, ...]
    max_tokens: int = 512
    top_k: int = 20
    repetition_penalty: float = 1.0
    jump_forward: bool = True


class TopK(NamedTuple):
    """The likeliest coordinates at the place of one coordinate token.

    Attributes:
        bins: Their bins, the chosen one among them.
        logprobs: Natural logarithms of their probabilities, among what the grammar allowed.
    """

    bins: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RawAnswer:
    """The answer to one question, as the model gave it.

    Attributes:
        tokens: Its tokens as text, special tokens kept, the end token left out.
        top_k: For each token the alternatives where it is a coordinate, else None; a tuple or a table.
        finish_reason: `stop` when the model ended its answer, `length` when it was cut off at `max_tokens`.
    """

    tokens: tuple[str, ...]
    top_k: Sequence[TopK | None]
    finish_reason: FinishReason

    @property
    def text(self) -> str:
        """The whole answer as text."""
        return "".join(self.tokens)


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What the engine answered.

    Attributes:
        answers: One for each question.
        steps: Passes through the language model, the one that reads the prompt included; 0 where it is not known.
        timings_ms: Milliseconds by stage; `total` is there always. Where the engine can tell: `prefill` (until the
            first token), `decode`, and `passes`, what of both is the model at work, without the request's preparation.
    """

    answers: tuple[RawAnswer, ...]
    steps: int = 0
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
        batched: Whether several questions about one image cost about as much as one.
    """

    kind: str
    version: str
    model: str
    device: str
    dtype: str
    spec: ModelSpec
    batched: bool = False


class Engine(Protocol):
    """An engine that is loaded and ready. Any thread may call any method, and several threads `generate` at once."""

    @property
    def info(self) -> EngineInfo:
        """What this engine is."""

    def generate(self, request: GenerationRequest) -> Generation:
        """Answer one request; blocks until all its answers are complete.

        Args:
            request: The request.

        Returns:
            The answers.

        Raises:
            EngineUnavailableError: The engine is not there now.
            GenerationAbortedError: `abort` was called meanwhile.
            GenerationFailedError: The engine ended the request with an error.
        """

    def abort(self) -> None:
        """End the requests that are under way, if any, as soon as possible. Returns at once."""

    def close(self) -> None:
        """End the engine and give back what it holds; a second call does nothing."""

    def __enter__(self) -> Engine:
        """Use the engine in a `with` statement, which closes it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
