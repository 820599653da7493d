"""The alternatives of coordinate tokens from vLLM's arrays, read for a whole answer at once.

While the model is at work they are only collected: reading them token by token, between two passes, takes longer.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import TopK
from taihri_ros.inference.local_engine import sorted_top_k
from taihri_ros.inference.top_k import TopKTable, rows_of
from taihri_ros.model.quantization import BINS

Row: TypeAlias = "tuple[NDArray[np.int32], NDArray[np.float32]]"
"""Ids and log-probabilities at the place of one token, of equal length: the chosen one's, then the likeliest, in their
order; the chosen one stands among these, too."""


def row_of(output: Any, place: int) -> Row | None:
    """Take one token's row out of a step.

    Args:
        output: An `EngineCoreOutput`.
        place: Which of its tokens.

    Returns:
        The row, or None where no alternatives were asked for.
    """
    found = output.new_logprobs
    return None if found is None else (found.logprob_token_ids[place], found.logprobs[place])


def read_rows(
    answers: Sequence[Sequence[Row | None]], first_coordinate: int, count: int
) -> list[Sequence[TopK | None]]:
    """Read the rows of some answers.

    Args:
        answers: For each token of each answer its row, or None where it is no coordinate; a row has more entries than
            were asked for where another request of its batch wants more.
        first_coordinate: Id of the token of bin 0.
        count: How many alternatives were asked for.

    Returns:
        The alternatives of each token of each answer, those that are no coordinates left out.
    """
    rows = [row for answer in answers for row in answer if row is not None]
    if not rows:
        return [(None,) * len(answer) for answer in answers]
    width = count + 1
    bins = np.concatenate([ids[:width] for ids, _ in rows]).reshape(-1, width).astype(np.int64) - first_coordinate
    logprobs = np.concatenate([values[:width] for _, values in rows]).reshape(-1, width).astype(np.float64)
    chosen, others, theirs = bins[:, :1], bins[:, 1:], logprobs[:, 1:]
    usual = (chosen == others).any(axis=1) & (others.min(axis=1) >= 0) & (others.max(axis=1) < BINS)
    if not usual.all():
        read = map(_read_one, bins.tolist(), logprobs.tolist())
        return [tuple(None if row is None else next(read) for row in answer) for answer in answers]
    if (chosen != others[:, :1]).any():  # of equals the sampler may choose another one than the list begins with
        order = np.lexsort((others, -theirs))
        others, theirs = np.take_along_axis(others, order, 1), np.take_along_axis(theirs, order, 1)
    has_row = [row is not None for answer in answers for row in answer]
    table = TopKTable(others.astype(np.uint16), theirs, rows_of(has_row))
    ends = list(itertools.accumulate(map(len, answers)))
    return [table[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _read_one(bins: list[int], logprobs: list[float]) -> TopK:
    """Read a row whose chosen token may not be among its likeliest ones, and that may have other tokens, too."""
    pairs = dict(zip(bins, logprobs, strict=True))
    return sorted_top_k((index, logprob) for index, logprob in pairs.items() if 0 <= index < BINS)
