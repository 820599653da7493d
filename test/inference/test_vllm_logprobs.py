"""Rows as vLLM's sampler makes them: the chosen token first, then the likeliest ones in their order."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.inference.engine import TopK
from taihri_ros.inference.top_k import TopKTable
from taihri_ros.inference.vllm.logprobs import Row, read_rows, row_of
from taihri_ros.model.quantization import BINS

FIRST = 5000


def row(chosen: int, *likeliest: tuple[int, float]) -> Row:
    """A row; `chosen` is the bin, or whatever the token's id is beyond that of bin 0."""
    known = dict(likeliest)
    bins = [chosen, *known]
    logprobs = [known.get(chosen, -50.0), *known.values()]
    return np.array(bins, np.int32) + FIRST, np.array(logprobs, np.float32)


def read(*rows: Row | None, count: int) -> list[TopK | None]:
    """Read the rows of one answer."""
    (found,) = read_rows([rows], FIRST, count)
    return list(found)


def test_the_alternatives_stand_in_their_order() -> None:
    rows = [row(7, (7, -0.5), (8, -1.5), (6, -2.0)), row(0, (0, -0.25), (999, -3.0), (998, -4.0))]
    assert read(*rows, count=3) == [
        TopK((7, 8, 6), (-0.5, -1.5, -2.0)),
        TopK((0, 999, 998), (-0.25, -3.0, -4.0)),
    ]


def test_more_than_was_asked_for_is_left_out() -> None:
    assert read(row(7, (7, -0.5), (8, -1.5), (6, -2.0)), count=2) == [TopK((7, 8), (-0.5, -1.5))]


def test_rows_of_batches_of_different_width_are_read_together() -> None:
    wide, narrow = row(7, (7, -0.5), (8, -1.5), (6, -2.0)), row(3, (3, -0.5), (4, -1.5))
    assert [found and found.bins for found in read(wide, narrow, count=2)] == [(7, 8), (3, 4)]


def test_every_answer_gets_its_own_tokens() -> None:
    one, other = row(7, (7, -0.5), (8, -1.5)), row(3, (3, -0.5), (4, -1.5))
    answers = read_rows([(None, one, None), (), (other, None)], FIRST, 2)
    assert [[found and found.bins for found in answer] for answer in answers] == [
        [None, (7, 8), None],
        [],
        [(3, 4), None],
    ]
    assert all(isinstance(answer, TopKTable) for answer in answers)


def test_answers_without_coordinates_have_no_alternatives() -> None:
    assert [tuple(found) for found in read_rows([(None, None), (None,)], FIRST, 20)] == [(None, None), (None,)]


def test_a_chosen_token_that_is_not_the_likeliest_one_is_told_too() -> None:
    usual, odd = row(7, (7, -0.5), (8, -1.5)), row(5, (7, -0.5), (8, -1.5))
    assert read(None, odd, usual, count=2) == [
        None,
        TopK((7, 8, 5), (-0.5, -1.5, -50.0)),
        TopK((7, 8), (-0.5, -1.5)),
    ]


def test_a_chosen_token_that_shares_the_first_place_stands_among_the_others_once() -> None:
    assert read(row(8, (7, -0.5), (8, -0.5)), count=2) == [TopK((7, 8), (-0.5, -0.5))]
    (answer,) = read_rows(
        [[row(8, (9, -0.5), (8, -0.5), (7, -0.7)), row(3, (3, -0.1), (4, -2.0), (5, -3.0))]], FIRST, 3
    )
    assert isinstance(answer, TopKTable)
    assert [*answer] == [
        TopK((8, 9, 7), (-0.5, -0.5, -np.float32(0.7))),
        TopK((3, 4, 5), (-np.float32(0.1), -2.0, -3.0)),
    ]


@pytest.mark.parametrize("other", [-1, BINS, -FIRST])
def test_tokens_that_are_no_coordinates_are_left_out(other: int) -> None:
    assert read(row(7, (7, -0.5), (other, -0.75), (8, -1.5)), count=3) == [TopK((7, 8), (-0.5, -1.5))]


def test_what_the_grammar_forbids_may_have_no_probability() -> None:
    assert read(row(7, (7, 0.0), (8, -math.inf)), count=2) == [TopK((7, 8), (0.0, -math.inf))]


@given(st.lists(st.lists(st.integers(0, BINS - 1), min_size=20, max_size=20, unique=True), max_size=8))
def test_every_row_is_read_as_if_it_were_alone(bins: list[list[int]]) -> None:
    rows = [row(listed[0], *((index, -0.5 * place) for place, index in enumerate(listed))) for listed in bins]
    together = read(*rows, count=20)
    assert together == [found for one in rows for found in read(one, count=20)]
    assert [found and found.bins for found in together] == [tuple(listed) for listed in bins]


def test_a_step_without_alternatives_has_no_rows() -> None:
    assert row_of(SimpleNamespace(new_logprobs=None), 0) is None
