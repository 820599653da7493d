"""The supervisor of an engine process: starts it, checks its health by its answers, and restarts it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum
from types import TracebackType

import numpy as np

from taihri_ros.inference.engine import (
    EngineError,
    EngineInfo,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
    Question,
)
from taihri_ros.inference.process.client import (
    Connection,
    EngineClient,
    EngineLostError,
    EngineTimeoutError,
    request_status,
)
from taihri_ros.inference.process.engine_subprocess import EngineCommand, EngineSubprocess
from taihri_ros.inference.process.protocol import EngineStatus, State
from taihri_ros.model.prompts import Prompt
from taihri_ros.model.spec import ModelSpec

_logger = logging.getLogger(__name__)

_TICK_S = 0.1
_CONNECT_S = 0.1
_LONGEST_BACKOFF_S = 30.0
_STABLE_S = 60.0
"""After this time in s without a failure, earlier failures no longer count."""


class EngineState(str, Enum):
    """State of a supervised engine."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class EngineHealth:
    """Health of a supervised engine.

    Attributes:
        state: State of the engine.
        message: Why it is not ready, for people.
        restarts: Number of restarts.
        last_success_age_s: Time in s since it last answered a request or a health probe, or became ready; None before.
        pid: Process id; None while there is no process.
        info: Description of the engine, once it has been ready.
    """

    state: EngineState
    message: str
    restarts: int
    last_success_age_s: float | None
    pid: int | None
    info: EngineInfo | None


