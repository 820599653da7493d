"""Requests to vLLM's engine core, with streaming sessions and the image features of `ImageInputs`: the faster API.

Each answer with a template is a streaming session (a resumable request), and each segment of the template is one of its
input chunks. Between two chunks the session keeps its KV cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Lock
from typing import Any

import numpy as np

from taihri_ros.inference.constrained.answer_template import Template, TemplateState
from taihri_ros.inference.engine import GenerationFailedError, GenerationRequest
from taihri_ros.inference.image_patches import ImagePatches
from taihri_ros.inference.local_engine import common_prefix_length
from taihri_ros.inference.process.protocol import MAX_IN_FLIGHT
from taihri_ros.inference.vllm import private_api
from taihri_ros.inference.vllm.image_inputs import ImageInputs
from taihri_ros.inference.vllm.logprobs import LogprobRow
from taihri_ros.inference.vllm.requests import ParametersOf, Requests, Tokens, prompt_of
from taihri_ros.inference.vllm.stepping import RequestState, TemplateRequestState

_RETRY_S = 0.005
"""Time between two attempts to reserve blocks of the cache, seconds."""


class SessionRequests(Requests):
    """Requests to the core of an `LLMEngine`; several threads may make them."""

    def __init__(self, engine: Any, image_id: int, patches: ImagePatches, lora: Any = None) -> None:
        """Use the core of an engine.

        Args:
            engine: The `LLMEngine`.
            image_id: Id of the token that stands for the image.
            patches: The checkpoint's image processor.
            lora: The `LoRARequest` of every request, or None.
        """
        super().__init__(private_api.EngineCore(engine))
        self._engine = engine
        self._lora = lora
        self._image_id = image_id
        self._image_inputs = ImageInputs(patches)
        self._prototype: Any = None
        self._preparing = Lock()
        self._reserved_blocks = 0
        self._reserving = Lock()

    @contextmanager
    def reserved(self, visual_tokens: int, templates: Sequence[Template], prompts: Sequence[Tokens]) -> Iterator[bool]:
        """Reserve blocks of the KV cache for the answers; yield False if too few are left.

        Without reservations the sessions could deadlock: each keeps its blocks while it waits for one more. vLLM must
        not preempt a session either: with async scheduling, the tokens of its earlier chunks are then lost.
        """
        size, _ = private_api.cache_blocks(self._engine)
        shared = 0
        if private_api.shares_prefixes(self._engine, MAX_IN_FLIGHT * visual_tokens):
            shared = visual_tokens + common_prefix_length(prompts)
        blocks = shared // size
        for template, prompt in zip(templates, prompts, strict=True):
            blocks += 2 + (visual_tokens + len(prompt) - shared + template.length) // size
        is_reserved = self._reserve(blocks)
        try:
            yield is_reserved
        finally:
            if is_reserved:
                self._release(blocks)

    @contextmanager
    def reserved_for_one(self, length: int, aborted: Event) -> Iterator[None]:
        """Wait until blocks for this many tokens can be reserved, so that vLLM has not to preempt a session."""
        size, count = private_api.cache_blocks(self._engine)
        blocks = min(2 + length // size, count)
        while not (is_reserved := self._reserve(blocks)) and not aborted.wait(_RETRY_S):
            pass
        try:
            yield
        finally:
            if is_reserved:
                self._release(blocks)

    def _reserve(self, blocks: int) -> bool:
        """Reserve blocks if so many are left."""
        _, count = private_api.cache_blocks(self._engine)
        with self._reserving:
            fits = self._reserved_blocks + blocks <= count
            self._reserved_blocks += blocks if fits else 0
            return fits

    def _release(self, blocks: int) -> None:
        with self._reserving:
            self._reserved_blocks -= blocks

    def one(self, request: GenerationRequest, prompt: Tokens, parameters: Any) -> RequestState:
        """Make a request with vLLM's own input processor."""
        with self._preparing:
            return RequestState(self._processed(request, prompt, parameters, resumable=False))

    def templated(
        self,
        request: GenerationRequest,
        visual_tokens: int,
        prompts: Sequence[Tokens],
        template_states: Sequence[TemplateState[LogprobRow]],
        parameters: ParametersOf,
    ) -> Sequence[RequestState]:
        """Make a streaming session for each answer; all use the first one's image."""
        inputs = [prompt + state.pending for prompt, state in zip(prompts, template_states, strict=True)]
        first = self._first_session(request, visual_tokens, inputs[0], parameters(template_states[0].remaining))
        sessions = [first]
        for tokens, state in zip(inputs[1:], template_states[1:], strict=True):
            expanded = self._expanded(tokens, visual_tokens)
            sessions.append(private_api.variant(first, self._name(), expanded, parameters(state.remaining)))

        def make_state(session: Any, state: TemplateState[LogprobRow]) -> TemplateRequestState:
            def make_chunk(state: TemplateState[LogprobRow]) -> Any:
                return private_api.chunk(first, session.request_id, state.pending, parameters(state.remaining))

            return TemplateRequestState(session, state, make_chunk)

        return [make_state(session, state) for session, state in zip(sessions, template_states, strict=True)]

    def _processed(self, request: GenerationRequest, prompt: Tokens, parameters: Any, *, resumable: bool) -> Any:
        try:
            return private_api.make_request(
                self._engine,
                self._name(),
                prompt_of(request, prompt),
                parameters,
                resumable=resumable,
                lora=self._lora,
            )
        except Exception as error:  # the request is not queued, so the engine is intact
            raise GenerationFailedError(f"vLLM rejected the request: {error}") from error

    def _first_session(self, request: GenerationRequest, visual_tokens: int, tokens: Tokens, parameters: Any) -> Any:
        """Create the first chunk of a session, from the prototype of its image size if there is one."""
        image, name = np.ascontiguousarray(request.image), self._name()
        with self._preparing:
            feature = self._image_inputs.feature(image, name, tokens.index(self._image_id))
            if feature is None:
                self._prototype = self._processed(request, tokens, parameters, resumable=True)
                self._image_inputs.add_prototype(image, private_api.image_of(self._prototype))
                return self._prototype
        return private_api.session(self._prototype, name, self._expanded(tokens, visual_tokens), parameters, feature)

    def _expanded(self, tokens: Tokens, visual_tokens: int) -> Tokens:
        """Repeat the image placeholder for every visual token, as vLLM does."""
        place = tokens.index(self._image_id)
        return (*tokens[:place], *(tokens[place],) * visual_tokens, *tokens[place + 1 :])
