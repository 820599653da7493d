"""A scheduler under test, its blocking engine, and the results that it published."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import oracle
from numpy.typing import NDArray

from taihri_ros.camera.camera_info import InfoFields, Region
from taihri_ros.commands.command import joint_command
from taihri_ros.inference.engine import (
    Generation,
    GenerationAbortedError,
    GenerationRequest,
    RawAnswer,
)
from taihri_ros.pipeline.counters import Snapshot
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.frame_age import NO_LIMIT, AgeLimit
from taihri_ros.pipeline.frames import Frame, ImageError, Result
from taihri_ros.pipeline.scheduler import Scheduler
from taihri_ros.pipeline.tracker import Tracker

INFO = InfoFields(
    width=64,
    height=48,
    distortion_model="",
    d=[],
    k=[400.0, 0, 31.5, 0, 400.0, 23.5, 0, 0, 1],
    p=[0.0] * 12,
    binning_x=0,
    binning_y=0,
    roi=Region(),
)
LEFT, RIGHT, HEAD = joint_command(["left_wrist"]), joint_command(["right_wrist"]), joint_command(["head"])
TIMEOUT_S = 5.0


class BlockingOracle(oracle.Oracle):
    """An oracle that blocks until it is released or aborted, and records whether too many requests overlap."""

    def __init__(self, at_once: int = 1) -> None:
        super().__init__({name: np.array([0.0, 0.0, 1.0]) for name in ("left_wrist", "right_wrist", "head")})
        self.request_began = threading.Semaphore(0)
        self.release = threading.Semaphore(0)
        self.free = True
        self.duration_s = 0.0
        self.answer: tuple[str, ...] | None = None
        self.abortable = True
        self.overlapped = False
        self.aborts = 0
        self.request_count = 0
        self._busy = threading.Semaphore(at_once)
        self._in_flight: list[threading.Event] = []

    def generate(self, request: GenerationRequest) -> Generation:
        if not self._busy.acquire(blocking=False):
            self.overlapped = True
            raise AssertionError("too many requests at once")
        aborted = threading.Event()
        self._in_flight.append(aborted)
        try:
            self.request_count += 1
            self.request_began.release()
            self._wait(aborted, request)
            generation = super().generate(request)
        finally:
            self._in_flight.remove(aborted)
            self._busy.release()
        if self.answer is None:
            return generation
        answer = RawAnswer(tokens=self.answer, top_k=(None,) * len(self.answer), finish_reason="stop")
        return replace(generation, answers=(answer,) * len(request.questions))

    def _wait(self, aborted: threading.Event, request: GenerationRequest) -> None:
        deadline = time.monotonic() + self.duration_of(request)
        while True:
            if self.abortable and aborted.is_set():
                raise GenerationAbortedError("aborted")
            if self.free and time.monotonic() >= deadline:
                return
            if not self.free and self.release.acquire(timeout=0.002):
                return
            if self.free:
                aborted.wait(0.002)

    def duration_of(self, request: GenerationRequest) -> float:
        """Return the duration of an answer in seconds."""
        return self.duration_s

    def abort(self) -> None:
        self.aborts += 1
        for aborted in self._in_flight.copy():
            aborted.set()


class Bench:
    """A scheduler under test, its engine, and the results that it published."""

    def __init__(self, camera: bool = True, max_in_flight: int = 1, age_limit: AgeLimit = NO_LIMIT) -> None:
        self.engine = BlockingOracle(max_in_flight)
        self.results: list[Result] = []
        self.published = threading.Semaphore(0)
        self.on_prepare: Callable[[Result], None] = lambda result: None
        self.on_publish: Callable[[Result], None] = lambda result: None
        self.scheduler = Scheduler(
            Tracker(Estimator(self.engine)), self._prepare, max_in_flight=max_in_flight, age_limit=age_limit
        )
        if camera:
            self.scheduler.calibrations.add(INFO)
        self.submitted = 0

    def _prepare(self, result: Result) -> Callable[[], None]:
        self.on_prepare(result)
        return lambda: self._take(result)

    def _take(self, result: Result) -> None:
        self.on_publish(result)
        self.results.append(result)
        self.published.release()

    def submit(self, decode: Callable[[], NDArray[np.uint8]] = lambda: np.zeros((48, 64, 3), np.uint8)) -> int:
        self.submitted += 1
        self.scheduler.submit(Frame(self.submitted, "camera", lambda _: decode()))
        return self.submitted

    def hold(self) -> None:
        self.engine.free = False

    def wait_published(self) -> None:
        assert self.published.acquire(timeout=TIMEOUT_S)

    def wait_for_request(self) -> None:
        assert self.engine.request_began.acquire(timeout=TIMEOUT_S)

    def settled(self, **dropped: int) -> Snapshot:
        """Wait until no frame is pending, check the drop counts, and return the counters."""
        eventually(lambda: self.scheduler.counters.snapshot().pending == 0)
        snapshot = self.scheduler.counters.snapshot()
        assert snapshot.dropped == dropped
        assert snapshot.frames_in == self.submitted
        assert snapshot.frames_in == snapshot.published + sum(snapshot.dropped.values())
        return snapshot


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.002)


def stamps(bench: Bench) -> list[int]:
    return [result.frame.stamp_ns for result in bench.results]


def invalid_image() -> NDArray[np.uint8]:
    raise ImageError("the image is cut off")
