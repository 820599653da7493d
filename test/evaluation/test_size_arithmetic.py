"""Counts of operations and bytes, against the sizes that are published and against formulas of other shape."""

from __future__ import annotations

import pytest

from taihri_ros.evaluation.benchmark.size_arithmetic import DEVICES, PASSES, Counts, Device, count, rows
from taihri_ros.inference.checkpoint.random_checkpoint import SHAPES

PARAMETERS = {"2b": 1_720_574_976, "4b": 4_022_468_096}
"""Parameters of Qwen3-1.7B and Qwen3-4B, whose language models these are, with their norms."""


@pytest.mark.parametrize("shape", PARAMETERS)
def test_a_pass_reads_the_language_model_once_and_little_more(shape: str) -> None:
    counts = count(SHAPES[shape], visual_tokens=0, joints=0)
    assert counts.pass_bytes == pytest.approx(2 * PARAMETERS[shape], rel=2e-4)


def test_a_longer_view_costs_operations_and_hardly_any_bytes() -> None:
    small, large = (count(SHAPES["2b"], tokens, 2) for tokens in (100, 1000))
    assert 7.0 < large.prefill_operations / small.prefill_operations < 12.0
    assert 1.0 < large.pass_bytes / small.pass_bytes < 1.05
    assert large.pass_operations == small.pass_operations


def test_the_longer_of_arithmetic_and_reading_limits_each_part() -> None:
    counts = Counts(prefill_operations=4e12, prefill_bytes=1e9, pass_bytes=1e9, pass_operations=1e9)
    assert counts.least_ms(Device(bandwidth=1e12, operations=1e15)) == pytest.approx((4.0, 1.0))
    assert counts.least_ms(Device(bandwidth=1e11, operations=1e15)) == pytest.approx((10.0, 10.0))


def test_every_device_has_a_time_for_every_view_and_faster_ones_a_shorter() -> None:
    table = list(rows(["2b", "4b"], 2))
    assert len(table) == 8
    names = list(DEVICES)
    for _, _, times in table:
        totals = [total for _, _, total in times]
        assert len(totals) == len(names)
        assert totals[names.index("H100 SXM")] == min(totals)
        assert all(total == pytest.approx(prefill + PASSES * later) for prefill, later, total in times)