class EngineProcess:
    """An engine in a separate process that is restarted when it fails. It implements `Engine`.

    >>> with EngineProcess(python="~/engine/bin/python", kind="vllm", model="~/TAIHRI") as engine:  # doctest: +SKIP
    ...     info = engine.wait_ready(timeout_s=300.0)
    ...     generation = engine.generate(request)
    """

    def __init__(
        self,
        *,
        python: str,
        kind: str,
        model: str,
        options: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
        start_timeout_s: float = 300.0,
        request_timeout_s: float = 30.0,
        probe_period_s: float = 30.0,
        max_restarts: int = 5,
        backoff_s: float = 0.5,
    ) -> None:
        """Start the engine in the background.

        Args:
            python: Interpreter of the engine's environment.
            kind: `vllm` or `transformers`.
            model: Directory of the checkpoint.
            options: Options of the engine, of the types of JSON.
            environment: Environment variables of the engine process in addition to those of this process.
            start_timeout_s: Longest time to load the engine, in s.
            request_timeout_s: Longest time for an answer, in s; an engine that takes longer is restarted.
            probe_period_s: Idle time in s after which the engine gets a health probe, a request for one token; 0 for
                never.
            max_restarts: Number of consecutive failed restarts after which the engine has failed.
            backoff_s: Pause before the first restart, in s; it doubles with every further restart, up to 30 s.
        """
        self._command = EngineCommand(
            python=python, kind=kind, model=model, options=options or {}, environment=environment or {}
        )
        self._start_timeout_s = start_timeout_s
        self._request_timeout_s = request_timeout_s
        self._probe_period_s = probe_period_s
        self._max_restarts = max_restarts
        self._backoff_s = backoff_s
        self._in_flight = 0
        self._change = threading.Condition()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._state = EngineState.STARTING
        self._message = "the engine is being started"
        self._restarts = 0
        self._last_success: float | None = None
        self._pid: int | None = None
        self._info: EngineInfo | None = None
        self._client: EngineClient | None = None
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
        """Health of the engine now."""
        with self._change:
            busy = self._state is EngineState.READY and self._in_flight > 0
            return EngineHealth(
                state=EngineState.BUSY if busy else self._state,
                message=self._message,
                restarts=self._restarts,
                last_success_age_s=None if self._last_success is None else time.monotonic() - self._last_success,
                pid=self._pid,
                info=self._info,
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
        """Answer one request; see `Engine.generate`. Raise without waiting while the engine is not ready."""
        with self._change:
            client = self._client
            if client is None:
                raise EngineUnavailableError(self._unready_message())
            self._in_flight += 1
        try:
            generation = client.generate(request)
        except EngineTimeoutError as error:
            self._drop_client(client, f"the engine does not respond: {error}")
            raise
        except EngineLostError as error:
            self._drop_client(client, str(error))
            raise
        except EngineUnavailableError:
            self._wake.set()
            raise
        finally:
            with self._change:
                self._in_flight -= 1
        with self._change:
            self._last_success = time.monotonic()
        return generation

    def abort(self) -> None:
        """Abort the requests in flight as soon as possible, and return without waiting for that."""
        client = self._client
        if client is not None:
            client.abort()

    def close(self) -> None:
        """End the engine process and remove its files; a second call does nothing."""
        self._stopping.set()
        self._wake.set()
        client = self._client
        if client is not None:
            client.close()
        self._thread.join()

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _unready_message(self) -> str:
        return f"the engine is {self._state.value}: {self._message}"

    def _set_state(self, state: EngineState, message: str = "") -> None:
        with self._change:
            self._state, self._message = state, message
            self._change.notify_all()

    def _drop_client(self, client: EngineClient, reason: str) -> None:
        """Stop using a client; the supervisor's thread then restarts the engine."""
        with self._change:
            if self._client is client:
                self._client = None
                self._set_state(EngineState.RESTARTING, reason)
        self._wake.set()

    def _supervise(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                with EngineSubprocess(self._command) as process:
                    self._run(process)
            except EngineUnavailableError as error:
                reason = str(error)
            except EngineError as error:
                reason = str(error)
                if self._info is None:
                    _logger.error("%s", reason)
                    self._set_state(EngineState.FAILED, reason)
                    return
            if self._stopping.is_set():
                break
            failures = 1 if time.monotonic() - started > _STABLE_S else failures + 1
            if failures > self._max_restarts:
                message = f"gave up after {failures} consecutive failures; the last one: {reason}"
                _logger.error("%s", message)
                self._set_state(EngineState.FAILED, message)
                return
            pause = min(self._backoff_s * 2 ** (failures - 1), _LONGEST_BACKOFF_S)
            _logger.warning("%s; the engine is restarted in %.1f s", reason, pause)
            self._set_state(EngineState.RESTARTING, reason)
            self._stopping.wait(pause)
            with self._change:
                self._restarts += 1
        self._set_state(EngineState.STOPPED, "it was closed")

    def _run(self, process: EngineSubprocess) -> None:
        """Wait until one engine process is ready, and watch it until `close` is called.

        Raises:
            EngineUnavailableError: The process must be restarted.
            EngineError: A restart would fail too, unless the engine has been ready with the same settings before.
        """
        self._set_state(EngineState.STARTING, "the engine is being started")
        with self._change:
            self._pid = process.pid
        try:
            info = self._wait_for_load(process)
            if info is None:
                return
            with EngineClient(
                process.socket, connect_timeout_s=1.0, request_timeout_s=self._request_timeout_s
            ) as client:
                with self._change:
                    self._client, self._info, self._last_success = client, info, time.monotonic()
                self._set_state(EngineState.READY)
                _logger.info("the engine is ready: %s on %s", info.model, info.device)
                self._watch(process, client)
        finally:
            with self._change:
                self._client = self._pid = None

    def _wait_for_load(self, process: EngineSubprocess) -> EngineInfo | None:
        """Wait until the engine has loaded its checkpoint and return its description; None after `close`."""
        deadline = time.monotonic() + self._start_timeout_s
        with closing(Connection(process.socket, _CONNECT_S)) as connection:
            while not self._stopping.is_set():
                process.check_alive()
                if time.monotonic() > deadline:
                    raise EngineUnavailableError(
                        f"the engine was not ready within {self._start_timeout_s:.0f} s; "
                        f"its last output: {process.last_output()}"
                    )
                try:
                    status = request_status(connection, self._stopping.is_set)
                except EngineUnavailableError:
                    continue
                _check_state(status)
                if status.info is not None:
                    return status.info
                self._wake.wait(_TICK_S)
        return None

    def _watch(self, process: EngineSubprocess, client: EngineClient) -> None:
        while not self._stopping.is_set():
            if self._wake.wait(_TICK_S):
                self._wake.clear()
                if self._client is not client:
                    process.wait(_TICK_S)
                    process.check_alive()
                    raise EngineUnavailableError(self._message)
                with suppress(EngineLostError):
                    _check_state(client.status())
            process.check_alive()
            idle_s = time.monotonic() - (self._last_success or 0.0)
            if 0 < self._probe_period_s < idle_s and not self._in_flight:
                self._probe(client)

    def _probe(self, client: EngineClient) -> None:
        with suppress(GenerationAbortedError, EngineUnavailableError):
            try:
                self.generate(_probe_request(client.info.spec))
            except GenerationFailedError as error:
                self._drop_client(client, f"the engine failed a health probe: {error}")


def _check_state(status: EngineStatus) -> None:
    """Raise an error if the engine has failed."""
    if status.state is State.FAILED:
        raise EngineError(status.message) if status.permanent else EngineUnavailableError(status.message)


def _probe_request(spec: ModelSpec) -> GenerationRequest:
    """Return the smallest possible request: one token about a grey image."""
    side = spec.image_multiple * math.ceil(math.sqrt(spec.min_pixels) / spec.image_multiple)
    return GenerationRequest(
        image=np.full((side, side, 3), 127, np.uint8),
        questions=(Question(Prompt(spec.system_prompt, spec.free_prompt.replace("{command}", "?"))),),
        max_tokens=1,
        top_k=0,
    )
