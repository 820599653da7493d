"""The alternatives of an answer's tokens as two arrays: as they leave an engine, and as a position is read from them.

Tokens have as many alternatives as were asked for, all but always; then nothing on the way from the engine's arrays to
the estimate of a coordinate needs to look at the single numbers.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import TopK


class TopKTable(Sequence["TopK | None"]):
    """The alternatives of tokens that have K each, or none. For every token an `TopK` or None, as a sequence.

    Attributes:
        bins: (M, K) uint16, a row for each of the M tokens that have alternatives.
        logprobs: (M, K) float64.
        rows: (T,) for each token the index of its row, or -1.
    """

    def __init__(self, bins: NDArray[np.uint16], logprobs: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
        """Create a table; the arrays are not copied."""
        self.bins = bins
        self.logprobs = logprobs
        self.rows = rows

    @overload
    def __getitem__(self, place: int) -> TopK | None: ...
    @overload
    def __getitem__(self, place: slice) -> TopKTable: ...

    def __getitem__(self, place: int | slice) -> TopK | TopKTable | None:
        """Give those of one token, or of several."""
        if isinstance(place, slice):
            return TopKTable(self.bins, self.logprobs, self.rows[place])
        row = int(self.rows[place])
        return None if row < 0 else TopK(tuple(self.bins[row].tolist()), tuple(self.logprobs[row].tolist()))

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self.rows)

    def __iter__(self) -> Iterator[TopK | None]:
        """Give those of every token."""
        return (self[place] for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Tell whether another sequence has the same alternatives, in whatever form."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Spell it out, as a tuple would be."""
        return repr(tuple(self))


def join(parts: Sequence[Sequence[TopK | None]]) -> Sequence[TopK | None]:
    """Put the alternatives of several answers one after the other.

    Args:
        parts: Those of each answer.

    Returns:
        A table where all of them are parts of one table, else a list.
    """
    tables = [part for part in parts if isinstance(part, TopKTable)]
    if not tables or len(tables) < len(parts) or any(table.bins is not tables[0].bins for table in tables):
        return [one for part in parts for one in part]
    return TopKTable(tables[0].bins, tables[0].logprobs, np.concatenate([table.rows for table in tables]))


def flatten(top_k: Sequence[TopK | None]) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Write all bins, and all log-probabilities, one token's after the other's.

    Args:
        top_k: Those of all tokens.

    Returns:
        Bins and log-probabilities, (n,) each.
    """
    if isinstance(top_k, TopKTable):
        rows = top_k.rows[top_k.rows >= 0]
        return top_k.bins[rows].ravel(), top_k.logprobs[rows].ravel()
    found = [one for one in top_k if one is not None]
    bins = np.fromiter(itertools.chain.from_iterable(one.bins for one in found), np.uint16)
    return bins, np.fromiter(itertools.chain.from_iterable(one.logprobs for one in found), np.float64)


def counts_of(top_k: Sequence[TopK | None]) -> list[int]:
    """Give for each token how many alternatives it has, -1 where it has none at all."""
    if isinstance(top_k, TopKTable):
        counts: list[int] = np.where(top_k.rows < 0, -1, top_k.bins.shape[1]).tolist()
        return counts
    return [-1 if one is None else len(one.bins) for one in top_k]


def unflatten(
    counts: Sequence[Sequence[int]], bins: NDArray[np.uint16], logprobs: NDArray[np.float64]
) -> list[Sequence[TopK | None]]:
    """Undo `flatten` and `counts_of`.

    Args:
        counts: For each token of each answer how many alternatives it has, or -1.
        bins: All bins, (n,): as many as the counts say.
        logprobs: All log-probabilities, (n,).

    Returns:
        The top_k of each answer: parts of one table where every token has as many as the others or none.
    """
    every = [count for listed in counts for count in listed]
    widths = set(every) - {-1}
    ends = list(itertools.accumulate(map(len, counts)))
    spans = list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []
    if len(widths) == 1 and (width := max(widths)) > 0:
        table = TopKTable(
            bins.reshape(-1, width), logprobs.reshape(-1, width), rows_of([count >= 0 for count in every])
        )
        return [table[start:end] for start, end in spans]
    pairs = iter(zip(bins.tolist(), logprobs.tolist(), strict=True))
    read = [None if count < 0 else _take(pairs, count) for count in every]
    return [tuple(read[start:end]) for start, end in spans]


def _take(pairs: Iterator[tuple[int, float]], count: int) -> TopK:
    taken = list(itertools.islice(pairs, count))
    return TopK(tuple(index for index, _ in taken), tuple(logprob for _, logprob in taken))


def rows_of(has_row: Sequence[bool]) -> NDArray[np.int64]:
    """Number the rows of a table by the tokens that have one.

    Args:
        has_row: For each token whether it has.

    Returns:
        (T,) the index of its row, or -1.
    """
    present = np.array(has_row, np.bool_)
    return np.asarray(np.where(present, np.cumsum(present) - 1, -1), np.int64)


def as_arrays(top_k: Sequence[TopK | None], places: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the alternatives of some tokens as arrays with a row for each.

    Args:
        top_k: Those of all tokens.
        places: The tokens, N of them.

    Returns:
        Bins and log-probabilities, (N, K); a row that has fewer than the longest is filled up with impossible ones.
    """
    if isinstance(top_k, TopKTable):
        rows = top_k.rows[list(places)]
        if (rows >= 0).all():
            return top_k.bins[rows].astype(np.float64), top_k.logprobs[rows]
    found = [top_k[place] or TopK((), ()) for place in places]
    longest = max(len(entry.bins) for entry in found)
    bins, logprobs = np.zeros((len(found), longest)), np.full((len(found), longest), -np.inf)
    for row, entry in enumerate(found):
        bins[row, : len(entry.bins)], logprobs[row, : len(entry.bins)] = entry.bins, entry.logprobs
    return bins, logprobs
