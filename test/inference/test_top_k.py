from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.inference.engine import TopK
from taihri_ros.inference.top_k import TopKTable, as_arrays, counts_of, flatten, join, rows_of, unflatten
from taihri_ros.model.quantization import BINS


def some(count: int) -> st.SearchStrategy[TopK]:
    """Alternatives of one token."""
    bins = st.lists(st.integers(0, BINS - 1), min_size=count, max_size=count).map(tuple)
    logprobs = st.lists(st.floats(-50.0, 0.0) | st.just(-math.inf), min_size=count, max_size=count).map(tuple)
    return st.builds(TopK, bins, logprobs)


ragged = st.lists(st.none() | st.integers(0, 4).flatmap(some), max_size=8).map(tuple)
even = st.integers(1, 5).flatmap(lambda count: st.lists(st.none() | some(count), max_size=8).map(tuple))


def table(listed: Sequence[TopK | None]) -> TopKTable:
    (found,) = unflatten([counts_of(listed)], *flatten(listed))
    assert isinstance(found, TopKTable)
    return found


@given(st.lists(ragged | even, max_size=4))
def test_what_was_flattened_comes_out_as_it_went_in(answers: list[tuple[TopK | None, ...]]) -> None:
    counts = [counts_of(answer) for answer in answers]
    assert unflatten(counts, *flatten(join(answers))) == answers


@given(even, even)
def test_a_table_is_a_sequence_like_the_tuple(listed: tuple[TopK | None, ...], other: tuple[TopK | None, ...]) -> None:
    if set(listed) <= {None}:
        return
    found = table(listed)
    assert (len(found), tuple(found), repr(found)) == (len(listed), listed, repr(listed))
    assert found == listed
    assert listed == found
    assert (found == other) is (listed == other)
    assert [found[place] for place in range(len(listed))] == [*listed]
    assert found[1:3] == listed[1:3]
    assert counts_of(found) == counts_of(listed)
    for theirs, ours in zip(flatten(listed), flatten(found), strict=True):
        np.testing.assert_array_equal(theirs, ours)


@given(even, st.integers(0, 8), st.integers(0, 8))
def test_parts_of_a_table_are_joined_to_a_table(listed: tuple[TopK | None, ...], first: int, second: int) -> None:
    if set(listed) <= {None}:
        return
    found, cuts = table(listed), sorted((first, second))
    joined = join([found[: cuts[0]], found[cuts[0] : cuts[1]], found[cuts[1] :]])
    assert isinstance(joined, TopKTable)
    assert joined == listed
    part = found[cuts[0] : cuts[1]]
    assert unflatten([counts_of(part)], *flatten(part)) == [listed[cuts[0] : cuts[1]]]


def test_answers_of_different_kinds_are_joined_to_a_list() -> None:
    one, other = (TopK((1, 2), (0.0, -1.0)), None), (TopK((3, 4), (0.0, -1.0)),)
    for parts in ((one, other), (table(one), other), (table(one), table(other))):
        assert join(parts) == [*one, *other]


def test_tokens_are_numbered_by_those_that_have_a_row() -> None:
    assert rows_of([True, False, False, True, True]).tolist() == [0, -1, -1, 1, 2]
    assert rows_of([]).tolist() == []


@given(even, st.data())
def test_arrays_are_the_same_from_a_table_and_from_a_tuple(
    listed: tuple[TopK | None, ...], data: st.DataObject
) -> None:
    present = [place for place, one in enumerate(listed) if one is not None]
    if not present:
        return
    places = data.draw(st.lists(st.sampled_from(present), min_size=1, max_size=6))
    for ours, theirs in zip(as_arrays(table(listed), places), as_arrays(listed, places), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_rows_that_are_missing_or_short_are_filled_up_with_what_cannot_be() -> None:
    listed = (TopK((5, 6), (-0.5, -1.0)), None, TopK((7,), (-0.25,)))
    bins, logprobs = as_arrays(listed, [0, 1, 2])
    assert bins.tolist() == [[5, 6], [0, 0], [7, 0]]
    assert logprobs.tolist() == [[-0.5, -1.0], [-math.inf, -math.inf], [-0.25, -math.inf]]
    bins, logprobs = as_arrays(table((listed[0], None)), [1, 0])
    assert bins.tolist() == [[0, 0], [5, 6]]
    assert logprobs.tolist() == [[-math.inf, -math.inf], [-0.5, -1.0]]
