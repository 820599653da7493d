"""The supervisor of an engine process: starts it, checks its health, and restarts it after a failure."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from contextlib import closing, suppress

from taihri_ros.inference.answer_times import HANG_S
from taihri_ros.inference.engine import EngineError, EngineUnavailableError
from taihri_ros.inference.engine_health import EngineHealth, EngineState
from taihri_ros.inference.process.client import EngineClient
from taihri_ros.inference.process.connection import (
    Connection,
    EngineLostError,
    EngineTimeoutError,
    GarbledAnswerError,
    request_status,
)
from taihri_ros.inference.process.engine_subprocess import EngineCommand, EngineSubprocess
from taihri_ros.inference.process.process_activity import Progress, is_stopped
from taihri_ros.inference.process.protocol import EngineStatus, State
from taihri_ros.inference.supervised_engine import TICK_S, SupervisedEngine

_CONNECT_S = 0.1
_STATUS_S = 0.5
_LOAD_HANG_S = 10.0
"""Time in s without a sign of life after which an engine that loads hangs: a framework may hold the interpreter."""

_LONGEST_BACKOFF_S = 30.0


class EngineProcess(SupervisedEngine):
    """An engine in a separate process that is restarted when it fails.

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
            kind: `vllm`, `transformers` or `mediapipe`.
            model: Directory of the checkpoint.
            options: Options of the engine, of the types of JSON.
            environment: Environment variables of the engine process in addition to those of this process.
            start_timeout_s: Longest time to load the engine, in s.
            request_timeout_s: Longest time for an answer, in s; an engine that takes longer is restarted. Once 20
                requests of a kind are answered, the limit is twice what they take, at least 2 s; see `AnswerTimes`.
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
        self._pid: int | None = None
        super().__init__(
            request_timeout_s=request_timeout_s,
            probe_period_s=probe_period_s,
            max_restarts=max_restarts,
            backoff_s=backoff_s,
            longest_backoff_s=_LONGEST_BACKOFF_S,
        )

    @property
    def health(self) -> EngineHealth:
        """Current health of the engine."""
        with self._change:
            return dataclasses.replace(super().health, pid=self._pid)

    def _fault(self, error: EngineError) -> str:
        if isinstance(error, EngineTimeoutError):
            return f"the engine does not respond: {error}"
        if isinstance(error, GarbledAnswerError):
            return f"the engine sends garbage: {error}"
        return str(error) if isinstance(error, EngineLostError) else ""

    def _run(self) -> None:
        self._set_state(EngineState.STARTING, "the engine is being started")
        with EngineSubprocess(self._command) as process:
            with self._change:
                self._pid = process.pid
            try:
                if self._wait_for_load(process):
                    self._use(process)
            finally:
                with self._change:
                    self._pid = None

    def _wait_for_load(self, process: EngineSubprocess) -> bool:
        """Wait until the engine has loaded its checkpoint; return False after `close`."""
        began = time.monotonic()
        progress = Progress(process.pid)
        with closing(Connection(process.socket, _CONNECT_S)) as connection:
            while not self._stopping.is_set():
                process.check_alive()
                self._check_load(process, time.monotonic() - began, progress.age_s())
                try:
                    status = request_status(connection, self._stopping.is_set, _STATUS_S)
                except EngineUnavailableError:
                    continue
                progress.note()
                _check_state(status)
                if status.info is not None:
                    return True
                self._wake.wait(TICK_S)
        return False

    def _check_load(self, process: EngineSubprocess, loading_s: float, silent_s: float) -> None:
        """Raise an error if the engine takes too long to load, or hangs meanwhile."""
        reason = ""
        if loading_s > self._start_timeout_s:
            reason = f"the engine was not ready within {self._start_timeout_s:.0f} s"
        elif silent_s > (HANG_S - _STATUS_S if is_stopped(process.pid) else _LOAD_HANG_S):
            reason = f"{_hang(process)} and does not load for {silent_s:.1f} s"
        if reason:
            reason = f"{reason}; its last output: {process.last_output()}"
            self._set_state(EngineState.RESTARTING, reason)  # the process may take a while to end
            raise EngineUnavailableError(reason)

    def _use(self, process: EngineSubprocess) -> None:
        """Serve requests with a process that is ready until `close` is called."""

        def ask(timeout_s: float) -> None:
            try:
                _check_state(client.status(timeout_s))
            except EngineTimeoutError as error:
                process.check_alive()
                raise EngineUnavailableError(f"{_hang(process)}: {error}") from error

        def check(woken: bool) -> None:
            if not self._is_used(client):
                process.wait(TICK_S)
            elif woken:
                with suppress(EngineLostError):
                    _check_state(client.status())
            process.check_alive()
            if not process.socket.exists():
                raise EngineUnavailableError(
                    f"the engine's socket {process.socket} was removed: keep clean-up jobs away from its directory"
                )
            self._heartbeat(ask)

        with EngineClient(process.socket, connect_timeout_s=1.0, request_timeout_s=self._request_timeout_s) as client:
            self._serve(client, check)


def _hang(process: EngineSubprocess) -> str:
    if is_stopped(process.pid):
        return "the engine process is stopped, as by SIGSTOP or a debugger,"
    return "the engine does not respond"


def _check_state(status: EngineStatus) -> None:
    """Raise an error if the engine has failed."""
    if status.state is State.FAILED:
        raise EngineError(status.message) if status.permanent else EngineUnavailableError(status.message)
