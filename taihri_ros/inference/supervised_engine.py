"""The base of engines that a thread starts, watches and restarts: an engine process, or a remote server."""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from math import inf

import numpy as np

from taihri_ros.errors import TaihriError
from taihri_ros.inference.answer_times import HANG_S, AnswerTimes, kind_of
from taihri_ros.inference.engine import (
    Engine,
    EngineError,
    EngineInfo,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
    Question,
)
from taihri_ros.inference.engine_health import EngineHealth, EngineState
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.spec import ModelSpec

TICK_S = 0.1
"""Interval at which the thread checks the engine, in s."""

SILENT_S = 1.0
"""Time in s without a sign of life after which an engine is reported as silent; it hangs after `HANG_S` or later."""

_logger = logging.getLogger(__name__)

_STABLE_S = 60.0
"""An engine that has answered for this time in s since it was ready is stable: its earlier failures no longer count."""

_HEARTBEAT = "heartbeat"
_HEARTBEAT_S = 0.5
"""Time in s since the last sign of life after which the engine is asked for one."""

_GRACE_S = 0.3
"""Time in s between two looks at an overdue request: this process may have been stopped itself meanwhile."""


@dataclass(eq=False)
class _InFlight:
    """A request in flight.

    Attributes:
        kind: Its kind; see `AnswerTimes`.
        started: When it began, `time.monotonic`.
        seen: When it was seen to be overdue; None before.
    """

    kind: Hashable
    started: float
    seen: float | None = None


