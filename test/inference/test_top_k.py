"""Tests of top-k entries as a table and as a sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.inference.engine import TopK
from taihri_ros.inference.top_k import (
    TopKTable,
    as_arrays,
    concatenate,
    counts_of,
    find_fault,
    find_unsorted,
    flatten,
    row_indices,
    unflatten,
)
from taihri_ros.model.quantization import BINS


def entries(count: int) -> st.SearchStrategy[TopK]:
    """Top-k entries with `count` bins."""
    bins = st.lists(st.integers(0, BINS - 1), min_size=count, max_size=count).map(tuple)
    logprobs = st.lists(st.floats(-50.0, 0.0) | st.just(-math.inf), min_size=count, max_size=count).map(tuple)
    return st.builds(TopK, bins, logprobs)


any_lengths = st.lists(st.none() | st.integers(0, 4).flatmap(entries), max_size=8).map(tuple)
equal_lengths = st.integers(1, 5).flatmap(lambda count: st.lists(st.none() | entries(count), max_size=8).map(tuple))


def table(plain: Sequence[TopK | None]) -> TopKTable:
    (found,) = unflatten([counts_of(plain)], *flatten(plain))
    assert isinstance(found, TopKTable)
    return found


@given(st.lists(any_lengths | equal_lengths, max_size=4))
def test_unflatten_inverts_flatten(answers: list[tuple[TopK | None, ...]]) -> None:
    counts = [counts_of(answer) for answer in answers]
    assert unflatten(counts, *flatten(concatenate(answers))) == answers


@given(equal_lengths, equal_lengths)
def test_a_table_behaves_like_the_equivalent_tuple(
    plain: tuple[TopK | None, ...], other: tuple[TopK | None, ...]
) -> None:
    if set(plain) <= {None}:
        return
    found = table(plain)
    assert (len(found), tuple(found), repr(found)) == (len(plain), plain, repr(plain))
    assert found == plain
    assert plain == found
    assert (found == other) is (plain == other)
    assert [found[place] for place in range(len(plain))] == [*plain]
    assert found[1:3] == plain[1:3]
    assert counts_of(found) == counts_of(plain)
    for theirs, ours in zip(flatten(plain), flatten(found), strict=True):
        np.testing.assert_array_equal(theirs, ours)


@given(equal_lengths, st.integers(0, 8), st.integers(0, 8))
def test_concatenated_slices_of_a_table_are_a_table(plain: tuple[TopK | None, ...], first: int, second: int) -> None:
    if set(plain) <= {None}:
        return
    found, bounds = table(plain), sorted((first, second))
    joined = concatenate([found[: bounds[0]], found[bounds[0] : bounds[1]], found[bounds[1] :]])
    assert isinstance(joined, TopKTable)
    assert joined == plain
    part = found[bounds[0] : bounds[1]]
    assert unflatten([counts_of(part)], *flatten(part)) == [plain[bounds[0] : bounds[1]]]


def test_entries_that_do_not_share_a_table_are_concatenated_to_a_list() -> None:
    one, other = (TopK((1, 2), (0.0, -1.0)), None), (TopK((3, 4), (0.0, -1.0)),)
    for parts in ((one, other), (table(one), other), (table(one), table(other))):
        assert concatenate(parts) == [*one, *other]


def test_row_indices_count_the_tokens_with_a_row() -> None:
    assert row_indices([True, False, False, True, True]).tolist() == [0, -1, -1, 1, 2]
    assert row_indices([]).tolist() == []


@given(equal_lengths, st.data())
def test_as_arrays_is_the_same_for_a_table_and_a_tuple(plain: tuple[TopK | None, ...], data: st.DataObject) -> None:
    present = [place for place, one in enumerate(plain) if one is not None]
    if not present:
        return
    places = data.draw(st.lists(st.sampled_from(present), min_size=1, max_size=6))
    for ours, theirs in zip(as_arrays(table(plain), places), as_arrays(plain, places), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_valid_rows_have_no_fault() -> None:
    entries = (TopK((5, 6), (math.log(0.5), math.log(0.5))), None, TopK((7,), (1e-9,)), TopK((), ()))
    assert find_fault(np.array([6, 3, 7, 4]), *as_arrays(entries, [0, 1, 2, 3])) is None
    assert find_fault(np.array([3, 3]), *as_arrays((None, None), [0, 1])) is None
    assert find_unsorted(as_arrays(entries, [0, 1, 2, 3])[1]) is None


def test_a_fault_names_its_row() -> None:
    entries = (TopK((5,), (0.0,)), TopK((6, 7), (-1.0, -0.5)), TopK((8,), (0.0,)))
    bins, logprobs = as_arrays(entries, [0, 1, 2])
    assert find_fault(np.array([5, 6, 9]), bins, logprobs) == (2, "the chosen bin <9> is not among its top-k")
    assert find_unsorted(logprobs) == (1, "the log-probabilities are not sorted")
    logprobs[1, 0] = np.nan
    assert find_fault(np.array([5, 6, 8]), bins, logprobs) == (1, "a log-probability is NaN")


def test_missing_and_short_rows_are_padded_with_probability_zero() -> None:
    plain = (TopK((5, 6), (-0.5, -1.0)), None, TopK((7,), (-0.25,)))
    bins, logprobs = as_arrays(plain, [0, 1, 2])
    assert bins.tolist() == [[5, 6], [0, 0], [7, 0]]
    assert logprobs.tolist() == [[-0.5, -1.0], [-math.inf, -math.inf], [-0.25, -math.inf]]
    bins, logprobs = as_arrays(table((plain[0], None)), [1, 0])
    assert bins.tolist() == [[0, 0], [5, 6]]
    assert logprobs.tolist() == [[-math.inf, -math.inf], [-0.5, -1.0]]
