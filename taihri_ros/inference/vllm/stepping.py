"""Direct stepping of vLLM's engine core, and the state of the requests in flight.

`LLMEngine.step` also produces texts and statistics, which are not needed here, so the core is stepped directly.

Jump-forward decoding uses vLLM's streaming sessions (resumable requests). Each segment of a template is one input
chunk: it ends with the segment's fixed tokens, and vLLM decodes the segment's coordinates after them. Between two
chunks the session keeps its KV cache.

Several threads may have requests in flight. One of them steps the core for all, so that vLLM batches the prefill of a
new request with the decoding of the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Condition, Event
from typing import Any

from taihri_ros.inference.constrained.answer_template import TemplateState
from taihri_ros.inference.engine import EngineUnavailableError, GenerationFailedError
from taihri_ros.inference.vllm.logprobs import LogprobRow, logprob_row


class RequestState:
    """State of a request in flight whose answer is decoded token by token.

    Attributes:
        request: Its `EngineCoreRequest`.
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
            request: An `EngineCoreRequest`.
        """
        self.request = request
        self.tokens: list[int] = []
        self.rows: list[LogprobRow | None] = []
        self.done = False
        self.error = ""
        self.passes = 0
        self.first_token = 0.0
        self.stepping_s = 0.0

    def update(self, output: Any) -> Any:
        """Add the output of one step.

        Args:
            output: An `EngineCoreOutput`.

        Returns:
            The next chunk of a streaming session, a request to add to the core, or None.
        """
        if output.new_token_ids:
            self.first_token = self.first_token or time.perf_counter()
            self.passes += 1
        for index, token in enumerate(output.new_token_ids):
            self._append(token, logprob_row(output, index))
        if output.finish_reason is None:
            return None
        if str(output.finish_reason) not in ("stop", "length"):
            self.error = f"vLLM ended the request with {str(output.finish_reason)!r}"
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
    """State of a request in flight whose answer is decoded with a template, as a streaming session."""

    def __init__(
        self,
        request: Any,
        template_state: TemplateState[LogprobRow],
        make_chunk: Callable[[str, tuple[int, ...], int], Any],
    ) -> None:
        """Create the state of a session that is not in the core yet.

        Args:
            request: The session's first chunk: the prompt, the first fixed tokens, and the number of coordinates to
                decode after them.
            template_state: Initial decoding state of the answer.
            make_chunk: Function that makes a later chunk from the session's name, the ids of its input tokens, and the
                number of coordinates to decode.
        """
        super().__init__(request)
        self._template_state = template_state
        self._make_chunk = make_chunk
        self.tokens, self.rows = template_state.tokens, template_state.top_k

    def _append(self, token: int, row: LogprobRow | None) -> None:
        self._template_state.append(token, row)

    def _next_chunk(self) -> Any:
        state = self._template_state
        if state.remaining:
            return self._make_chunk(self.request.request_id, state.pending, state.remaining)
        return super()._next_chunk()


class Stepper:
    """Driver of the engine core; several threads may call `run` concurrently."""

    def __init__(self, core: Any) -> None:
        """Create the driver of a core; a core must have only one.

        Args:
            core: The `engine_core` of an `LLMEngine`.
        """
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
            outputs = self._core.get_output().outputs
            for request_state in self._request_states.values():
                request_state.stepping_s += time.perf_counter() - started
            for output in outputs:
                updated = self._request_states.get(output.request_id)
                chunk = updated.update(output) if updated else None
                if chunk is not None:
                    self._core.add_request(chunk)
                elif updated and updated.done:  # until removed, a session keeps KV cache that others may need
                    completed.append(output.request_id)
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
