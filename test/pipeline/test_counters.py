"""Counters count every frame once, summarize the stage times of the last 300 results, and are thread-safe."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from taihri_ros.pipeline.counters import Counters, Drop


def test_counters_start_at_zero() -> None:
    snapshot = Counters().snapshot()
    assert (snapshot.frames_in, snapshot.published, snapshot.dropped, snapshot.pending) == (0, 0, {}, 0)
    assert (snapshot.stages_ms, snapshot.success_age_s) == ({}, None)


def test_frames_neither_published_nor_dropped_are_pending() -> None:
    counters = Counters()
    for _ in range(7):
        counters.count_received()
    counters.count_dropped(Drop.NEWER_FRAME)
    counters.count_dropped(Drop.NEWER_FRAME)
    counters.count_dropped(Drop.BAD_IMAGE)
    counters.count_published({"engine": 4.0})
    snapshot = counters.snapshot()
    assert snapshot.dropped == {"newer_frame": 2, "bad_image": 1}
    assert (snapshot.frames_in, snapshot.published, snapshot.pending) == (7, 1, 3)
    assert snapshot.success_age_s is not None
    assert 0.0 <= snapshot.success_age_s < 5.0


def test_stage_times_cover_the_last_300_results() -> None:
    counters = Counters()
    for duration in range(1000):
        counters.count_published({"engine": float(duration)} | ({"view": 1.0} if duration == 999 else {}))
    median, p95 = counters.snapshot().stages_ms["engine"]
    assert median == pytest.approx(849.5)
    assert p95 == pytest.approx(700 + 0.95 * 299)
    assert counters.snapshot().stages_ms["view"] == (1.0, 1.0)


def test_counts_from_several_threads_are_not_lost() -> None:
    counters = Counters()

    def count() -> None:
        for _ in range(2000):
            counters.count_received()
            counters.count_dropped(Drop.NO_COMMAND)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(count) for _ in range(4)]:
            future.result()
    assert counters.snapshot().frames_in == 8000
    assert counters.snapshot().dropped == {"no_command": 8000}
