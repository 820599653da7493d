"""The threads of the engine process that own the engine: one loads it, and each answers one request after the other."""

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

from taihri_ros.engine.interface import (
    Engine,
    EngineError,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
)
from taihri_ros.engine.protocol import AT_ONCE, EngineStatus, Message, State, encode_error, encode_generation
from taihri_ros.errors import TaihriError

_logger = logging.getLogger(__name__)

_MAX_CRASHES = 3
"""After so many unexpected errors in a row an engine is taken for broken; those of a GPU never go away."""


class AbortableEngine(Engine, Protocol):
    """An engine of which each request can be ended by itself; `LocalEngine` is one."""

    def generate(self, request: GenerationRequest, aborted: Event | None = None) -> Generation:
        """Answer one request, as `Engine.generate`; it ends early where someone sets `aborted`."""


@dataclass
class Job:
    """A request of one peer.

    Attributes:
        peer: The peer's address.
        id: The peer's number for it.
        request: The request.
        aborted: Set when it is to be ended.
    """

    peer: bytes
    id: int
    request: GenerationRequest
    aborted: Event = field(default_factory=Event)


class EngineWorker:
    """An engine on threads of its own; every method may be called at any time and returns at once."""

    def __init__(self, opener: Callable[[], AbortableEngine], answer: Callable[[bytes, Message], None]) -> None:
        """Start loading.

        Args:
            opener: Loads the engine, canary included; called on the worker's thread.
            answer: Takes the peer and the answer of every job, on the worker's thread; it must not raise.
        """
        self._opener = opener
        self._answer = answer
        self._change = threading.Condition()
        self._state = State.LOADING
        self._message = "loading the engine"
        self._permanent = False
        self._engine: AbortableEngine | None = None
        self._current: list[Job] = []
        self._waiting: deque[Job] = deque()
        self._stopping = False
        self._last_success: float | None = None
        self._crashes = 0
        self._counts = {"completed": 0, "failed": 0, "aborted": 0, "refused": 0}
        self._threads = [threading.Thread(target=self._run, name="engine", daemon=True)]
        self._threads[0].start()

    def status(self) -> EngineStatus:
        """Tell what the engine is doing."""
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

    def submit(self, job: Job) -> None:
        """Take a job; one may wait for those that are under way.

        Raises:
            EngineUnavailableError: The engine is not ready, or a job waits already.
        """
        with self._change:
            if self._state is not State.READY:
                raise EngineUnavailableError(f"the engine is {self._state.value}: {self._message}")
            if len(self._current) + len(self._waiting) > AT_ONCE:
                self._counts["refused"] += 1
                raise EngineUnavailableError("the engine is busy, and another request waits already: ask again later")
            self._waiting.append(job)
            self._change.notify_all()

    def abort(self, identifier: int) -> None:
        """End the job with this number, under way or waiting; an unknown number is one that has just ended."""
        with self._change:
            for job in (*self._current, *self._waiting):
                if job.id == identifier:
                    job.aborted.set()

    def stop(self, timeout_s: float) -> bool:
        """End the jobs under way and close the engine.

        Args:
            timeout_s: How long to wait for that.

        Returns:
            Whether it has ended by then.
        """
        deadline = time.monotonic() + timeout_s
        with self._change:
            self._stopping = True
            for job in self._current:
                job.aborted.set()
            self._change.notify_all()
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        engine = self._load()
        if engine is None:
            return
        others = [
            threading.Thread(target=self._serve, args=[engine], name=f"engine {number}", daemon=True)
            for number in range(1, AT_ONCE)
        ]
        self._threads += others
        for thread in others:
            thread.start()
        self._serve(engine)
        for thread in others:
            thread.join()
        engine.close()

    def _serve(self, engine: AbortableEngine) -> None:
        while (job := self._next()) is not None:
            message = self._generate(engine, job)
            with self._change:
                self._current.remove(job)
            self._answer(job.peer, message)

    def _load(self) -> AbortableEngine | None:
        try:
            engine = self._opener()
        except Exception as error:
            expected = isinstance(error, TaihriError)
            permanent = expected and not isinstance(error, EngineUnavailableError)
            _logger.error("the engine cannot be loaded: %s", error, exc_info=not expected)
            self._fail(str(error) if expected else f"{type(error).__name__}: {error}", permanent=permanent)
            return None
        with self._change:
            self._engine = engine
            self._state, self._message = State.READY, ""
            self._last_success = time.monotonic()
        _logger.info(
            "ready: %s %s, %s on %s", engine.info.kind, engine.info.version, engine.info.model, engine.info.device
        )
        return engine

    def _next(self) -> Job | None:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._stopping or self._state is State.FAILED)
            if self._stopping or self._state is State.FAILED:
                return None
            self._current.append(self._waiting.popleft())
            return self._current[-1]

    def _generate(self, engine: AbortableEngine, job: Job) -> Message:
        """Answer one job, whatever happens."""
        try:
            if job.aborted.is_set():
                raise GenerationAbortedError("the request was aborted before it was begun")
            generation = engine.generate(job.request, job.aborted)
        except GenerationAbortedError as error:
            return self._failed(job, error, "aborted")
        except EngineUnavailableError as error:
            self._fail(str(error))
            return self._failed(job, error, "failed")
        except TaihriError as error:
            return self._failed(job, GenerationFailedError(str(error)), "failed")
        except Exception as error:
            _logger.exception("unexpected error in the engine")
            with self._change:
                self._crashes += 1
                broken = self._crashes >= _MAX_CRASHES
            if broken:
                self._fail(f"the engine is broken: {type(error).__name__}: {error}")
            return self._failed(job, GenerationFailedError(f"{type(error).__name__}: {error}"), "failed")
        with self._change:
            self._crashes = 0
            self._counts["completed"] += 1
            self._last_success = time.monotonic()
        return encode_generation(generation, job.id)

    def _failed(self, job: Job, error: EngineError, count: str) -> Message:
        with self._change:
            self._counts[count] += 1
        return encode_error(error, job.id)

    def _fail(self, message: str, *, permanent: bool = False) -> None:
        with self._change:
            self._state, self._message, self._permanent = State.FAILED, message, permanent
            self._change.notify_all()
