"""The base of engines that a thread starts, watches and restarts: an engine process, or a remote server."""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from taihri_ros.errors import TaihriError
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

_logger = logging.getLogger(__name__)

_STABLE_S = 60.0
"""An engine that has answered for this time in s since it was ready is stable: its earlier failures no longer count."""


class SupervisedEngine(Engine, ABC):
    """An engine that is started in the background and restarted when it fails.

    A permanent fault, such as a broken checkpoint, ends it at once; other faults are tried again with longer and longer
    pauses. A subclass defines one life of the engine in `_run`, which calls `_serve` once the engine is ready.
    """

    _close_timeout_s: float | None = None

    def __init__(
        self, *, probe_period_s: float, max_restarts: int | None, backoff_s: float, longest_backoff_s: float
    ) -> None:
        """Start the thread; a subclass sets its own attributes before.

        Args:
            probe_period_s: Idle time in s after which the engine gets a health probe, a request for one token; 0 for
                never.
            max_restarts: Number of consecutive failed restarts after which the engine has failed; None for no limit.
            backoff_s: Pause before the first restart, in s; it doubles with every further restart.
            longest_backoff_s: Longest pause, in s.
        """
        self._probe_period_s = probe_period_s
        self._max_restarts = max_restarts
        self._backoff_s = backoff_s
        self._longest_backoff_s = longest_backoff_s
        self._in_flight = 0
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
            busy = self._state is EngineState.READY and self._in_flight > 0
            return EngineHealth(
                state=EngineState.BUSY if busy else self._state,
                message=self._message,
                restarts=self._restarts,
                last_success_age_s=None if self._last_success is None else time.monotonic() - self._last_success,
                info=self._info,
                last_error=self._last_error,
                latency_ms=None if self._latency_s is None else 1e3 * self._latency_s,
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
            self._in_flight += 1
        started = time.monotonic()
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
                self._in_flight -= 1
        with self._change:
            self._last_success = time.monotonic()
            self._latency_s = self._last_success - started
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
                self._ready_since = self._last_success = time.monotonic()
                self._set_state(EngineState.READY)
            _logger.info("the engine is ready: %s on %s", client.info.model, client.info.device)
            if client.info.unconstrained:
                _logger.warning("answers are not constrained: %s", client.info.unconstrained)
            while not self._stopping.is_set():
                woken = self._wake.wait(TICK_S)
                if woken:
                    self._wake.clear()
                check(woken)
                if self._client is not client:
                    raise EngineUnavailableError(self._message)
                idle_s = time.monotonic() - (self._last_success or 0.0)
                if 0 < self._probe_period_s < idle_s and not self._in_flight:
                    self._probe(client)
        finally:
            with self._change:
                self._client = None

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
                _logger.error("%s", reason)
                self._last_error = reason
                self._set_state(EngineState.FAILED, reason)
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
        except Exception as error:  # this thread must not end silently
            _logger.exception("internal error while the engine is supervised")
            return f"internal error: {type(error).__name__}: {error}", False
        return "the engine has ended", False

    def _was_stable(self) -> bool:
        """Return whether the engine that has failed had answered for a long time."""
        return self._ready_since is not None and (self._last_success or 0.0) - self._ready_since > _STABLE_S

    def _wait_for_restart(self, failures: int, reason: str) -> None:
        """Pause before the next start, longer after each failure."""
        pause = min(self._backoff_s * 2.0 ** min(failures - 1, 30), self._longest_backoff_s)
        level = logging.WARNING if failures == 1 or reason != self._last_error else logging.DEBUG
        _logger.log(level, "%s; the next attempt is in %.1f s", reason, pause)
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
