"""The interface of all inference engines, with its request and result types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Grammar
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.spec import Belief, ModelSpec

FinishReason = Literal["stop", "length"]

_Self = TypeVar("_Self", bound="Engine")


class EngineError(TaihriError):
    """Base class of all engine errors."""


class CheckpointError(EngineError):
    """An error for a checkpoint that cannot be loaded; the message names what is missing or wrong."""


class EngineUnavailableError(EngineError):
    """An error for an engine that is not available now: it is starting, has failed, or cannot be reached."""


class GenerationAbortedError(EngineError):
    """An error for a request that was aborted before it was complete."""


class GenerationFailedError(EngineError):
    """An error for a request that failed; later requests may succeed."""


@dataclass(frozen=True)
class Question:
    """One prompt about the image, with the grammar of its answer.

    Attributes:
        prompt: System and user message; the image precedes the user text.
        grammar: Grammar that constrains the answer, or None for unconstrained decoding.
    """

    prompt: Prompt
    grammar: Grammar | None = None


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """Questions about one image, which an engine may decode as one batch that encodes the image only once.

    Attributes:
        image: (height, width, 3) uint8 RGB, the canonical view; both sides are multiples of `ModelSpec.image_multiple`.
        questions: One or more; each gets the same answer as in a separate request.
        max_tokens: Maximum length of each answer, tokens.
        top_k: Number of top-k log-probabilities to return for each coordinate token, 0 to 20.
        repetition_penalty: As in Hugging Face transformers; 1.0 for none.
        jump_forward: Whether to insert tokens that the grammar determines without decoding them (jump-forward
            decoding), where the engine supports it. It does not change the answer.
    """

    image: NDArray[np.uint8]
    questions: tuple[Question, ...]
    max_tokens: int = 512
    top_k: int = 20
    repetition_penalty: float = 1.0
    jump_forward: bool = True

    def without_grammars(self) -> GenerationRequest:
        """Return the same request for unconstrained answers."""
        return replace(self, questions=tuple(replace(question, grammar=None) for question in self.questions))


class TopK(NamedTuple):
    """The most likely values of one coordinate token.

    Attributes:
        bins: Bin indices, most likely first; the decoded one is among them. Where the answer format has `<absent>`, it
            has the index `quantization.ABSENT`, and the log-probabilities of the bins do not sum to 1 without it.
        logprobs: Their natural log-probabilities, normalised over the tokens that the grammar allows.
    """

    bins: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RawAnswer:
    """The unparsed answer to one question.

    Attributes:
        tokens: Token texts, special tokens included, without the end token.
        top_k: One entry for each token: its top-k log-probabilities if it is a coordinate, else None. A tuple or a
            `TopKTable`.
        finish_reason: `stop` when the model ended the answer, `length` when it was truncated at `max_tokens`.
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
    """The result of one request.

    Attributes:
        answers: One answer for each question.
        steps: Number of forward passes of the language model, including the prefill; 0 if unknown.
        timings_ms: Milliseconds by stage. `total` is always present; where the engine measures them, so are `prefill`
            (until the first token), `decode` (the rest), and `passes` (time in forward passes, without the preparation
            of the request).
    """

    answers: tuple[RawAnswer, ...]
    steps: int = 0
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """Description of an engine.

    Attributes:
        kind: `vllm`, `transformers`, `mediapipe` or `openai`.
        version: Version of the framework.
        model: The checkpoint, as a path or name.
        device: Device that it runs on, such as `cpu` or `cuda:0 NVIDIA ...`.
        dtype: Data type of the weights.
        spec: The checkpoint's specification; its `answer` is never None.
        batched: Whether several questions about one image are decoded as one batch, at about the cost of one.
        unconstrained: Why answers are not constrained to a grammar; empty if they are. Grammars are then ignored.
    """

    kind: str
    version: str
    model: str
    device: str
    dtype: str
    spec: ModelSpec
    batched: bool = False
    unconstrained: str = ""

    def as_unconstrained(self, reason: str, *, has_probabilities: bool) -> EngineInfo:
        """Return the description of the same engine without constrained answers.

        Several questions would then be answered about different people, so they are not batched. Without
        probabilities no confidence is known, and the checkpoint's thresholds for it are switched off: those that a
        user sets refuse every joint.

        Args:
            reason: Why answers cannot be constrained.
            has_probabilities: Whether coordinates have top-k log-probabilities.

        Returns:
            The description, with the default answer format if there was none.
        """
        spec = self.spec if has_probabilities else replace(self.spec, belief=Belief(0.0, 0.0))
        return replace(
            self, spec=replace(spec, answer=spec.answer or AnswerFormat()), batched=False, unconstrained=reason
        )


class Engine(Protocol):
    """A loaded inference engine. All methods are thread-safe, and several threads may call `generate` concurrently."""

    @property
    def info(self) -> EngineInfo:
        """Description of this engine."""

    def generate(self, request: GenerationRequest) -> Generation:
        """Answer one request; block until all its answers are complete.

        Args:
            request: The request.

        Returns:
            The answers.

        Raises:
            EngineUnavailableError: The engine is not available now.
            GenerationAbortedError: `abort` was called while the request was in flight.
            GenerationFailedError: The request failed.
        """

    def abort(self) -> None:
        """Abort all requests in flight as soon as possible; return immediately."""

    def close(self) -> None:
        """Shut the engine down and release its resources; repeated calls do nothing."""

    def __enter__(self: _Self) -> _Self:
        """Return the engine, for use in a `with` statement."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
        self.close()
