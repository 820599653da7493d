"""Requests to vLLM through the public API of `LLMEngine` alone: `add_request`, `step` and `abort_request`.

Every segment of a template is a request of its own, whose prompt is the whole prompt and the answer so far. vLLM's
prefix cache keeps the KV cache of the earlier segments, but each request processes the image again.
Decoding is therefore slower than with the streaming sessions of `session_requests`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np

from taihri_ros.inference.constrained.answer_template import Template, TemplateState
from taihri_ros.inference.engine import GenerationRequest
from taihri_ros.inference.vllm.logprobs import LogprobRow
from taihri_ros.inference.vllm.requests import ParametersOf, Requests, Tokens, prompt_of
from taihri_ros.inference.vllm.stepping import RequestState, StepOutput, TemplateRequestState


@dataclass(frozen=True)
class PublicRequest:
    """The arguments of `LLMEngine.add_request`.

    Attributes:
        request_id: Name of the request.
        prompt: Token ids and image.
        parameters: The `SamplingParams`, whose output kind is DELTA.
    """

    request_id: str
    prompt: dict[str, Any]
    parameters: Any


class PublicCore:
    """An `LLMEngine`, as `Stepper` drives it."""

    def __init__(self, engine: Any, lora: Any = None) -> None:
        """Use an engine, which nothing else steps, with the `LoRARequest` of every request."""
        self._engine = engine
        self._lora = lora

    def add_request(self, request: PublicRequest) -> None:
        """Queue a request; vLLM processes its image."""
        self._engine.add_request(request.request_id, request.prompt, request.parameters, lora_request=self._lora)

    def abort_requests(self, names: Sequence[str]) -> None:
        """Remove requests; unknown names are ignored."""
        self._engine.abort_request(list(names))

    def step(self) -> list[StepOutput]:
        """Run one step."""
        return [_step_output(output) for output in self._engine.step()]


class PublicRequests(Requests):
    """Requests to an `LLMEngine`; several threads may make them."""

    def __init__(self, engine: Any, lora: Any = None) -> None:
        """Use an `LLMEngine`, with the `LoRARequest` of every request."""
        super().__init__(PublicCore(engine, lora))

    @contextmanager
    def reserved(
        self,
        visual_tokens: int,  # noqa: ARG002
        templates: Sequence[Template],  # noqa: ARG002
        prompts: Sequence[Tokens],  # noqa: ARG002
    ) -> Iterator[bool]:
        """Yield True: vLLM preempts ordinary requests that have not enough cache, so none waits forever."""
        yield True

    def reserved_for_one(self, length: int, aborted: Event) -> AbstractContextManager[None]:  # noqa: ARG002
        """Reserve nothing, for the same reason."""
        return nullcontext()

    def one(self, request: GenerationRequest, prompt: Tokens, parameters: Any) -> RequestState:
        """Make a request."""
        return RequestState(PublicRequest(self._name(), prompt_of(request, prompt), parameters))

    def templated(
        self,
        request: GenerationRequest,
        visual_tokens: int,  # noqa: ARG002
        prompts: Sequence[Tokens],
        template_states: Sequence[TemplateState[LogprobRow]],
        parameters: ParametersOf,
    ) -> Sequence[RequestState]:
        """Make the request for the first segment of each answer."""

        def make_state(prompt: Tokens, state: TemplateState[LogprobRow]) -> TemplateRequestState:
            name = self._name()

            def make_chunk(state: TemplateState[LogprobRow]) -> PublicRequest:
                tokens = [*prompt, *state.tokens]
                return PublicRequest(name, prompt_of(request, tokens), parameters(state.remaining))

            return TemplateRequestState(make_chunk(state), state, make_chunk)

        return [make_state(prompt, state) for prompt, state in zip(prompts, template_states, strict=True)]


def _step_output(output: Any) -> StepOutput:
    (answer,) = output.outputs
    tokens: Sequence[int] = answer.token_ids
    rows = [None] * len(tokens) if answer.logprobs is None else list(map(_row, tokens, answer.logprobs))
    return StepOutput(output.request_id, tokens, rows, answer.finish_reason or "")


def _row(sampled: int, found: Mapping[int, Any]) -> LogprobRow:
    """Return ids and log-probabilities of the sampled token and then of the most likely ones, in order.

    If the sampled token is not among the most likely ones, vLLM returns one entry more than requested.
    """
    likely = sorted(found, key=lambda token: int(found[token].rank))
    ids = [sampled, *likely]
    return np.array(ids, np.int32), np.array([found[token].logprob for token in ids], np.float32)
