"""Perception: the newest frame wins, one request in flight, no old answer goes out, every frame is accounted for."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import oracle
import pytest
from numpy.typing import NDArray

from taihri_ros.camera.camera_info import CameraError, InfoFields, Region
from taihri_ros.commands.command import Command, joint_command
from taihri_ros.inference.engine import (
    EngineError,
    EngineUnavailableError,
    Generation,
    GenerationAbortedError,
    GenerationFailedError,
    GenerationRequest,
    RawAnswer,
)
from taihri_ros.keypoints import State
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.pipeline.counters import Drop, Snapshot
from taihri_ros.pipeline.drop_reasons import drop_reason
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.frames import Frame, ImageError, Result
from taihri_ros.pipeline.scheduler import LocalizeError, Scheduler
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
SOON_S = 5.0


class Wrists(oracle.Oracle):
    """Waits until it is released or told to end; notes what it is asked and whether too many requests ever overlap."""

    def __init__(self, at_once: int = 1) -> None:
        super().__init__({name: np.array([0.0, 0.0, 1.0]) for name in ("left_wrist", "right_wrist", "head")})
        self.began = threading.Semaphore(0)
        self.release = threading.Semaphore(0)
        self.free = True
        self.duration_s = 0.0
        self.answer: tuple[str, ...] | None = None
        self.heeds_abort = True
        self.overlapped = False
        self.aborts = 0
        self.begun = 0
        self._busy = threading.Semaphore(at_once)
        self._in_flight: list[threading.Event] = []

    def generate(self, request: GenerationRequest) -> Generation:
        if not self._busy.acquire(blocking=False):
            self.overlapped = True
            raise AssertionError("too many requests at once")
        aborted = threading.Event()
        self._in_flight.append(aborted)
        try:
            self.begun += 1
            self.began.release()
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
            if self.heeds_abort and aborted.is_set():
                raise GenerationAbortedError("aborted")
            if self.free and time.monotonic() >= deadline:
                return
            if not self.free and self.release.acquire(timeout=0.002):
                return
            if self.free:
                aborted.wait(0.002)

    def duration_of(self, request: GenerationRequest) -> float:
        """Give the seconds that an answer takes."""
        return self.duration_s

    def abort(self) -> None:
        self.aborts += 1
        for aborted in self._in_flight.copy():
            aborted.set()


class Bench:
    """A running loop with its engine and what it published."""

    def __init__(self, camera: bool = True, max_in_flight: int = 1) -> None:
        self.engine = Wrists(max_in_flight)
        self.results: list[Result] = []
        self.published = threading.Semaphore(0)
        self.on_publish: Callable[[Result], None] = lambda result: None
        self.scheduler = Scheduler(Tracker(Estimator(self.engine)), self._take, max_in_flight=max_in_flight)
        if camera:
            self.scheduler.set_camera(INFO)
        self.submitted = 0

    def _take(self, result: Result) -> None:
        self.on_publish(result)
        self.results.append(result)
        self.published.release()

    def submit(self, decode: Callable[[], NDArray[np.uint8]] = lambda: np.zeros((48, 64, 3), np.uint8)) -> int:
        self.submitted += 1
        self.scheduler.submit(Frame(self.submitted, "camera", decode))
        return self.submitted

    def hold(self) -> None:
        self.engine.free = False

    def wait_published(self) -> None:
        assert self.published.acquire(timeout=SOON_S)

    def wait_began(self) -> None:
        assert self.engine.began.acquire(timeout=SOON_S)

    def settled(self, **dropped: int) -> Snapshot:
        """Wait until every frame is accounted for, and check by what."""
        eventually(lambda: self.scheduler.counters.snapshot().pending == 0)
        snapshot = self.scheduler.counters.snapshot()
        assert snapshot.dropped == dropped
        assert snapshot.frames_in == self.submitted
        assert snapshot.frames_in == snapshot.published + sum(snapshot.dropped.values())
        return snapshot


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.002)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    yield bench
    bench.engine.free = True
    bench.scheduler.stop()
    assert not bench.engine.overlapped
    assert bench.scheduler.counters.snapshot().pending == 0


def stamps(bench: Bench) -> list[int]:
    return [result.frame.stamp_ns for result in bench.results]


def test_a_frame_becomes_a_result_with_its_stamp_its_pixels_and_its_times(bench: Bench) -> None:
    image = np.full((48, 64, 3), 7, np.uint8)
    bench.scheduler.submit(Frame(1234, "head_camera", lambda: image, receive_ms=2.5))
    bench.submitted += 1
    bench.wait_published()
    (result,) = bench.results
    assert (result.frame.stamp_ns, result.frame.frame_id) == (1234, "head_camera")
    assert result.image is image
    assert [(k.name, k.state) for k in result.estimate.person.keypoints] == [("left_wrist", State.MEASURED)]
    assert result.stages_ms["receive"] == 2.5
    assert {"queue", "decode", "view", "engine", "parse", "total"} <= set(result.stages_ms)
    snapshot = bench.settled()
    assert snapshot.published == 1
    assert {"publish", "total"} <= set(snapshot.stages_ms)
    assert snapshot.success_age_s is not None
    assert snapshot.success_age_s < SOON_S


def test_the_newest_frame_wins(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_began()
    for _ in range(5):
        bench.submit()
    assert bench.scheduler.counters.snapshot().pending == 2
    bench.engine.release.release(2)
    bench.wait_published()
    bench.wait_published()
    assert stamps(bench) == [1, 6]
    assert bench.engine.aborts == 0
    bench.settled(newer_frame=4)


def test_frames_that_are_faster_than_the_engine_do_not_starve_it(bench: Bench) -> None:
    bench.engine.duration_s = 0.05
    decoded: list[int] = []
    started = time.monotonic()
    while time.monotonic() - started < 0.8:
        bench.submit(lambda: decoded.append(1) or np.zeros((48, 64, 3), np.uint8))
        time.sleep(0.005)
    lasted = time.monotonic() - started
    published = len(bench.results)
    assert bench.engine.aborts == 0
    assert published >= 0.5 * lasted / 0.05, f"{published} results in {lasted:.2f} s"
    assert stamps(bench) == sorted(stamps(bench))
    eventually(lambda: bench.scheduler.counters.snapshot().pending == 0)
    assert len(decoded) == len(bench.results), "a frame was decoded that nobody used"


def test_without_a_command_frames_are_dropped_before_they_cost_anything(bench: Bench) -> None:
    bench.scheduler.set_command(None)
    bench.submit(lambda: pytest.fail("decoded"))
    bench.settled(no_command=1)
    assert bench.scheduler.command is None


@pytest.mark.parametrize("heeds_abort", [True, False])
@pytest.mark.parametrize("next_command", [RIGHT, None])
def test_an_old_command_is_never_answered(bench: Bench, heeds_abort: bool, next_command: Command | None) -> None:
    bench.engine.heeds_abort = heeds_abort
    bench.hold()
    bench.submit()
    bench.wait_began()
    bench.scheduler.set_command(next_command)
    assert bench.engine.aborts == 1
    if not heeds_abort:
        bench.engine.release.release()
    bench.settled(command_changed=1)
    assert not bench.results
    if next_command:
        bench.engine.free = True
        bench.submit()
        bench.wait_published()
        assert bench.results[0].estimate.command == next_command


def test_the_same_command_again_disturbs_nothing(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_began()
    bench.scheduler.set_command(joint_command(["left_wrist"]))
    bench.engine.release.release()
    bench.wait_published()
    assert bench.engine.aborts == 0


def test_a_frame_that_waits_is_answered_for_the_new_command(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_began()
    bench.submit()
    bench.scheduler.set_command(RIGHT)
    bench.wait_began()
    bench.engine.release.release()
    bench.wait_published()
    assert [(r.frame.stamp_ns, r.estimate.command) for r in bench.results] == [(2, RIGHT)]
    bench.settled(command_changed=1)


def test_stop_drops_a_frame_that_waits(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_began()
    bench.submit()
    bench.scheduler.set_command(None)
    bench.settled(command_changed=2)


def test_once_the_command_has_changed_no_answer_to_the_old_one_goes_out(bench: Bench) -> None:
    publishing, go_on = threading.Event(), threading.Event()

    def slow(result: Result) -> None:
        publishing.set()
        go_on.wait(SOON_S)

    bench.on_publish = slow
    bench.submit()
    assert publishing.wait(SOON_S)
    with ThreadPoolExecutor(1) as pool:
        change = pool.submit(bench.scheduler.set_command, RIGHT)
        time.sleep(0.02)
        returned_too_early = change.done()
        go_on.set()
        change.result(SOON_S)
    assert not returned_too_early
    bench.wait_published()
    bench.submit()
    bench.wait_published()
    assert [r.estimate.command for r in bench.results] == [LEFT, RIGHT]
    bench.settled()


def test_a_receiver_that_hangs_does_not_hold_up_the_camera(bench: Bench) -> None:
    publishing, go_on = threading.Event(), threading.Event()
    bench.on_publish = lambda result: (publishing.set(), go_on.wait(SOON_S))[0]
    bench.submit()
    assert publishing.wait(SOON_S)
    started = time.monotonic()
    bench.submit()
    lasted = time.monotonic() - started
    go_on.set()
    assert lasted < SOON_S / 2


def test_a_command_may_be_changed_by_the_receiver_of_a_result(bench: Bench) -> None:
    bench.on_publish = lambda result: bench.scheduler.set_command(None)
    bench.submit()
    bench.wait_published()
    bench.settled()
    assert bench.scheduler.command is None


def test_a_command_that_changes_while_the_image_is_decoded_asks_the_engine_nothing(bench: Bench) -> None:
    def decode() -> NDArray[np.uint8]:
        bench.scheduler.set_command(RIGHT)
        return np.zeros((48, 64, 3), np.uint8)

    bench.submit(decode)
    bench.settled(command_changed=1)
    assert not bench.engine.requests


def test_an_abort_is_sent_while_its_own_request_is_in_flight(bench: Bench) -> None:
    """A late abort would end the request of the new command."""
    in_flight: list[int] = []
    abort = bench.engine.abort

    def slow_abort() -> None:
        bench.engine.release.release()
        time.sleep(0.02)
        in_flight.append(bench.engine.begun)
        abort()

    bench.engine.abort = slow_abort  # type: ignore[method-assign]
    bench.engine.heeds_abort = False
    bench.hold()
    bench.submit()
    bench.wait_began()
    bench.submit()
    bench.scheduler.set_command(RIGHT)
    assert bench.engine.began.acquire(timeout=SOON_S)
    assert in_flight == [1], "the abort came after the next request had begun"
    bench.engine.release.release()
    bench.wait_published()
    bench.settled(command_changed=1)


@pytest.mark.parametrize("heeds_abort", [True, False])
def test_stop_while_in_flight(bench: Bench, heeds_abort: bool) -> None:
    bench.engine.heeds_abort = heeds_abort
    bench.hold()
    bench.submit()
    bench.wait_began()
    bench.submit()
    if not heeds_abort:
        threading.Timer(0.05, bench.engine.release.release).start()
    bench.scheduler.stop()
    bench.submit()
    bench.settled(stopped=3)
    assert not bench.results


def test_stop_ends_a_request_that_begins_just_after_its_abort(bench: Bench) -> None:
    bench.hold()
    render = bench.scheduler._tracker._estimator.full_view
    reached, go_on = threading.Event(), threading.Event()

    def slow(*arguments: object) -> object:
        reached.set()
        go_on.wait(SOON_S)
        return render(*arguments)  # type: ignore[arg-type]

    bench.scheduler._tracker._estimator.full_view = slow  # type: ignore[method-assign,assignment]
    bench.submit()
    assert reached.wait(SOON_S)
    threading.Timer(0.02, go_on.set).start()
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(bench.scheduler.stop)
        try:
            stopping.result(SOON_S)
        finally:
            bench.engine.free = True
    bench.settled(stopped=1)


def test_stop_without_start_and_twice() -> None:
    bench = Bench()
    bench.scheduler.set_command(LEFT)
    bench.submit()
    bench.scheduler.stop()
    bench.scheduler.stop()
    bench.settled(stopped=1)


def test_no_camera_info(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(camera=False)
    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    for _ in range(3):
        bench.submit()
    bench.settled(no_camera_info=3)
    bench.scheduler.stop()
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["images arrive, but no camera_info: publish it or remap the topic camera_info"]


def test_a_bad_camera_info_and_then_a_good_one(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.scheduler.set_camera(replace(INFO, k=[0.0] * 9))
    bench.submit()
    bench.settled(bad_camera_info=1)
    eventually(lambda: "not calibrated" in caplog.text)
    bench.scheduler.set_camera(replace(INFO, width=640, height=480))
    bench.submit()
    bench.settled(bad_camera_info=2)
    bench.scheduler.set_camera(INFO)
    bench.submit()
    bench.wait_published()
    bench.settled(bad_camera_info=2)


def test_a_bad_camera_info_does_not_collect_tracebacks(bench: Bench) -> None:
    bench.scheduler.set_camera(replace(INFO, k=[0.0] * 9))
    kept = bench.scheduler._camera
    assert isinstance(kept, CameraError)
    depth = _depth(kept)
    for count in range(20):
        bench.submit()
        bench.settled(bad_camera_info=count + 1)
    assert _depth(kept) == depth


def _depth(error: BaseException) -> int:
    trace, depth = error.__traceback__, 0
    while trace is not None:
        trace, depth = trace.tb_next, depth + 1
    return depth


def _bad_image() -> NDArray[np.uint8]:
    raise ImageError("the image is cut off")


def test_a_bad_image(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.submit(_bad_image)
    bench.settled(bad_image=1)
    eventually(lambda: "the image is cut off" in caplog.text)
    bench.submit(lambda: np.zeros((48, 64), np.uint8))  # type: ignore[return-value]
    bench.settled(bad_image=1, bad_camera_info=1)
    bench.submit()
    bench.wait_published()


def test_an_engine_that_is_away_and_comes_back(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.engine.failure = EngineUnavailableError("the engine is starting")
    bench.submit()
    bench.settled(engine_unavailable=1)
    eventually(lambda: "the engine is starting" in caplog.text)
    bench.engine.failure = GenerationFailedError("out of memory")
    bench.submit()
    bench.settled(engine_unavailable=1, engine_error=1)
    bench.engine.failure = None
    bench.submit()
    bench.wait_published()
    bench.settled(engine_unavailable=1, engine_error=1)


def test_an_internal_error_is_logged_in_full_and_survived(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.engine.failure = ZeroDivisionError("a bug")
    bench.submit()
    bench.settled(internal_error=1)
    eventually(lambda: "ZeroDivisionError: a bug" in caplog.text)
    bench.engine.failure = None
    bench.submit()
    bench.wait_published()


def test_a_malformed_answer_is_dropped_and_its_raw_text_is_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.engine.answer = ("<|kpt2d_start|>", "<|left_wrist|>", "<5>", "\n", "sorry")
    bench.submit()
    bench.settled(malformed_answer=1)
    eventually(lambda: repr("<|kpt2d_start|><|left_wrist|><5>\nsorry") in caplog.text)
    assert not bench.results


def test_a_receiver_that_fails_is_counted_and_the_loop_goes_on(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def fail(result: Result) -> None:
        raise RuntimeError("no disk")

    bench.on_publish = fail
    bench.submit()
    bench.settled(not_published=1)
    assert "no disk" in caplog.text, "it is said before it is counted"
    bench.on_publish = lambda result: None
    bench.submit()
    bench.wait_published()
    assert bench.settled(not_published=1).published == 1


def test_a_query_is_answered_once_and_the_running_command_goes_on(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_began()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, SOON_S)
        eventually(lambda: bench.scheduler._query is not None)
        bench.submit()
        bench.engine.release.release()
        bench.wait_published()
        bench.wait_began()
        bench.submit()
        bench.engine.release.release(2)
        result = answer.result(SOON_S)
    bench.wait_published()
    assert (result.frame.stamp_ns, result.estimate.command) == (2, HEAD)
    assert [(r.frame.stamp_ns, r.estimate.command) for r in bench.results] == [(1, LEFT), (3, LEFT)]
    assert bench.settled().published == 3
    assert bench.engine.aborts == 0


def test_a_query_is_answered_by_one_frame_and_counted_once(bench: Bench) -> None:
    bench.scheduler.set_command(None)
    bench.engine.duration_s = 0.001
    ended = threading.Event()

    def camera() -> None:
        while not ended.wait(0.0005):
            bench.submit()

    thread = threading.Thread(target=camera)
    thread.start()
    answers = [bench.scheduler.localize(HEAD, SOON_S) for _ in range(60)]
    ended.set()
    thread.join()
    eventually(lambda: bench.scheduler.counters.snapshot().pending == 0)
    assert bench.scheduler.counters.snapshot().published == len(answers) == len(bench.engine.requests)
    assert len({answer.frame.stamp_ns for answer in answers}) == len(answers)


def test_a_query_without_a_running_command(bench: Bench) -> None:
    bench.scheduler.set_command(None)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, SOON_S)
        eventually(lambda: bench.scheduler._query is not None)
        bench.submit()
        assert answer.result(SOON_S).estimate.command == HEAD
    bench.submit()
    bench.settled(no_command=1)
    assert not bench.results


def test_a_query_without_images_times_out(bench: Bench) -> None:
    with pytest.raises(LocalizeError, match=r"within 0\.05 s: check that images and camera_info arrive"):
        bench.scheduler.localize(HEAD, 0.05)
    bench.submit()
    bench.wait_published()


@pytest.mark.parametrize("heeds_abort", [True, False])
def test_a_query_that_times_out_in_flight_is_dropped_not_published(bench: Bench, heeds_abort: bool) -> None:
    bench.engine.heeds_abort = heeds_abort
    bench.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, 0.1)
        eventually(lambda: bench.scheduler._query is not None)
        bench.submit()
        bench.wait_began()
        with pytest.raises(LocalizeError, match="no image was answered"):
            answer.result(SOON_S)
    assert bench.engine.aborts == 1
    bench.engine.release.release()
    assert bench.settled(localize_timeout=1).published == 0
    bench.engine.free = True
    bench.submit()
    bench.wait_published()
    assert bench.results[0].estimate.command == LEFT


def test_an_old_query_does_not_answer_the_next_one(bench: Bench) -> None:
    bench.engine.heeds_abort = False
    bench.hold()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(bench.scheduler.localize, HEAD, 0.05)
        eventually(lambda: bench.scheduler._query is not None)
        bench.submit()
        bench.wait_began()
        with pytest.raises(LocalizeError):
            first.result(SOON_S)
        second = pool.submit(bench.scheduler.localize, RIGHT, SOON_S)
        eventually(lambda: bench.scheduler._query is not None)
        bench.submit()
        bench.engine.release.release(2)
        assert second.result(SOON_S).estimate.command == RIGHT
    assert bench.settled(localize_timeout=1).published == 1


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan"), float("inf"), 1e30])
def test_a_timeout_must_be_one(bench: Bench, timeout_s: float) -> None:
    with pytest.raises(LocalizeError, match="positive number of seconds"):
        bench.scheduler.localize(HEAD, timeout_s)
    assert bench.scheduler._query is None


def test_a_query_that_fails_says_why_and_the_running_command_goes_on(bench: Bench) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, SOON_S)
        eventually(lambda: bench.scheduler._query is not None)
        bench.submit(_bad_image)
        with pytest.raises(LocalizeError, match="the image is cut off"):
            answer.result(SOON_S)
    bench.submit()
    bench.wait_published()
    bench.settled(bad_image=1)


def test_two_queries_at_once(bench: Bench) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, SOON_S)
        eventually(lambda: bench.scheduler._query is not None)
        with pytest.raises(LocalizeError, match="another localize call is being answered"):
            bench.scheduler.localize(RIGHT, SOON_S)
        bench.submit()
        assert answer.result(SOON_S).estimate.command == HEAD
    bench.settled()


def test_a_change_of_the_command_leaves_the_request_of_a_query_alone(bench: Bench) -> None:
    bench.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, SOON_S)
        eventually(lambda: bench.scheduler._query is not None)
        bench.submit()
        bench.wait_began()
        bench.scheduler.set_command(RIGHT)
        assert bench.engine.aborts == 0
        bench.engine.release.release()
        assert answer.result(SOON_S).estimate.command == HEAD
    bench.settled()


def test_a_change_of_the_command_ends_its_request_though_a_query_waits(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_began()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, SOON_S)
        eventually(lambda: bench.scheduler._query is not None)
        bench.scheduler.set_command(RIGHT)
        assert bench.engine.aborts == 1
        bench.engine.free = True
        bench.submit()
        assert answer.result(SOON_S).estimate.command == HEAD
    bench.settled(command_changed=1)


def test_a_query_ends_when_the_loop_stops(bench: Bench) -> None:
    bench.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, SOON_S)
        eventually(lambda: bench.scheduler._query is not None)
        bench.submit()
        bench.wait_began()
        bench.scheduler.stop()
        with pytest.raises(LocalizeError):
            answer.result(SOON_S)
    bench.settled(stopped=1)
    with pytest.raises(LocalizeError, match="not active"):
        bench.scheduler.localize(HEAD, SOON_S)


@pytest.fixture
def two() -> Iterator[Bench]:
    """Give a loop that answers two frames at once."""
    bench = Bench(max_in_flight=2)
    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    yield bench
    bench.engine.free = True
    bench.scheduler.stop()
    assert not bench.engine.overlapped
    assert bench.scheduler.counters.snapshot().pending == 0


def test_two_frames_are_answered_at_once_and_no_more(two: Bench) -> None:
    two.hold()
    for _ in range(2):
        two.submit()
        two.wait_began()
    two.submit()
    two.submit()
    assert not two.engine.began.acquire(timeout=0.05)
    two.engine.release.release(3)
    for _ in range(3):
        two.wait_published()
    assert stamps(two) == [1, 2, 4]
    two.settled(newer_frame=1)


def test_results_come_in_the_order_of_the_frames(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    durations = iter([0.2, 0.0] * 3)
    monkeypatch.setattr(two.engine, "duration_of", lambda request: next(durations))
    for _ in range(3):
        for _ in range(2):
            two.submit()
            two.wait_began()
        for _ in range(2):
            two.wait_published()
    assert stamps(two) == [1, 2, 3, 4, 5, 6]


def test_an_error_of_an_earlier_frame_does_not_hold_up_the_later_one(two: Bench) -> None:
    two.hold()
    taken, go_on = threading.Event(), threading.Event()

    def bad_in_the_end() -> NDArray[np.uint8]:
        taken.set()
        go_on.wait(SOON_S)
        return _bad_image()

    two.submit(bad_in_the_end)
    assert taken.wait(SOON_S)
    two.submit()
    two.wait_began()
    two.engine.release.release()
    assert not two.published.acquire(timeout=0.05), "the later one waits for the earlier"
    go_on.set()
    two.wait_published()
    assert stamps(two) == [2]
    two.settled(bad_image=1)


def test_a_change_of_the_command_ends_both(two: Bench) -> None:
    two.hold()
    for _ in range(2):
        two.submit()
        two.wait_began()
    two.scheduler.set_command(RIGHT)
    two.settled(command_changed=2)


def test_a_query_is_answered_by_one_of_two_frames(two: Bench) -> None:
    two.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(two.scheduler.localize, HEAD, SOON_S)
        eventually(lambda: two.scheduler._query is not None)
        for _ in range(2):
            two.submit()
            two.wait_began()
        two.engine.release.release(2)
        assert answer.result(SOON_S).estimate.command == HEAD
    two.wait_published()
    assert stamps(two) == [2]
    assert two.settled().published == 2


def test_a_query_whose_request_was_ended_for_another_frame_is_asked_again(two: Bench) -> None:
    two.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(two.scheduler.localize, HEAD, SOON_S)
        eventually(lambda: two.scheduler._query is not None)
        for _ in range(2):
            two.submit()
            two.wait_began()
        two.scheduler.set_command(RIGHT)
        eventually(lambda: two.scheduler.counters.snapshot().pending == 0)
        two.submit()
        two.wait_began()
        two.engine.release.release()
        assert answer.result(SOON_S).estimate.command == HEAD
    two.settled(command_changed=2)


@pytest.mark.parametrize("max_in_flight", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_every_frame_is_accounted_for_under_stress(seed: int, max_in_flight: int) -> None:
    bench = Bench(max_in_flight=max_in_flight)
    bench.engine.duration_s = 0.003
    failures = [None, None, None, EngineUnavailableError("away"), GenerationFailedError("failed")]
    ended = threading.Event()
    localized: list[Result] = []
    wrong: list[str] = []

    def check(result: Result) -> None:
        if random.random() < 0.1:
            raise RuntimeError("publisher")

    def commander() -> None:
        choice = random.Random(seed + 1)
        while not ended.wait(choice.random() * 0.006):
            bench.scheduler.set_command(choice.choice([LEFT, RIGHT, HEAD, None]))
            bench.engine.failure = choice.choice(failures)

    def planner() -> None:
        choice = random.Random(seed + 2)
        while not ended.wait(choice.random() * 0.01):
            try:
                localized.append(
                    bench.scheduler.localize(joint_command(["head", "left_wrist"]), 0.001 + choice.random() / 50)
                )
            except LocalizeError:
                continue

    def observer() -> None:
        last = 0
        while not ended.is_set():
            snapshot = bench.scheduler.counters.snapshot()
            if not 0 <= snapshot.pending <= 2 + max_in_flight or snapshot.frames_in < last:
                wrong.append(f"pending {snapshot.pending}")
            last = snapshot.frames_in
            time.sleep(0.0005)

    bench.on_publish = check
    threads = [threading.Thread(target=work) for work in (commander, planner, planner, observer)]
    bench.scheduler.start()
    for thread in threads:
        thread.start()
    choice = random.Random(seed)
    for count in range(250):
        bench.submit(*([_bad_image] if choice.random() < 0.1 else []))
        time.sleep(choice.random() * 0.003)
        if count == 220:
            bench.scheduler.stop()
    ended.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not bench.engine.overlapped
    snapshot = bench.settled(**bench.scheduler.counters.snapshot().dropped)
    assert snapshot.pending == 0
    assert snapshot.published == len(bench.results) + len(localized)
    assert "internal_error" not in snapshot.dropped
    assert {r.estimate.command for r in localized} <= {joint_command(["head", "left_wrist"])}
    assert stamps(bench) == sorted(stamps(bench))
    assert len({r.frame.stamp_ns for r in bench.results} | {r.frame.stamp_ns for r in localized}) == snapshot.published


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImageError("x"), Drop.BAD_IMAGE),
        (CameraError("x"), Drop.BAD_CAMERA_INFO),
        (GenerationAbortedError("x"), Drop.COMMAND_CHANGED),
        (EngineUnavailableError("x"), Drop.ENGINE_UNAVAILABLE),
        (EngineError("x"), Drop.ENGINE_ERROR),
        (MalformedAnswerError("x", "raw"), Drop.MALFORMED_ANSWER),
        (KeyError("x"), Drop.INTERNAL_ERROR),
    ],
)
def test_every_error_has_its_reason(error: Exception, reason: Drop) -> None:
    assert drop_reason(error) is reason


@pytest.fixture(autouse=True)
def _levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="taihri_ros.pipeline.scheduler")
