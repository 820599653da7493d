"""Images that are older than the limit are dropped."""

from __future__ import annotations

import pytest
from scheduler_bench import LEFT, Bench, stamps

from taihri_ros.pipeline.frame_age import NO_LIMIT, AgeLimit, StaleFrameError

SECOND = 1_000_000_000


def test_an_image_is_stale_beyond_the_limit() -> None:
    limit = AgeLimit(0.5, lambda: 100 * SECOND)
    for stamp in (100 * SECOND, 99 * SECOND + SECOND // 2, 101 * SECOND):
        limit.check(stamp)
    with pytest.raises(StaleFrameError, match=r"the image is 2 s old, but max_frame_age_s is 0\.5: compare the clocks"):
        limit.check(98 * SECOND)
    with pytest.raises(StaleFrameError, match="is 102 s old"):
        limit.check(-2 * SECOND)


@pytest.mark.handles("Frames and stamps", "image without a stamp, with max_frame_age_s set", "dropped: unknown age")
def test_an_image_without_a_stamp_is_stale_because_its_age_is_unknown() -> None:
    with pytest.raises(StaleFrameError, match="the image has no stamp"):
        AgeLimit(0.5, lambda: SECOND // 10).check(0)


def test_a_simulated_clock_that_has_not_started_makes_no_image_stale() -> None:
    AgeLimit(0.5, lambda: 0).check(100 * SECOND)


@pytest.mark.parametrize("stamp", [0, 1, -5 * SECOND])
def test_without_a_limit_no_image_is_stale(stamp: int) -> None:
    NO_LIMIT.check(stamp)


@pytest.mark.handles("Frames and stamps", "image older than max_frame_age_s", "dropped before it is decoded")
def test_a_stale_frame_is_counted_and_does_not_replace_a_fresh_one(caplog: pytest.LogCaptureFixture) -> None:
    now = [1]
    bench = Bench(age_limit=AgeLimit(1.0, lambda: now[0]))
    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    bench.submit()
    now[0] = 2 * SECOND
    bench.submit(lambda: pytest.fail("decoded"))
    assert bench.scheduler.counters.snapshot().dropped == {"stale_frame": 1}
    now[0] = 1
    bench.engine.free = True
    bench.wait_published()
    bench.wait_published()
    assert stamps(bench) == [1, 2]
    bench.settled(stale_frame=1)
    bench.scheduler.stop()
    assert caplog.text.count("max_frame_age_s is 1") == 1


def test_a_frame_that_becomes_stale_while_it_waits_is_not_decoded() -> None:
    now = [1]
    bench = Bench(age_limit=AgeLimit(1.0, lambda: now[0]))
    bench.scheduler.set_command(LEFT)
    bench.scheduler.start()
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    bench.submit(lambda: pytest.fail("decoded"))
    now[0] = 2 * SECOND
    bench.engine.free = True
    bench.wait_published()
    bench.settled(stale_frame=1)
    bench.scheduler.stop()
