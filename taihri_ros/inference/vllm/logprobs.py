"""Conversion of vLLM's log-probabilities to the top-k entries of coordinate tokens, for whole answers at once.

During decoding the rows are only collected, because converting them between two forward passes would add latency.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.coordinate_ids import CoordinateIds
from taihri_ros.inference.engine import TopK
from taihri_ros.inference.local_engine import sorted_top_k
from taihri_ros.inference.top_k import TopKTable, row_indices

LogprobRow: TypeAlias = "tuple[NDArray[np.int32], NDArray[np.float32]]"
"""vLLM's token ids and log-probabilities for one position: first the sampled token, then the most likely tokens in
descending order, which usually include the sampled token again."""


def top_k_of_rows(
    answers: Sequence[Sequence[LogprobRow | None]], coordinates: CoordinateIds, count: int
) -> list[Sequence[TopK | None]]:
    """Convert rows to the top-k entries of answers.

    Args:
        answers: For each token of each answer its row, or None if the token is not a coordinate. A row has more entries
            than requested if another request in the same batch needs more.
        coordinates: Ids of the coordinate tokens.
        count: Number of entries that were requested.

    Returns:
        The entries of each answer; tokens other than coordinates are left out of each entry.
    """
    rows = [row for answer in answers for row in answer if row is not None]
    if not rows:
        return [(None,) * len(answer) for answer in answers]
    width = count + 1
    bins = coordinates.bins_of(np.concatenate([ids[:width] for ids, _ in rows]).reshape(-1, width))
    logprobs = np.concatenate([values[:width] for _, values in rows]).reshape(-1, width).astype(np.float64)
    sampled, likely, likely_logprobs = bins[:, :1], bins[:, 1:], logprobs[:, 1:]
    regular = (sampled == likely).any(axis=1) & (likely.min(axis=1) >= 0)
    if not regular.all():
        converted = map(_top_k_of_irregular_row, bins.tolist(), logprobs.tolist())
        return [tuple(None if row is None else next(converted) for row in answer) for answer in answers]
    if (sampled != likely[:, :1]).any():  # of equally likely tokens, any may be sampled
        order = np.lexsort((likely, -likely_logprobs))
        likely = np.take_along_axis(likely, order, 1)
        likely_logprobs = np.take_along_axis(likely_logprobs, order, 1)
    has_row = [row is not None for answer in answers for row in answer]
    table = TopKTable(likely.astype(np.uint16), likely_logprobs, row_indices(has_row))
    ends = list(itertools.accumulate(map(len, answers)))
    return [table[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _top_k_of_irregular_row(bins: list[int], logprobs: list[float]) -> TopK:
    """Convert a row that has other tokens than coordinates, or whose sampled token is not among the most likely."""
    pairs = dict(zip(bins, logprobs, strict=True))
    return sorted_top_k((index, logprob) for index, logprob in pairs.items() if index >= 0)
