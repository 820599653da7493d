"""Fixtures: running schedulers, and the log level of their warnings."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from scheduler_bench import LEFT, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A running scheduler with one frame in flight."""
    bench = Bench()
    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    yield bench
    bench.engine.free = True
    bench.scheduler.stop()
    assert not bench.engine.overlapped
    assert bench.scheduler.counters.snapshot().pending == 0


@pytest.fixture
def two_in_flight() -> Iterator[Bench]:
    """A running scheduler with two frames in flight."""
    bench = Bench(max_in_flight=2)
    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    yield bench
    bench.engine.free = True
    bench.scheduler.stop()
    assert not bench.engine.overlapped
    assert bench.scheduler.counters.snapshot().pending == 0


@pytest.fixture(autouse=True)
def _levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="taihri_ros.pipeline.scheduler")
