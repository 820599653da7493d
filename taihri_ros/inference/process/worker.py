"""The engine of an engine process: loaded on its own thread, then called on the threads of the connections."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine import (
    Engine,
    EngineError,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
)
from taihri_ros.inference.passing_faults import may_pass
from taihri_ros.inference.process.protocol import (
    MAX_IN_FLIGHT,
    EngineStatus,
    Message,
    State,
    encode_error,
    encode_generation,
)

_logger = logging.getLogger(__name__)

_MAX_CRASHES = 3
"""Number of consecutive unexpected errors after which the engine counts as failed; GPU errors are permanent."""

_ABORTS_KEPT = 64
"""Number of aborts that are stored for later requests: an abort may arrive on its connection before its request."""


class AbortableEngine(Engine, Protocol):
    """An engine that can abort each request separately, such as `LocalEngine`."""

    def generate(self, request: GenerationRequest, aborted: Event | None = None) -> Generation:
        """Answer one request, as `Engine.generate` does, and end early when `aborted` is set."""


@dataclass(eq=False)
class Job:
    """A request of one peer.

    Attributes:
        id: Number of the request, chosen by the peer.
        request: The request.
        aborted: Set to abort the request.
    """

    id: int
    request: GenerationRequest
    aborted: Event = field(default_factory=Event)


class EngineWorker:
    """An engine with its state and its counters. Any thread may call any method; all but `answer` return quickly."""

    def __init__(self, factory: Callable[[], AbortableEngine]) -> None:
        """Start to load the engine.

        Args:
            factory: Function that loads the engine and sends it the warm-up request; called on a thread of the worker.
        """
        self._factory = factory
        self._change = threading.Condition()
        self._state = State.LOADING
        self._message = "loading the engine"
        self._permanent = False
        self._engine: AbortableEngine | None = None
        self._current: list[Job] = []
        self._waiting: deque[Job] = deque()
        self._early_aborts: deque[int] = deque(maxlen=_ABORTS_KEPT)
        self._stopping = False
        self._last_success: float | None = None
        self._crashes = 0
        self._counts = {"completed": 0, "failed": 0, "aborted": 0, "refused": 0}
        self._loader = threading.Thread(target=self._load, name="engine loader", daemon=True)
        self._loader.start()

    def status(self) -> EngineStatus:
        """Return the status of the engine."""
        with self._change:
            busy = self._state is State.READY and bool(self._current)
            return EngineStatus(
                state=State.BUSY if busy else self._state,
                message=self._message,
                permanent=self._permanent,
                last_success_age_s=None if self._last_success is None else time.monotonic() - self._last_success,
                **self._counts,
                pid=os.getpid(),
                info=None if self._engine is None else self._engine.info,
            )

    def answer(self, job: Job) -> Message:
        """Answer a job on the caller's thread, after the jobs that already wait.

        Args:
            job: The job.

        Returns:
            The message with the answer or with the error.
        """
        try:
            engine = self._begin(job)
        except EngineUnavailableError as error:
            return encode_error(error, job.id)
        except GenerationAbortedError as error:
            return self._count_error(job, error, "aborted")
        try:
            return self._generate(engine, job)
        finally:
            with self._change:
                self._current.remove(job)
                self._change.notify_all()

    def abort(self, job: Job) -> None:
        """Abort a job, which may be in flight or waiting; a waiting job leaves its place to the next one."""
        with self._change:
            job.aborted.set()
            self._change.notify_all()

    def abort_id(self, identifier: int) -> None:
        """Abort the job with this number, which may be in flight, waiting, or not received yet."""
        with self._change:
            jobs = [job for job in (*self._current, *self._waiting) if job.id == identifier]
            for job in jobs:
                self.abort(job)
            if not jobs:
                self._early_aborts.append(identifier)

    def stop(self, timeout_s: float) -> bool:
        """Abort the jobs in flight and close the engine.

        Args:
            timeout_s: Longest time to wait, in s.

        Returns:
            Whether the engine was closed in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._change:
            self._stopping = True
            for job in self._current:
                job.aborted.set()
            self._change.notify_all()
        self._loader.join(timeout_s)
        with self._change:
            idle = self._change.wait_for(lambda: not self._current, max(deadline - time.monotonic(), 0.0))
        if self._loader.is_alive() or not idle:
            return False
        if self._engine is not None:
            self._engine.close()
        return True

    def _begin(self, job: Job) -> AbortableEngine:
        """Wait until the engine can take the job.

        Raises:
            EngineUnavailableError: The engine is not ready, or another job waits already.
            GenerationAbortedError: The job was aborted while it waited.
        """
        with self._change:
            self._check_ready()
            if len(self._current) + len(self._waiting) > MAX_IN_FLIGHT:
                self._counts["refused"] += 1
                raise EngineUnavailableError("the engine is busy and another request waits already: try again later")
            if job.id in self._early_aborts:
                job.aborted.set()
            self._waiting.append(job)
            self._change.wait_for(
                lambda: (
                    self._state is not State.READY
                    or self._stopping
                    or job.aborted.is_set()
                    or (self._waiting[0] is job and len(self._current) < MAX_IN_FLIGHT)
                )
            )
            self._waiting.remove(job)
            self._change.notify_all()
            self._check_ready()
            if job.aborted.is_set():
                raise GenerationAbortedError("the request was aborted before it started")
            self._current.append(job)
            assert self._engine is not None
            return self._engine

    def _check_ready(self) -> None:
        if self._stopping:
            raise EngineUnavailableError("the engine is shutting down")
        if self._state is not State.READY:
            raise EngineUnavailableError(f"the engine is {self._state.value}: {self._message}")

    def _load(self) -> None:
        try:
            engine = self._factory()
        except Exception as error:
            expected = isinstance(error, TaihriError)
            permanent = expected and not isinstance(error, EngineUnavailableError) and not may_pass(error)
            _logger.error("the engine cannot be loaded: %s", error, exc_info=not expected)
            message = str(error) if expected else f"{type(error).__name__}: {error}"
            self._set_failed(" ".join(message.split()), permanent=permanent)
            return
        with self._change:
            self._engine = engine
            self._state, self._message = State.READY, ""
            self._last_success = time.monotonic()
        _logger.info(
            "ready: %s %s, %s on %s", engine.info.kind, engine.info.version, engine.info.model, engine.info.device
        )

    def _generate(self, engine: AbortableEngine, job: Job) -> Message:
        """Answer one job; every error becomes a message."""
        try:
            generation = engine.generate(job.request, job.aborted)
        except GenerationAbortedError as error:
            return self._count_error(job, error, "aborted")
        except EngineUnavailableError as error:
            self._set_failed(str(error))
            return self._count_error(job, error, "failed")
        except TaihriError as error:
            return self._count_error(job, GenerationFailedError(str(error)), "failed")
        except Exception as error:
            _logger.exception("unexpected error in the engine")
            with self._change:
                self._crashes += 1
                has_failed = self._crashes >= _MAX_CRASHES
            if has_failed:
                self._set_failed(f"the engine has failed: {type(error).__name__}: {error}")
            return self._count_error(job, GenerationFailedError(f"{type(error).__name__}: {error}"), "failed")
        with self._change:
            self._crashes = 0
            self._counts["completed"] += 1
            self._last_success = time.monotonic()
        return encode_generation(generation, job.id)

    def _count_error(self, job: Job, error: EngineError, count: str) -> Message:
        """Count the error of a job, and return the message that reports it."""
        with self._change:
            self._counts[count] += 1
        return encode_error(error, job.id)

    def _set_failed(self, message: str, *, permanent: bool = False) -> None:
        with self._change:
            self._state, self._message, self._permanent = State.FAILED, message, permanent
            self._change.notify_all()