class SupervisedEngine(Engine, ABC):
    """An engine that is started in the background and restarted when it fails.

    A permanent fault, such as a broken checkpoint, ends it at once; other faults are tried again with longer and longer
    pauses. An engine that hangs has failed, too: it gives no sign of life, or a request takes far longer than this
    engine needs for its kind; see `AnswerTimes`. A subclass defines one life of the engine in `_run`, which calls
    `_serve` once the engine is ready.
    """

    _close_timeout_s = 4.0

    def __init__(
        self,
        *,
        request_timeout_s: float,
        probe_period_s: float,
        max_restarts: int | None,
        backoff_s: float,
        longest_backoff_s: float,
    ) -> None:
        """Start the thread; a subclass sets its own attributes before.

        Args:
            request_timeout_s: Longest time for an answer, in s, while it is not known what the engine usually takes.
            probe_period_s: Idle time in s after which the engine gets a health probe, a request for one token; 0 for
                never.
            max_restarts: Number of consecutive failed restarts after which the engine has failed; None for no limit.
            backoff_s: Pause before the first restart, in s; it doubles with every further restart.
            longest_backoff_s: Longest pause, in s.
        """
        self._longest_answer_s = request_timeout_s
        self._probe_period_s = probe_period_s
        self._max_restarts = max_restarts
        self._backoff_s = backoff_s
        self._longest_backoff_s = longest_backoff_s
        self._times = AnswerTimes()
        self._in_flight: set[_InFlight] = set()
        self._last_sign: float | None = None
        self._change = threading.Condition()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._state = EngineState.STARTING
        self._message = "the engine is being started"
        self._last_error = ""
        self._restarts = 0
        self._ready_since: float | None = None
        self._last_success: float | None = None
        self._latency_s: float | None = None
        self._info: EngineInfo | None = None
        self._client: Engine | None = None
        self._thread = threading.Thread(target=self._supervise, name="engine supervisor", daemon=True)
        self._thread.start()

    @property
    def info(self) -> EngineInfo:
        """Description of the engine.

        Raises:
            EngineUnavailableError: The engine has not been ready yet.
        """
        with self._change:
            if self._info is None:
                raise EngineUnavailableError(self._unready_message())
            return self._info

    @property
    def health(self) -> EngineHealth:
        """Current health of the engine."""
        with self._change:
            busy = self._state is EngineState.READY and bool(self._in_flight)
            silent_s = 0.0 if self._last_sign is None else time.monotonic() - self._last_sign
            return EngineHealth(
                state=EngineState.BUSY if busy else self._state,
                message=self._message,
                restarts=self._restarts,
                last_success_age_s=None if self._last_success is None else time.monotonic() - self._last_success,
                info=self._info,
                last_error=self._last_error,
                latency_ms=None if self._latency_s is None else 1e3 * self._latency_s,
                silent_s=silent_s if silent_s > SILENT_S else 0.0,
            )

    def wait_ready(self, timeout_s: float) -> EngineInfo:
        """Wait until the engine is ready.

        Args:
            timeout_s: Longest time to wait, in s.

        Returns:
            Description of the engine.

        Raises:
            EngineUnavailableError: The engine is not ready in time, or it has failed.
        """
        settled = (EngineState.READY, EngineState.FAILED, EngineState.STOPPED)
        with self._change:
            self._change.wait_for(lambda: self._state in settled, timeout_s)
            if self._state is not EngineState.READY or self._info is None:
                raise EngineUnavailableError(self._unready_message())
            return self._info

    def generate(self, request: GenerationRequest) -> Generation:
        """Answer one request; see `Engine.generate`. If the engine is not ready, raise an error immediately."""
        with self._change:
            client = self._client
            if client is None:
                raise EngineUnavailableError(self._unready_message())
            job = _InFlight(kind_of(request), time.monotonic())
            self._in_flight.add(job)
        try:
            generation = client.generate(request)
        except (GenerationAbortedError, GenerationFailedError):
            raise
        except EngineError as error:
            if fault := self._fault(error):
                self._drop_client(client, fault)
            else:
                self._wake.set()
            if isinstance(error, EngineUnavailableError):
                raise
            raise EngineUnavailableError(str(error)) from error
        finally:
            with self._change:
                self._in_flight.discard(job)
        with self._change:
            self._last_success = time.monotonic()
            self._latency_s = self._last_success - job.started
            if self._client is client:
                self._last_sign = self._last_success
        self._times.add(job.kind, self._latency_s)
        return generation

    def abort(self) -> None:
        """Abort the requests in flight as soon as possible, and return without waiting for that."""
        client = self._client
        if client is not None:
            client.abort()

    def close(self) -> None:
        """End the engine, and what was started for it; a second call does nothing."""
        self._stopping.set()
        self._wake.set()
        client = self._client
        if client is not None:
            client.close()
        self._thread.join(self._close_timeout_s)

    @abstractmethod
    def _run(self) -> None:
        """Start the engine once, and call `_serve` when it is ready; return after `close`.

        Raises:
            EngineUnavailableError: The engine must be restarted.
            TaihriError: The engine cannot be started. A restart helps only if it was ready before.
        """

    @abstractmethod
    def _fault(self, error: EngineError) -> str:
        """Return why the engine must be restarted after this error of a request; empty to check its state first."""

    def _is_awaited(self) -> bool:
        """Return whether a failure only means that the engine has not been started yet."""
        return False

    def _serve(self, client: Engine, check: Callable[[bool], None]) -> None:
        """Use a client that is ready until `close` is called.

        Args:
            client: The client.
            check: Called every `TICK_S`; its argument is whether a request has failed since. It raises an error when
                the engine must be restarted.
        """
        try:
            with self._change:
                self._client, self._info = client, client.info
                self._ready_since = self._last_success = self._last_sign = time.monotonic()
                self._set_state(EngineState.READY)
            _logger.info("the engine is ready: %s on %s", client.info.model, client.info.device)
            if client.info.unconstrained:
                _logger.warning("answers are not constrained: %s", client.info.unconstrained)
            while not self._stopping.is_set():
                woken = self._wake.wait(TICK_S)
                if woken:
                    self._wake.clear()
                check(woken)
                self._check_in_flight()
                if self._client is not client:
                    raise EngineUnavailableError(self._message)
                idle_s = time.monotonic() - (self._last_success or 0.0)
                if 0 < self._probe_period_s < idle_s and not self._in_flight:
                    self._probe(client)
        except EngineError as error:
            self._drop_client(client, str(error))
            raise
        finally:
            with self._change:
                self._client = self._last_sign = None

    def _heartbeat(self, ask: Callable[[float], object]) -> None:
        """Ask the engine for a sign of life if there was none for a while.

        Args:
            ask: Called with the longest time to wait, in s. It need not run the model. Its errors are those of this
                method.
        """
        began = time.monotonic()
        if began - (self._last_sign or 0.0) < _HEARTBEAT_S:
            return
        ask(self._times.limit_s(_HEARTBEAT, HANG_S) - _HEARTBEAT_S)
        ended = time.monotonic()
        with self._change:
            self._last_sign = ended
        self._times.add(_HEARTBEAT, ended - began)

    def _check_in_flight(self) -> None:
        """Raise an error if a request takes far longer than this engine needs for its kind."""
        now = time.monotonic()
        for job in self._in_flight.copy():
            if now - job.started < min(self._longest_answer_s, self._times.limit_s(job.kind, inf)):
                continue
            job.seen = job.seen or now
            if now - job.seen > _GRACE_S:
                usual_s = self._times.usual_s(job.kind)
                usually = "" if usual_s is None else f", which usually takes {usual_s:.2f} s at most"
                raise EngineUnavailableError(
                    f"the engine does not respond: a request is not answered for {now - job.started:.1f} s{usually}"
                )

    def _is_used(self, client: Engine) -> bool:
        """Return whether requests still go to a client; not after an error for which `_fault` returned a reason."""
        return self._client is client

    def _unready_message(self) -> str:
        return f"the engine is {self._state.value}: {self._message}"

    def _set_state(self, state: EngineState, message: str = "") -> None:
        with self._change:
            self._state, self._message = state, message
            self._change.notify_all()

    def _drop_client(self, client: Engine, reason: str) -> None:
        """Stop using a client; the thread then restarts the engine."""
        with self._change:
            if self._client is client:
                self._client = None
                self._last_error = reason
                self._set_state(EngineState.RESTARTING, reason)
        self._wake.set()

    def _supervise(self) -> None:
        """Run the engine, again and again; no error ends this thread before it has said so in the state."""
        failures = 0
        while not self._stopping.is_set():
            reason, permanent = self._live()
            if self._stopping.is_set():
                break
            failures = 1 if self._was_stable() else failures + 1
            if not permanent and self._max_restarts is not None and failures > self._max_restarts:
                permanent = True
                reason = f"gave up after {failures} consecutive failures; the last one: {reason}"
            if permanent:
                self._last_error = reason
                self._set_state(EngineState.FAILED, reason)
                self._log(logging.ERROR, reason)
                return
            self._wait_for_restart(failures, reason)
        self._set_state(EngineState.STOPPED, "it was closed")

    def _live(self) -> tuple[str, bool]:
        """Run the engine until it fails or `close` is called; return why it failed, and whether for good.

        What loaded once may load again, so no failure of an engine that was ready before is permanent.
        """
        self._ready_since = None
        try:
            self._run()
        except EngineUnavailableError as error:
            return str(error), False
        except TaihriError as error:
            return str(error), self._info is None
        except BaseException as error:  # this thread must not end silently
            self._log(logging.ERROR, "internal error while the engine is supervised", exc_info=True)
            return f"internal error: {type(error).__name__}: {error}", False
        return "the engine has ended", False

    def _log(self, level: int, message: str, *, exc_info: bool = False) -> None:
        """Log a message; a handler that fails, as that of a middleware that was shut down, does not matter here."""
        with suppress(Exception):
            _logger.log(level, "%s", message, exc_info=exc_info)

    def _was_stable(self) -> bool:
        """Return whether the engine that has failed had answered for a long time."""
        return self._ready_since is not None and (self._last_success or 0.0) - self._ready_since > _STABLE_S

    def _wait_for_restart(self, failures: int, reason: str) -> None:
        """Pause before the next start, longer after each failure."""
        pause = min(self._backoff_s * 2.0 ** min(failures - 1, 30), self._longest_backoff_s)
        level = logging.WARNING if failures == 1 or reason != self._last_error else logging.DEBUG
        self._log(level, f"{reason}; the next attempt is in {pause:.1f} s")
        self._last_error = reason
        awaited = self._is_awaited()
        self._set_state(EngineState.STARTING if awaited else EngineState.RESTARTING, reason)
        self._stopping.wait(pause)
        with self._change:
            self._restarts += not awaited

    def _probe(self, client: Engine) -> None:
        with suppress(GenerationAbortedError, EngineUnavailableError):
            try:
                self.generate(_probe_request(client.info.spec))
            except GenerationFailedError as error:
                self._drop_client(client, f"the engine failed a health probe: {error}")


def _probe_request(spec: ModelSpec) -> GenerationRequest:
    """Return the smallest possible request: one token about a grey image."""
    side = spec.image_multiple * math.ceil(math.sqrt(spec.min_pixels) / spec.image_multiple)
    return GenerationRequest(
        image=np.full((side, side, 3), 127, np.uint8),
        questions=(Question(Prompt(spec.system_prompt, spec.free_prompt.replace("{command}", "?"))),),
        max_tokens=1,
        top_k=0,
    )
