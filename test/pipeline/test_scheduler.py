"""The scheduler processes the newest frame, drops results of an old command, and counts every frame."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scheduler_bench import HEAD, INFO, LEFT, RIGHT, TIMEOUT_S, Bench, eventually, invalid_image, stamps

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.inference.engine import (
    EngineUnavailableError,
    GenerationFailedError,
)
from taihri_ros.keypoints import State
from taihri_ros.pipeline.frame_age import AgeLimit
from taihri_ros.pipeline.frames import Frame, Result
from taihri_ros.pipeline.scheduler import LocalizeError


def test_a_result_has_the_stamp_image_and_stage_times_of_its_frame(bench: Bench) -> None:
    image = np.full((48, 64, 3), 7, np.uint8)
    bench.scheduler.submit(Frame(1234, "head_camera", lambda _: image, receive_ms=2.5))
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
    assert snapshot.success_age_s < TIMEOUT_S


def test_a_newer_frame_replaces_the_waiting_frame(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    for _ in range(5):
        bench.submit()
    assert bench.scheduler.counters.snapshot().pending == 2
    bench.engine.release.release(2)
    bench.wait_published()
    bench.wait_published()
    assert stamps(bench) == [1, 6]
    assert bench.engine.aborts == 0
    bench.settled(newer_frame=4)


def test_frames_faster_than_the_engine_do_not_prevent_results(bench: Bench) -> None:
    bench.engine.duration_s = 0.05
    decoded: list[int] = []
    started = time.monotonic()
    while time.monotonic() - started < 0.8:
        bench.submit(lambda: decoded.append(1) or np.zeros((48, 64, 3), np.uint8))
        time.sleep(0.005)
    elapsed = time.monotonic() - started
    published = len(bench.results)
    assert bench.engine.aborts == 0
    assert published >= 0.5 * elapsed / 0.05, f"{published} results in {elapsed:.2f} s"
    assert stamps(bench) == sorted(stamps(bench))
    eventually(lambda: bench.scheduler.counters.snapshot().pending == 0)
    assert len(decoded) == len(bench.results), "a dropped frame was decoded"


def test_frames_without_a_command_are_dropped_undecoded(bench: Bench) -> None:
    bench.scheduler.set_command(None)
    bench.submit(lambda: pytest.fail("decoded"))
    bench.settled(no_command=1)
    assert bench.scheduler.command is None


@pytest.mark.parametrize("abortable", [True, False])
@pytest.mark.parametrize("next_command", [RIGHT, None])
def test_the_result_of_an_old_command_is_dropped(bench: Bench, abortable: bool, next_command: Command | None) -> None:
    bench.engine.abortable = abortable
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    bench.scheduler.set_command(next_command)
    assert bench.engine.aborts == 1
    if not abortable:
        bench.engine.release.release()
    bench.settled(command_changed=1)
    assert not bench.results
    if next_command:
        bench.engine.free = True
        bench.submit()
        bench.wait_published()
        assert bench.results[0].estimate.command == next_command


def test_setting_the_same_command_again_aborts_nothing(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    bench.scheduler.set_command(joint_command(["left_wrist"]))
    bench.engine.release.release()
    bench.wait_published()
    assert bench.engine.aborts == 0


def test_a_waiting_frame_is_answered_for_the_new_command(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    bench.submit()
    bench.scheduler.set_command(RIGHT)
    bench.wait_for_request()
    bench.engine.release.release()
    bench.wait_published()
    assert [(r.frame.stamp_ns, r.estimate.command) for r in bench.results] == [(2, RIGHT)]
    bench.settled(command_changed=1)


def test_clearing_the_command_drops_the_waiting_frame(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    bench.submit()
    bench.scheduler.set_command(None)
    bench.settled(command_changed=2)


def test_set_command_waits_for_a_result_that_is_being_published(bench: Bench) -> None:
    publishing, proceed = threading.Event(), threading.Event()

    def slow(result: Result) -> None:
        publishing.set()
        proceed.wait(TIMEOUT_S)

    bench.on_publish = slow
    bench.submit()
    assert publishing.wait(TIMEOUT_S)
    with ThreadPoolExecutor(1) as pool:
        change = pool.submit(bench.scheduler.set_command, RIGHT)
        time.sleep(0.02)
        returned_too_early = change.done()
        proceed.set()
        change.result(TIMEOUT_S)
    assert not returned_too_early
    bench.wait_published()
    bench.submit()
    bench.wait_published()
    assert [r.estimate.command for r in bench.results] == [LEFT, RIGHT]
    bench.settled()


@pytest.mark.parametrize("next_command", [RIGHT, None])
def test_a_command_is_set_while_the_messages_wait_for_tf(bench: Bench, next_command: Command | None) -> None:
    waiting, tf_arrives = threading.Event(), threading.Event()

    def wait_for_tf(result: Result) -> None:
        waiting.set()
        assert tf_arrives.wait(TIMEOUT_S), "set_command blocked the thread that delivers TF"

    bench.on_prepare = wait_for_tf
    bench.submit()
    assert waiting.wait(TIMEOUT_S)
    bench.scheduler.set_command(next_command)
    tf_arrives.set()
    bench.settled(command_changed=1)
    assert not bench.results, "the old command was answered after it had been replaced"


def test_a_result_that_nobody_wants_any_more_is_not_counted_as_unpublished(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def no_tf(result: Result) -> None:
        bench.scheduler.set_command(None)
        raise RuntimeError("TF has no transform")

    bench.on_prepare = no_tf
    bench.submit()
    bench.settled(command_changed=1)
    assert "TF has no transform" not in caplog.text


def test_a_blocked_publisher_does_not_block_submit(bench: Bench) -> None:
    publishing, proceed = threading.Event(), threading.Event()
    bench.on_publish = lambda result: (publishing.set(), proceed.wait(TIMEOUT_S))[0]
    bench.submit()
    assert publishing.wait(TIMEOUT_S)
    started = time.monotonic()
    bench.submit()
    elapsed = time.monotonic() - started
    proceed.set()
    assert elapsed < TIMEOUT_S / 2


def test_the_command_may_be_changed_while_publishing(bench: Bench) -> None:
    bench.on_publish = lambda result: bench.scheduler.set_command(None)
    bench.submit()
    bench.wait_published()
    bench.settled()
    assert bench.scheduler.command is None


def test_a_command_change_while_decoding_the_image_sends_no_request(bench: Bench) -> None:
    def decode() -> NDArray[np.uint8]:
        bench.scheduler.set_command(RIGHT)
        return np.zeros((48, 64, 3), np.uint8)

    bench.submit(decode)
    bench.settled(command_changed=1)
    assert not bench.engine.requests


def test_a_command_change_aborts_only_its_own_request(bench: Bench) -> None:
    """The abort must precede the next request, or it aborts the request of the new command."""
    in_flight: list[int] = []
    abort = bench.engine.abort

    def slow_abort() -> None:
        bench.engine.release.release()
        time.sleep(0.02)
        in_flight.append(bench.engine.request_count)
        abort()

    bench.engine.abort = slow_abort  # type: ignore[method-assign]
    bench.engine.abortable = False
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    bench.submit()
    bench.scheduler.set_command(RIGHT)
    assert bench.engine.request_began.acquire(timeout=TIMEOUT_S)
    assert in_flight == [1], "the abort came after the next request had begun"
    bench.engine.release.release()
    bench.wait_published()
    bench.settled(command_changed=1)


@pytest.mark.parametrize("abortable", [True, False])
def test_stop_aborts_a_request_in_flight(bench: Bench, abortable: bool) -> None:
    bench.engine.abortable = abortable
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    bench.submit()
    if not abortable:
        threading.Timer(0.05, bench.engine.release.release).start()
    bench.scheduler.stop()
    bench.submit()
    bench.settled(stopped=3)
    assert not bench.results


def test_stop_aborts_a_request_that_begins_just_after_the_abort(bench: Bench) -> None:
    bench.hold()
    render = bench.scheduler._tracker._estimator.full_view
    reached, proceed = threading.Event(), threading.Event()

    def slow(*arguments: object) -> object:
        reached.set()
        proceed.wait(TIMEOUT_S)
        return render(*arguments)  # type: ignore[arg-type]

    bench.scheduler._tracker._estimator.full_view = slow  # type: ignore[method-assign,assignment]
    bench.submit()
    assert reached.wait(TIMEOUT_S)
    threading.Timer(0.02, proceed.set).start()
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(bench.scheduler.stop)
        try:
            stopping.result(TIMEOUT_S)
        finally:
            bench.engine.free = True
    bench.settled(stopped=1)


def test_stop_works_without_start_and_twice() -> None:
    bench = Bench()
    bench.scheduler.set_command(LEFT)
    bench.submit()
    bench.scheduler.stop()
    bench.scheduler.stop()
    bench.settled(stopped=1)


@pytest.mark.parametrize("max_in_flight", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_every_frame_is_counted_once_under_stress(seed: int, max_in_flight: int) -> None:
    bench = Bench(max_in_flight=max_in_flight, age_limit=AgeLimit(100e-9, lambda: 125))
    bench.engine.duration_s = 0.003
    failures = [None, None, None, EngineUnavailableError("unavailable"), GenerationFailedError("failed")]
    ended = threading.Event()
    localized: list[Result] = []
    wrong: list[str] = []

    def check(result: Result) -> None:
        if random.random() < 0.1:
            raise RuntimeError("publisher")

    def wait_for_tf(result: Result) -> None:
        time.sleep(random.random() * 0.003)
        if random.random() < 0.1:
            raise RuntimeError("TF has no transform")

    def driver() -> None:
        rng = random.Random(seed + 3)
        while not ended.wait(rng.random() * 0.01):
            info = rng.choice([INFO, INFO, INFO, replace(INFO, width=640), replace(INFO, k=[0.0] * 9)])
            bench.scheduler.calibrations.add(info, bench.submitted, rng.choice(["camera", "camera", "other"]))

    def commander() -> None:
        rng = random.Random(seed + 1)
        while not ended.wait(rng.random() * 0.006):
            bench.scheduler.set_command(rng.choice([LEFT, RIGHT, HEAD, None]))
            bench.engine.failure = rng.choice(failures)

    def planner() -> None:
        rng = random.Random(seed + 2)
        while not ended.wait(rng.random() * 0.01):
            try:
                localized.append(
                    bench.scheduler.localize(joint_command(["head", "left_wrist"]), 0.001 + rng.random() / 50)
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

    bench.on_prepare, bench.on_publish = wait_for_tf, check
    threads = [threading.Thread(target=target) for target in (commander, driver, planner, planner, observer)]
    bench.scheduler.start()
    for thread in threads:
        thread.start()
    rng = random.Random(seed)
    for count in range(250):
        bench.submit(*([invalid_image] if rng.random() < 0.1 else []))
        time.sleep(rng.random() * 0.003)
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
