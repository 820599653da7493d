"""Tests with rows in the format of vLLM's sampler: the sampled token first, then the most likely tokens in order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.inference.coordinate_ids import CoordinateIds
from taihri_ros.inference.engine import TopK
from taihri_ros.inference.top_k import TopKTable
from taihri_ros.inference.vllm.logprobs import LogprobRow, top_k_of_rows
from taihri_ros.model.quantization import ABSENT, BINS

FIRST = 5000
COORDINATES = CoordinateIds(range(FIRST, FIRST + BINS))


def row(sampled: int, *likeliest: tuple[int, float]) -> LogprobRow:
    """Return a row; bins are token ids relative to that of bin 0."""
    known = dict(likeliest)
    bins = [sampled, *known]
    logprobs = [known.get(sampled, -50.0), *known.values()]
    return np.array(bins, np.int32) + FIRST, np.array(logprobs, np.float32)


def top_k(*rows: LogprobRow | None, count: int) -> list[TopK | None]:
    """Convert the rows of one answer."""
    (found,) = top_k_of_rows([rows], COORDINATES, count)
    return list(found)


def test_entries_are_sorted_by_probability() -> None:
    rows = [row(7, (7, -0.5), (8, -1.5), (6, -2.0)), row(0, (0, -0.25), (999, -3.0), (998, -4.0))]
    assert top_k(*rows, count=3) == [
        TopK((7, 8, 6), (-0.5, -1.5, -2.0)),
        TopK((0, 999, 998), (-0.25, -3.0, -4.0)),
    ]


def test_entries_beyond_the_requested_number_are_dropped() -> None:
    assert top_k(row(7, (7, -0.5), (8, -1.5), (6, -2.0)), count=2) == [TopK((7, 8), (-0.5, -1.5))]


def test_rows_of_different_length_are_converted_together() -> None:
    wide, narrow = row(7, (7, -0.5), (8, -1.5), (6, -2.0)), row(3, (3, -0.5), (4, -1.5))
    assert [found and found.bins for found in top_k(wide, narrow, count=2)] == [(7, 8), (3, 4)]


def test_every_answer_gets_its_own_rows() -> None:
    one, other = row(7, (7, -0.5), (8, -1.5)), row(3, (3, -0.5), (4, -1.5))
    answers = top_k_of_rows([(None, one, None), (), (other, None)], COORDINATES, 2)
    assert [[found and found.bins for found in answer] for answer in answers] == [
        [None, (7, 8), None],
        [],
        [(3, 4), None],
    ]
    assert all(isinstance(answer, TopKTable) for answer in answers)


def test_answers_without_coordinates_have_no_top_k_entries() -> None:
    found = top_k_of_rows([(None, None), (None,)], COORDINATES, 20)
    assert [tuple(answer) for answer in found] == [(None, None), (None,)]


def test_a_sampled_token_that_is_not_among_the_most_likely_is_added() -> None:
    regular, irregular = row(7, (7, -0.5), (8, -1.5)), row(5, (7, -0.5), (8, -1.5))
    assert top_k(None, irregular, regular, count=2) == [
        None,
        TopK((7, 8, 5), (-0.5, -1.5, -50.0)),
        TopK((7, 8), (-0.5, -1.5)),
    ]


def test_a_sampled_token_with_tied_probability_appears_once() -> None:
    assert top_k(row(8, (7, -0.5), (8, -0.5)), count=2) == [TopK((7, 8), (-0.5, -0.5))]
    (answer,) = top_k_of_rows(
        [[row(8, (9, -0.5), (8, -0.5), (7, -0.7)), row(3, (3, -0.1), (4, -2.0), (5, -3.0))]], COORDINATES, 3
    )
    assert isinstance(answer, TopKTable)
    assert [*answer] == [
        TopK((8, 9, 7), (-0.5, -0.5, -np.float32(0.7))),
        TopK((3, 4, 5), (-np.float32(0.1), -2.0, -3.0)),
    ]


@pytest.mark.parametrize("other", [-1, BINS, -FIRST])
def test_tokens_other_than_coordinates_are_left_out(other: int) -> None:
    assert top_k(row(7, (7, -0.5), (other, -0.75), (8, -1.5)), count=3) == [TopK((7, 8), (-0.5, -1.5))]


def test_absent_is_an_entry_where_it_is_a_coordinate_token() -> None:
    rows = [row(7, (7, -0.5), (ABSENT, -1.0)), row(ABSENT, (ABSENT, -0.1), (999, -3.0))]
    (found,) = top_k_of_rows([rows], CoordinateIds(range(FIRST, FIRST + BINS + 1)), 2)
    assert [*found] == [
        TopK((7, ABSENT), (-0.5, -1.0)),
        TopK((ABSENT, 999), (-np.float32(0.1), -3.0)),
    ]
    assert top_k(rows[0], count=2) == [TopK((7,), (-0.5,))]


def test_forbidden_tokens_may_have_probability_zero() -> None:
    assert top_k(row(7, (7, 0.0), (8, -math.inf)), count=2) == [TopK((7, 8), (0.0, -math.inf))]


@given(st.lists(st.lists(st.integers(0, BINS - 1), min_size=20, max_size=20, unique=True), max_size=8))
def test_rows_are_converted_independently(bins: list[list[int]]) -> None:
    rows = [row(listed[0], *((index, -0.5 * place) for place, index in enumerate(listed))) for listed in bins]
    together = top_k(*rows, count=20)
    assert together == [found for one in rows for found in top_k(one, count=20)]
    assert [found and found.bins for found in together] == [tuple(listed) for listed in bins]
