"""Images that were lost are counted by the gaps between the stamps of the others."""

from __future__ import annotations

import random

import pytest

from taihri_ros.pipeline.stamp_gaps import StampGaps


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.3, 0.5])
def test_lost_images_are_counted(share: float) -> None:
    draw, gaps, lost, noted = random.Random(4), StampGaps(), 0, 0
    for number in range(3000):
        if noted > 10 and draw.random() < share:
            lost += 1
            continue
        gaps.note(10**18 + number * 33_333_333 + draw.randint(-1_000_000, 1_000_000))
        noted += 1
    assert gaps.missing == pytest.approx(lost, abs=1 + 0.05 * lost)


def test_pauses_and_clocks_that_jump_are_no_loss() -> None:
    gaps = StampGaps()
    for start in (10**18, 10**18 + 10**10, 10**17, 10**18):
        for number in range(20):
            gaps.note(start + number * 10**8)
    for _ in range(10):
        gaps.note(10**18)
    assert gaps.missing == 0


def test_nothing_is_counted_of_a_camera_without_a_period() -> None:
    draw, gaps, stamp = random.Random(4), StampGaps(), 10**18
    for _ in range(1000):
        stamp += draw.choice((2_000_000, 9_000_000, 23_000_000, 47_000_000, 71_000_000))
        gaps.note(stamp)
    assert gaps.missing < 20
