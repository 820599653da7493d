"""vLLM's engine core, stepped by whoever waits for an answer, and the requests that are under way in it.

`LLMEngine.step` makes texts and statistics that nobody here reads; the core is stepped directly. A straight answer is
one of vLLM's streaming sessions: a chunk of input ends with the forced tokens, the chunk's coordinates are decoded, and
the session waits for the next chunk with its keys and values kept. Several threads may have requests under way: one of
them steps for all, so that the prompt of a new request is read in the same pass in which another one decodes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Condition, Event
from typing import Any

from taihri_ros.inference.constrained.template import TemplateState
from taihri_ros.inference.engine import EngineUnavailableError, GenerationFailedError
from taihri_ros.inference.vllm.logprobs import Row, row_of


class RequestState:
    """One request under way, decoded token by token.

    Attributes:
        request: Its `EngineCoreRequest`.
        tokens: Ids of its answer so far.
        rows: For each of them what vLLM gave of its alternatives.
        done: Whether the answer is complete.
        error: Why it failed, if it did.
        passes: Passes through the model that gave it a token.
        first_token: When the first one came, `time.perf_counter` seconds.
        stepping_s: How long the core stepped while it was under way, seconds.
    """

    def __init__(self, request: Any) -> None:
        """Begin.

        Args:
            request: An `EngineCoreRequest`.
        """
        self.request = request
        self.tokens: list[int] = []
        self.rows: list[Row | None] = []
        self.done = False
        self.error = ""
        self.passes = 0
        self.first_token = 0.0
        self.stepping_s = 0.0

    def take(self, output: Any) -> Any:
        """Take what one step gave.

        Args:
            output: An `EngineCoreOutput`.

        Returns:
            A request to add, the session's next chunk, or None.
        """
        if output.new_token_ids:
            self.first_token = self.first_token or time.perf_counter()
            self.passes += 1
        for place, token in enumerate(output.new_token_ids):
            self._add(token, row_of(output, place))
        if output.finish_reason is None:
            return None
        if str(output.finish_reason) not in ("stop", "length"):
            self.error = f"vLLM ended the request with {str(output.finish_reason)!r}"
            self.done = True
            return None
        return self._next()

    def _add(self, token: int, row: Row | None) -> None:
        self.tokens.append(token)
        self.rows.append(row)

    def _next(self) -> Any:
        self.done = True
        return None


class TemplateRequestState(RequestState):
    """A straight answer under way as a streaming session."""

    def __init__(
        self,
        request: Any,
        template_state: TemplateState[Row],
        chunk: Callable[[str, tuple[int, ...], int], Any],
    ) -> None:
        """Begin.

        Args:
            request: The session's first chunk: prompt, first forced tokens, and as many tokens to decode as there are
                coordinates.
            template_state: The answer, in which nothing is decoded yet.
            chunk: Makes the next chunk from the session's name, the tokens to read, and how many to decode.
        """
        super().__init__(request)
        self._template_state = template_state
        self._chunk = chunk
        self.tokens, self.rows = template_state.tokens, template_state.top_k

    def _add(self, token: int, row: Row | None) -> None:
        self._template_state.choose(token, row)

    def _next(self) -> Any:
        if self._template_state.left:
            return self._chunk(self.request.request_id, self._template_state.unread, self._template_state.left)
        return super()._next()


class Stepper:
    """The engine core; `run` may be called from several threads."""

    def __init__(self, core: Any) -> None:
        """Take over a core.

        Args:
            core: The `engine_core` of an `LLMEngine` that nobody else steps.
        """
        self._core = core
        self._change = Condition()
        self._stepping = False
        self._arrived: list[RequestState] = []
        self._leaving: list[str] = []
        self._request_states: dict[str, RequestState] = {}
        self._failure = ""

    def run(self, request_states: Sequence[RequestState], aborted: Event) -> None:
        """Bring requests to their end.

        Args:
            request_states: The requests.
            aborted: Set by someone else to end them early.

        Raises:
            EngineUnavailableError: The core has failed, now or before.
            GenerationFailedError: vLLM refuses one of the requests, or ended it with an error.
        """
        with self._change:
            self._arrived += request_states
        try:
            while not aborted.is_set() and not all(request_state.done for request_state in request_states):
                self._step_or_wait(request_states, aborted)
        finally:
            with self._change:
                self._leaving += [request_state.request.request_id for request_state in request_states]
                if not self._stepping:  # else the thread that steps tidies up; to wait for it could take until its end
                    self._tidy()
        if failed := [request_state.error for request_state in request_states if request_state.error]:
            raise GenerationFailedError(failed[0])

    def _step_or_wait(self, request_states: Sequence[RequestState], aborted: Event) -> None:
        """Step the core for everybody, or wait until the thread that does so has."""
        with self._change:
            if self._stepping:
                self._change.wait_for(
                    lambda: (
                        not self._stepping
                        or aborted.is_set()
                        or all(request_state.done for request_state in request_states)
                    )
                )
                return
            if self._failure:
                raise EngineUnavailableError(f"vLLM failed before ({self._failure}): open the engine again")
            self._tidy()
            self._stepping = True
        ended: list[str] = []
        try:
            started = time.perf_counter()
            outputs = self._core.get_output().outputs
            for request_state in self._request_states.values():
                request_state.stepping_s += time.perf_counter() - started
            for output in outputs:
                answered = self._request_states.get(output.request_id)
                chunk = answered.take(output) if answered else None
                if chunk is not None:
                    self._core.add_request(chunk)
                elif answered and answered.done:  # a session keeps its keys and values, which others may wait for
                    ended.append(output.request_id)
        except Exception as error:  # the core's state is unknown from here on
            self._failure = f"{type(error).__name__}: {error}"
            raise EngineUnavailableError(f"vLLM failed ({self._failure}): open the engine again") from error
        finally:
            with self._change:
                self._leaving += ended
                self._stepping = False
                self._change.notify_all()

    def _tidy(self) -> None:
        """Add the requests that have come to the core, and take out those that nobody waits for; nobody steps."""
        for request_state in self._arrived:
            self._request_states[request_state.request.request_id] = request_state
            try:
                self._core.add_request(request_state.request)
            except Exception as error:  # nothing is queued yet, whatever is wrong
                request_state.error, request_state.done = f"vLLM refuses the request: {error}", True
        self._arrived.clear()
        if self._leaving and not self._failure:
            self._core.abort_requests(self._leaving)
        for name in self._leaving:
            self._request_states.pop(name, None)
        self._leaving.clear()
