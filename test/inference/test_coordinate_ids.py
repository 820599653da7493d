"""Tests of the ids of coordinate tokens in any order and place."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.inference.coordinate_ids import CoordinateIds


@given(ids=st.lists(st.integers(0, 200), unique=True), tokens=st.lists(st.integers(-3, 300)))
def test_bins_are_the_places_of_the_ids(ids: list[int], tokens: list[int]) -> None:
    coordinates = CoordinateIds(ids)
    wanted = [ids.index(token) if token in ids else -1 for token in tokens]
    assert [coordinates.bin_of(token) for token in tokens] == wanted
    assert coordinates.bins_of(np.array(tokens, np.int32)).tolist() == wanted
    assert [token in coordinates for token in tokens] == [index >= 0 for index in wanted]
    assert list(coordinates) == coordinates.array.tolist() == ids


@given(ids=st.lists(st.integers(0, 50), unique=True))
def test_ranges_cover_the_ids_with_the_fewest_blocks(ids: list[int]) -> None:
    ranges = CoordinateIds(ids).ranges()
    assert [token for first, last in ranges for token in range(first, last + 1)] == sorted(ids)
    assert all(last + 1 < first for (_, last), (first, _) in itertools.pairwise(ranges))


def test_bins_keep_the_shape_of_the_tokens() -> None:
    found = CoordinateIds([4, 3]).bins_of(np.array([[3, 4], [5, -1]]))
    assert found.tolist() == [[1, 0], [-1, -1]]
