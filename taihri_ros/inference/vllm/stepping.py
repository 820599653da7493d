"""Stepping of vLLM's engine core, and the state of the requests in flight.

Jump-forward decoding adds one request for each segment of a template: it ends with the segment's fixed tokens, and vLLM
decodes the segment's coordinates after them.

Several threads may have requests in flight. One of them steps the core for all, so that vLLM batches the prefill of a
new request with the decoding of the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Condition, Event
from typing import Any, NamedTuple, Protocol

from taihri_ros.inference.constrained.answer_template import TemplateState
from taihri_ros.inference.engine import EngineUnavailableError, GenerationFailedError
from taihri_ros.inference.vllm.logprobs import LogprobRow


class StepOutput(NamedTuple):
    """The output of one step for one request.

    Attributes:
        name: Name of the request.
        tokens: Ids of the new tokens.
        rows: vLLM's log-probabilities of each new token, or None.
        finish_reason: vLLM's reason for the end of the request; empty if it continues.
    """

    name: str
    tokens: Sequence[int]
    rows: Sequence[LogprobRow | None]
    finish_reason: str


class Core(Protocol):
    """The part of vLLM that a stepper drives. A request has a `request_id`, its name."""

    def add_request(self, request: Any) -> None:
        """Queue a request, or raise an exception if it is refused."""

    def abort_requests(self, names: Sequence[str]) -> None:
        """Remove requests; unknown names are ignored."""

    def step(self) -> list[StepOutput]:
        """Run one step and return the outputs of the requests that it has advanced."""


class RequestState:
    """State of a request in flight whose answer is decoded token by token.

    Attributes:
        request: The request, as the core takes it.
        tokens: Ids of the answer's tokens so far.
        rows: vLLM's log-probabilities of each token, or None.
        done: Whether the answer is complete.
        error: Error message if the request failed, else empty.
        passes: Number of forward passes that returned a token for this request.
        first_token: Time of the first token, `time.perf_counter` seconds.
        stepping_s: Time that the core has spent in steps while the request was in flight, seconds.
    """

    def __init__(self, request: Any) -> None:
        """Create the state of a request that is not in the core yet.

        Args:
            request: The request, as the core takes it.
        """
        self.request = request
        self.tokens: list[int] = []
        self.rows: list[LogprobRow | None] = []
        self.done = False
        self.error = ""
        self.passes = 0
        self.first_token = 0.0
        self.stepping_s = 0.0

    def update(self, output: StepOutput) -> Any:
        """Add the output of one step.

        Args:
            output: The output.

        Returns:
            The request for the next segment of a template, to add to the core, or None.
        """
        if output.tokens:
            self.first_token = self.first_token or time.perf_counter()
            self.passes += 1
        for token, row in zip(output.tokens, output.rows, strict=True):
            self._append(token, row)
        if not output.finish_reason:
            return None
        if output.finish_reason not in ("stop", "length"):
            self.error = f"vLLM ended the request with {output.finish_reason!r}"
            self.done = True
            return None
        return self._next_chunk()

    def _append(self, token: int, row: LogprobRow | None) -> None:
        self.tokens.append(token)
        self.rows.append(row)

    def _next_chunk(self) -> Any:
        self.done = True
        return None


class TemplateRequestState(RequestState):
    """State of a request in flight whose answer is decoded with a template, segment by segment."""

    def __init__(
        self,
        request: Any,
        template_state: TemplateState[LogprobRow],
        make_chunk: Callable[[TemplateState[LogprobRow]], Any],
    ) -> None:
        """Create the state of a request that is not in the core yet.

        Args:
            request: The request for the first segment: the prompt, the first fixed tokens, and the number of
                coordinates to decode after them.
            template_state: Initial decoding state of the answer.
            make_chunk: Function that makes the request for the next segment from the decoding state; it has the same
                name as the first.
        """
        super().__init__(request)
        self._template_state = template_state
        self._make_chunk = make_chunk
        self.tokens, self.rows = template_state.tokens, template_state.top_k

    def _append(self, token: int, row: LogprobRow | None) -> None:
        self._template_state.append(token, row)

    def _next_chunk(self) -> Any:
        if self._template_state.remaining:
            return self._make_chunk(self._template_state)
        return super()._next_chunk()


class Stepper:
    """Driver of the engine core; several threads may call `run` concurrently."""

    def __init__(self, core: Core) -> None:
        """Create the driver of a core; a core must have only one."""
        self._core = core
        self._changed = Condition()
        self._stepping = False
        self._to_add: list[RequestState] = []
        self._to_remove: list[str] = []
        self._request_states: dict[str, RequestState] = {}
        self._failure = ""

    def run(self, request_states: Sequence[RequestState], aborted: Event) -> None:
        """Add requests to the core, and step it until they are complete.

        Args:
            request_states: The requests.
            aborted: Event that aborts these requests once another thread sets it.

        Raises:
            EngineUnavailableError: The core has failed, now or earlier.
            GenerationFailedError: vLLM rejected one of the requests, or ended it with an error.
        """
        with self._changed:
            self._to_add += request_states
        try:
            while not aborted.is_set() and not all(request_state.done for request_state in request_states):
                self._step_or_wait(request_states, aborted)
        finally:
            with self._changed:
                self._to_remove += [request_state.request.request_id for request_state in request_states]
                if not self._stepping:  # otherwise the stepping thread removes them, and this thread does not wait
                    self._add_and_remove()
        if failed := [request_state.error for request_state in request_states if request_state.error]:
            raise GenerationFailedError(failed[0])

    def _step_or_wait(self, request_states: Sequence[RequestState], aborted: Event) -> None:
        """Step the core for all threads, or wait while another thread does."""
        with self._changed:
            if self._stepping:
                self._changed.wait_for(
                    lambda: (
                        not self._stepping
                        or aborted.is_set()
                        or all(request_state.done for request_state in request_states)
                    )
                )
                return
            if self._failure:
                raise EngineUnavailableError(f"vLLM failed earlier ({self._failure}): open the engine again")
            self._add_and_remove()
            self._stepping = True
        completed: list[str] = []
        try:
            started = time.perf_counter()
            outputs = self._core.step()
            for request_state in self._request_states.values():
                request_state.stepping_s += time.perf_counter() - started
            for output in outputs:
                updated = self._request_states.get(output.name)
                chunk = updated.update(output) if updated else None
                if chunk is not None:
                    self._core.add_request(chunk)
                elif updated and updated.done:  # until removed, a session keeps KV cache that others may need
                    completed.append(output.name)
        except Exception as error:  # the core's state is now unknown
            self._failure = f"{type(error).__name__}: {error}"
            raise EngineUnavailableError(f"vLLM failed ({self._failure}): open the engine again") from error
        finally:
            with self._changed:
                self._to_remove += completed
                self._stepping = False
                self._changed.notify_all()

    def _add_and_remove(self) -> None:
        """Add waiting requests to the core and remove finished ones; call it with the lock held and no step running."""
        for request_state in self._to_add:
            self._request_states[request_state.request.request_id] = request_state
            try:
                self._core.add_request(request_state.request)
            except Exception as error:  # the request is not queued, so the core is intact
                request_state.error, request_state.done = f"vLLM rejected the request: {error}", True
        self._to_add.clear()
        if self._to_remove and not self._failure:
            self._core.abort_requests(self._to_remove)
        for name in self._to_remove:
            self._request_states.pop(name, None)
        self._to_remove.clear()
