"""The assignment is exact: compared with brute force and with scipy."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.pipeline.people.assignment import assign


def total(costs: np.ndarray, pairs: list[tuple[int, int]], apart: float) -> float:
    """Return the cost of some pairs, and of everything that is left apart."""
    return sum(costs[pair] for pair in pairs) + apart * (min(costs.shape) - len(pairs))


def brute_force(costs: np.ndarray, apart: float) -> float:
    rows, columns = costs.shape
    return min(
        total(costs, list(zip(chosen, partners, strict=True)), apart)
        for count in range(min(costs.shape) + 1)
        for chosen in combinations(range(rows), count)
        for partners in permutations(range(columns), count)
    )


@st.composite
def matrices(draw: st.DrawFn, largest: int) -> np.ndarray:
    rows, columns = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    entries = st.one_of(st.integers(-9, 9).map(float), st.floats(-9, 9), st.just(np.inf))
    flat = draw(st.lists(entries, min_size=rows * columns, max_size=rows * columns))
    return np.array(flat).reshape(rows, columns)


@given(costs=matrices(4), apart=st.integers(-5, 12).map(float))
def test_the_sum_is_the_least_of_all_possible_ones(costs: np.ndarray, apart: float) -> None:
    pairs = assign(costs, apart)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert pairs == sorted(pairs)
    assert all(costs[pair] < apart for pair in pairs)
    assert total(costs, pairs, apart) == pytest.approx(brute_force(costs, apart), abs=1e-9)


@pytest.mark.parametrize("shape", [(8, 8), (5, 12), (12, 5), (1, 30), (30, 30)])
def test_large_problems_agree_with_scipy(shape: tuple[int, int]) -> None:
    scipy_optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(1)
    for _ in range(20):
        costs = rng.normal(size=shape)
        rows, columns = scipy_optimize.linear_sum_assignment(costs)
        assert total(costs, assign(costs, 100.0), 100.0) == pytest.approx(costs[rows, columns].sum())


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_is_assigned_to_nobody(shape: tuple[int, int]) -> None:
    assert assign(np.zeros(shape), 1.0) == []


def test_forbidden_pairs_are_not_made_even_if_both_stay_alone() -> None:
    assert assign([[np.inf, np.inf], [np.inf, 2.0]], 1e9) == [(1, 1)]
