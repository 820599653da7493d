"""The scheduler with two frames in flight."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from scheduler_bench import HEAD, RIGHT, TIMEOUT_S, Bench, eventually, invalid_image, stamps

from taihri_ros.pipeline.scheduler import LocalizeError


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
        eventually(lambda: two_in_flight.scheduler._queries)
        for _ in range(2):
            two_in_flight.submit()
            two_in_flight.wait_for_request()
        two_in_flight.engine.release.release(2)
        assert answer.result(TIMEOUT_S).estimate.command == HEAD
    two_in_flight.wait_published()
    assert stamps(two_in_flight) == [2]
    assert two_in_flight.settled().published == 2


def test_a_command_change_leaves_a_query_in_flight_with_the_old_command(two_in_flight: Bench) -> None:
    two_in_flight.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(two_in_flight.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: two_in_flight.scheduler._queries)
        for _ in range(2):
            two_in_flight.submit()
            two_in_flight.wait_for_request()
        two_in_flight.scheduler.set_command(RIGHT)
        assert two_in_flight.engine.aborts == 0, "an abort would end the query, too"
        two_in_flight.engine.release.release(2)
        assert answer.result(TIMEOUT_S).estimate.command == HEAD
    two_in_flight.settled(command_changed=1)
    assert not two_in_flight.results


def test_a_query_that_times_out_leaves_the_frame_of_the_running_command(two_in_flight: Bench) -> None:
    two_in_flight.hold()
    two_in_flight.submit()
    two_in_flight.wait_for_request()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(two_in_flight.scheduler.localize, HEAD, 0.1)
        eventually(lambda: two_in_flight.scheduler._queries)
        two_in_flight.submit()
        two_in_flight.wait_for_request()
        with pytest.raises(LocalizeError, match="no image was answered"):
            answer.result(TIMEOUT_S)
    assert two_in_flight.engine.aborts == 0, "an abort would end the frame of the running command, too"
    two_in_flight.engine.release.release(2)
    two_in_flight.wait_published()
    assert stamps(two_in_flight) == [1]
    two_in_flight.settled(localize_timeout=1)


def test_the_frames_in_flight_are_aborted_when_the_last_one_becomes_unwanted(two_in_flight: Bench) -> None:
    two_in_flight.hold()
    two_in_flight.submit()
    two_in_flight.wait_for_request()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(two_in_flight.scheduler.localize, HEAD, 0.1)
        eventually(lambda: two_in_flight.scheduler._queries)
        two_in_flight.submit()
        two_in_flight.wait_for_request()
        two_in_flight.scheduler.set_command(RIGHT)
        with pytest.raises(LocalizeError):
            answer.result(TIMEOUT_S)
    assert two_in_flight.engine.aborts == 1
    two_in_flight.settled(command_changed=1, localize_timeout=1)
