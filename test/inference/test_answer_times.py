"""What counts as hung: never less than 2 s, and twice what is usual for the same kind of request."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support import make_request

from taihri_ros.inference.answer_times import HANG_S, AnswerTimes, kind_of


def times(*durations: float) -> AnswerTimes:
    known = AnswerTimes()
    for duration in durations:
        known.add("kind", duration)
    return known


def test_nothing_is_usual_before_twenty_answers() -> None:
    assert times(*[0.1] * 19).usual_s("kind") is None
    assert times(*[0.1] * 19).limit_s("kind", 30.0) == 30.0
    assert times(*[0.1] * 20).usual_s("kind") == pytest.approx(0.1)
    assert times(*[0.1] * 20).usual_s("another kind") is None


@pytest.mark.parametrize(("usual", "limit"), [(0.1, HANG_S), (1.0, HANG_S), (4.0, 8.0)])
def test_the_limit_is_the_larger_of_two_seconds_and_twice_the_usual_time(usual: float, limit: float) -> None:
    assert times(*[usual] * 20).limit_s("kind", 30.0) == pytest.approx(limit)


def test_old_times_and_old_kinds_are_forgotten() -> None:
    known = times(*[9.0] * 20)
    for _ in range(200):
        known.add("kind", 0.1)
    assert known.usual_s("kind") == pytest.approx(0.1)
    for number in range(100):
        known.add(number, 0.1)
    assert known.usual_s("kind") is None


def test_requests_are_of_a_kind_if_they_ask_the_same_of_images_of_about_the_same_size() -> None:
    request = make_request("hello")
    assert kind_of(request) == kind_of(replace(request, image=np.ones((40, 64, 3), np.uint8)))
    assert kind_of(request) != kind_of(replace(request, image=np.ones((320, 640, 3), np.uint8)))
    assert kind_of(request) != kind_of(make_request("hello", "hello"))
    assert kind_of(request) != kind_of(replace(request, max_tokens=1))
