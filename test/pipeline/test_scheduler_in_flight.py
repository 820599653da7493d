"""The scheduler with two frames in flight."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from scheduler_bench import HEAD, RIGHT, TIMEOUT_S, Bench, eventually, invalid_image, stamps


def test_at_most_two_frames_are_in_flight(two_in_flight: Bench) -> None:
    two_in_flight.hold()
    for _ in range(2):
        two_in_flight.submit()
        two_in_flight.wait_for_request()
    two_in_flight.submit()
    two_in_flight.submit()
    assert not two_in_flight.engine.request_began.acquire(timeout=0.05)
    two_in_flight.engine.release.release(3)
    for _ in range(3):
        two_in_flight.wait_published()
    assert stamps(two_in_flight) == [1, 2, 4]
    two_in_flight.settled(newer_frame=1)


def test_results_are_published_in_the_order_of_the_frames(
    two_in_flight: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    durations = iter([0.2, 0.0] * 3)
    monkeypatch.setattr(two_in_flight.engine, "duration_of", lambda request: next(durations))
    for _ in range(3):
        for _ in range(2):
            two_in_flight.submit()
            two_in_flight.wait_for_request()
        for _ in range(2):
            two_in_flight.wait_published()
    assert stamps(two_in_flight) == [1, 2, 3, 4, 5, 6]


def test_a_later_frame_is_published_after_an_earlier_one_fails(two_in_flight: Bench) -> None:
    two_in_flight.hold()
    taken, proceed = threading.Event(), threading.Event()

    def fails_late() -> NDArray[np.uint8]:
        taken.set()
        proceed.wait(TIMEOUT_S)
        return invalid_image()

    two_in_flight.submit(fails_late)
    assert taken.wait(TIMEOUT_S)
    two_in_flight.submit()
    two_in_flight.wait_for_request()
    two_in_flight.engine.release.release()
    assert not two_in_flight.published.acquire(timeout=0.05), "the later frame must wait for the earlier one"
    proceed.set()
    two_in_flight.wait_published()
    assert stamps(two_in_flight) == [2]
    two_in_flight.settled(bad_image=1)


def test_a_command_change_aborts_both_frames(two_in_flight: Bench) -> None:
    two_in_flight.hold()
    for _ in range(2):
        two_in_flight.submit()
        two_in_flight.wait_for_request()
    two_in_flight.scheduler.set_command(RIGHT)
    two_in_flight.settled(command_changed=2)


def test_a_query_is_answered_by_one_of_two_frames(two_in_flight: Bench) -> None:
    two_in_flight.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(two_in_flight.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: two_in_flight.scheduler._query is not None)
        for _ in range(2):
            two_in_flight.submit()
            two_in_flight.wait_for_request()
        two_in_flight.engine.release.release(2)
        assert answer.result(TIMEOUT_S).estimate.command == HEAD
    two_in_flight.wait_published()
    assert stamps(two_in_flight) == [2]
    assert two_in_flight.settled().published == 2


def test_a_query_aborted_with_another_frame_is_retried(two_in_flight: Bench) -> None:
    two_in_flight.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(two_in_flight.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: two_in_flight.scheduler._query is not None)
        for _ in range(2):
            two_in_flight.submit()
            two_in_flight.wait_for_request()
        two_in_flight.scheduler.set_command(RIGHT)
        eventually(lambda: two_in_flight.scheduler.counters.snapshot().pending == 0)
        two_in_flight.submit()
        two_in_flight.wait_for_request()
        two_in_flight.engine.release.release()
        assert answer.result(TIMEOUT_S).estimate.command == HEAD
    two_in_flight.settled(command_changed=2)
