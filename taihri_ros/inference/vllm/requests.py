"""The interface of `SessionRequests` and `PublicRequests`, which make vLLM's requests, and what both have in common."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from threading import Event
from typing import Any, Literal, TypeAlias

import numpy as np

from taihri_ros.inference.constrained.answer_template import Template, TemplateState
from taihri_ros.inference.engine import GenerationRequest
from taihri_ros.inference.vllm.logprobs import LogprobRow
from taihri_ros.inference.vllm.stepping import Core, RequestState

VllmApi = Literal["auto", "internal", "public"]
"""Which part of vLLM is used: its core if the installed version has what the node needs, always its core, or only its
public API."""

Tokens: TypeAlias = tuple[int, ...]

ParametersOf: TypeAlias = Callable[[int], Any]
"""Function that returns the `SamplingParams` for decoding a number of coordinates."""


class Requests(ABC):
    """Base class of those that make vLLM's requests, for its core or for its public API.

    Attributes:
        core: What the requests are added to.
    """

    def __init__(self, core: Core) -> None:
        """Use a core, and start to count the requests, for their names.

        Args:
            core: What the requests are added to.
        """
        self.core = core
        self._numbers = itertools.count(1)

    @abstractmethod
    def reserved(
        self, visual_tokens: int, templates: Sequence[Template], prompts: Sequence[Tokens]
    ) -> AbstractContextManager[bool]:
        """Reserve memory for answers of templates that are decoded together, so that none waits for it forever.

        Args:
            visual_tokens: Number of tokens of the image.
            templates: The template of each answer.
            prompts: The prompt of each answer.

        Returns:
            A context that keeps the memory reserved, and yields whether there was enough; otherwise the answers must be
            decoded one after another.
        """

    @abstractmethod
    def reserved_for_one(self, length: int, aborted: Event) -> AbstractContextManager[None]:
        """Reserve memory for an answer that is decoded token by token; wait for it.

        Args:
            length: Maximum number of tokens of image, prompt and answer together.
            aborted: Event that ends the wait.

        Returns:
            A context that keeps the memory reserved.
        """

    @abstractmethod
    def one(self, request: GenerationRequest, prompt: Tokens, parameters: Any) -> RequestState:
        """Make a request whose answer is decoded token by token.

        Args:
            request: The request; its image is used.
            prompt: Ids of the prompt, with one token for the image.
            parameters: The `SamplingParams`.

        Returns:
            The state of the request.

        Raises:
            GenerationFailedError: vLLM rejects the request.
        """

    @abstractmethod
    def templated(
        self,
        request: GenerationRequest,
        visual_tokens: int,
        prompts: Sequence[Tokens],
        template_states: Sequence[TemplateState[LogprobRow]],
        parameters: ParametersOf,
    ) -> Sequence[RequestState]:
        """Make a request for each answer with a template.

        Args:
            request: The request; its image is used.
            visual_tokens: Number of tokens of the image.
            prompts: Ids of each prompt, with one token for the image.
            template_states: The initial decoding state of each answer.
            parameters: The parameters for a number of coordinates.

        Returns:
            The states of the requests.

        Raises:
            GenerationFailedError: vLLM rejects a request.
        """

    def _name(self) -> str:
        return f"request-{next(self._numbers)}"


def prompt_of(request: GenerationRequest, tokens: Sequence[int]) -> dict[str, Any]:
    """Return a prompt with the request's image, as `LLMEngine.add_request` takes it."""
    image = np.ascontiguousarray(request.image)  # torch does not accept negative strides
    return {"prompt_token_ids": list(tokens), "multi_modal_data": {"image": image}}
