"""Base class of the engines that answer in their own process: checks of requests, and abort."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Event
from typing import ClassVar

import numpy as np

from taihri_ros.inference.engine import (
    Engine,
    EngineInfo,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
)
from taihri_ros.skeleton import JOINTS

MAX_TOP_K = 20
"""Maximum number of log-probabilities for each coordinate."""

MAX_QUESTIONS = len(JOINTS)
"""Maximum number of questions in a request."""


class InProcessEngine(Engine, ABC):
    """Base class that validates requests and can abort the requests in flight.

    Attributes:
        PACKAGES: The packages that the engine needs.
    """

    PACKAGES: ClassVar[tuple[str, ...]]

    def __init__(self, info: EngineInfo) -> None:
        """Initialise the part that is common to all engines.

        Args:
            info: Description of the engine.
        """
        self._info = info
        self._changed = Condition()
        self._in_flight: list[Event] = []
        self._closed = False

    @classmethod
    @abstractmethod
    def find(cls, model: str) -> Path:
        """Return the directory of a checkpoint on this machine.

        Args:
            model: A directory, or a name that the engine knows.

        Returns:
            The directory.

        Raises:
            CheckpointError: There is no such directory.
        """

    @classmethod
    @abstractmethod
    def prepare(cls) -> None:
        """Set the environment variables that the framework reads on import, unless they are set already."""

    @classmethod
    @abstractmethod
    def check(cls, checkpoint: Path) -> None:
        """Check that the engine can load a checkpoint, without loading it.

        Args:
            checkpoint: The checkpoint's directory.

        Raises:
            CheckpointError: The checkpoint is incomplete, or not one of this engine.
            EngineError: A package cannot be imported.
        """

    @property
    def info(self) -> EngineInfo:
        """Description of this engine."""
        return self._info

    def generate(self, request: GenerationRequest, aborted: Event | None = None) -> Generation:
        """Answer one request; block until all its answers are complete.

        Args:
            request: The request.
            aborted: Event that aborts this request, and no other, once another thread sets it.

        Returns:
            The answers.

        Raises:
            EngineUnavailableError: The engine is closed or has failed.
            GenerationAbortedError: `abort` was called while the request was in flight, or `aborted` was set.
            GenerationFailedError: The request is invalid or failed; the engine remains usable.
        """
        started = time.perf_counter()
        aborted = aborted or Event()
        with self._in_flight_entry(aborted):
            self._check_request(request)
            generation = self._answer(request, started, aborted)
        if aborted.is_set():
            raise GenerationAbortedError("the request was aborted")
        return generation

    def abort(self) -> None:
        """Abort all requests in flight as soon as possible; return immediately."""
        with self._changed:
            for aborted in self._in_flight:
                aborted.set()

    def close(self) -> None:
        """Shut the engine down and release its resources; repeated calls do nothing."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
        self.abort()
        with self._changed:
            self._changed.wait_for(lambda: not self._in_flight)
        self._release()

    @abstractmethod
    def _answer(self, request: GenerationRequest, started: float, aborted: Event) -> Generation:
        """Answer a valid request that began at `started` (`time.perf_counter`); ignored once `aborted` is set."""

    @abstractmethod
    def _release(self) -> None:
        """Free the model's memory."""

    @contextmanager
    def _in_flight_entry(self, aborted: Event) -> Iterator[None]:
        with self._changed:
            if self._closed:
                raise EngineUnavailableError("the engine is closed: open a new one")
            self._in_flight.append(aborted)
        try:
            yield
        finally:
            with self._changed:
                self._in_flight.remove(aborted)
                self._changed.notify_all()

    def _check_request(self, request: GenerationRequest) -> None:
        image, spec, multiple = request.image, self._info.spec, self._info.spec.image_multiple
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            found = f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
            raise GenerationFailedError(f"the image must be (height, width, 3) uint8 RGB, not {found}")
        height, width, _ = image.shape
        if height % multiple or width % multiple or not spec.min_pixels <= height * width <= spec.max_pixels:
            raise GenerationFailedError(
                f"the image has {width}x{height} px, but the model needs multiples of {multiple} px and "
                f"{spec.min_pixels} to {spec.max_pixels} px in total: use a canonical view of this checkpoint"
            )
        if not 1 <= len(request.questions) <= MAX_QUESTIONS:
            raise GenerationFailedError(
                f"the request has {len(request.questions)} questions: it must have 1 to {MAX_QUESTIONS}"
            )
        if not 0 <= request.top_k <= MAX_TOP_K or request.max_tokens < 1:
            raise GenerationFailedError(
                f"the request has top_k {request.top_k} and max_tokens {request.max_tokens}: "
                f"top_k must be 0 to {MAX_TOP_K}, and max_tokens at least 1"
            )
        if not (np.isfinite(request.repetition_penalty) and request.repetition_penalty > 0):
            raise GenerationFailedError(
                f"the repetition penalty must be a positive number, not {request.repetition_penalty}"
            )
