"""The scheduler with two frames in flight."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from scheduler_bench import HEAD, RIGHT, SOON_S, Bench, eventually, invalid_image, stamps


def test_at_most_two_frames_are_in_flight(two: Bench) -> None:
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


def test_results_are_published_in_the_order_of_the_frames(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    durations = iter([0.2, 0.0] * 3)
    monkeypatch.setattr(two.engine, "duration_of", lambda request: next(durations))
    for _ in range(3):
        for _ in range(2):
            two.submit()
            two.wait_began()
        for _ in range(2):
            two.wait_published()
    assert stamps(two) == [1, 2, 3, 4, 5, 6]


def test_a_later_frame_is_published_after_an_earlier_one_fails(two: Bench) -> None:
    two.hold()
    taken, go_on = threading.Event(), threading.Event()

    def fails_late() -> NDArray[np.uint8]:
        taken.set()
        go_on.wait(SOON_S)
        return invalid_image()

    two.submit(fails_late)
    assert taken.wait(SOON_S)
    two.submit()
    two.wait_began()
    two.engine.release.release()
    assert not two.published.acquire(timeout=0.05), "the later frame must wait for the earlier one"
    go_on.set()
    two.wait_published()
    assert stamps(two) == [2]
    two.settled(bad_image=1)


def test_a_command_change_aborts_both_frames(two: Bench) -> None:
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


def test_a_query_aborted_with_another_frame_is_retried(two: Bench) -> None:
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
