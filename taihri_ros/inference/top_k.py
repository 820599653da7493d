"""Top-k log-probabilities of an answer's tokens as two arrays, from the engine to the decoding of coordinates.

In almost all answers every coordinate token has exactly k entries. A table of arrays then avoids Python loops over
single numbers.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import TopK
from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN, BINS, coordinate_token

_ROUNDING = 1e-3
"""Largest excess of a log-probability over 0, and of a sum of probabilities over 1, that rounding explains."""

_MOST_ABSENT = 1.0 - 1e-9
"""Probability of `<absent>` up to which the probabilities of the bins are normalised."""


class TopKTable(Sequence["TopK | None"]):
    """Sequence of `TopK` or None, one for each token, stored as arrays; every `TopK` has the same length K.

    Attributes:
        bins: (M, K) uint16, one row for each of the M tokens that have a `TopK`.
        logprobs: (M, K) float64, natural log-probabilities.
        rows: (T,) int64, row index of each of the T tokens, or -1 for None.
    """

    def __init__(self, bins: NDArray[np.uint16], logprobs: NDArray[np.float64], rows: NDArray[np.int64]) -> None:
        """Create a table from arrays, without copying them."""
        self.bins = bins
        self.logprobs = logprobs
        self.rows = rows

    @overload
    def __getitem__(self, index: int) -> TopK | None: ...
    @overload
    def __getitem__(self, index: slice) -> TopKTable: ...

    def __getitem__(self, index: int | slice) -> TopK | TopKTable | None:
        """Return the entry of one token, or the table of a slice."""
        if isinstance(index, slice):
            return TopKTable(self.bins, self.logprobs, self.rows[index])
        row = int(self.rows[index])
        return None if row < 0 else TopK(tuple(self.bins[row].tolist()), tuple(self.logprobs[row].tolist()))

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.rows)

    def __iter__(self) -> Iterator[TopK | None]:
        """Iterate over the entries of all tokens."""
        return (self[index] for index in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has equal entries; it need not be a table."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Return the representation of the equivalent tuple."""
        return repr(tuple(self))


def concatenate(parts: Sequence[Sequence[TopK | None]]) -> Sequence[TopK | None]:
    """Concatenate the top-k entries of several answers.

    Args:
        parts: The entries of each answer.

    Returns:
        A table if all parts are slices of one table, else a list.
    """
    tables = [part for part in parts if isinstance(part, TopKTable)]
    if not tables or len(tables) < len(parts) or any(table.bins is not tables[0].bins for table in tables):
        return [one for part in parts for one in part]
    return TopKTable(tables[0].bins, tables[0].logprobs, np.concatenate([table.rows for table in tables]))


def flatten(top_k: Sequence[TopK | None]) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Flatten the top-k entries of all tokens to one array of bins and one of log-probabilities.

    Args:
        top_k: One entry for each token.

    Returns:
        Bins, uint16 (n,), and natural log-probabilities, float64 (n,).
    """
    if isinstance(top_k, TopKTable):
        rows = top_k.rows[top_k.rows >= 0]
        return top_k.bins[rows].ravel(), top_k.logprobs[rows].ravel()
    found = [one for one in top_k if one is not None]
    bins = np.fromiter(itertools.chain.from_iterable(one.bins for one in found), np.uint16)
    return bins, np.fromiter(itertools.chain.from_iterable(one.logprobs for one in found), np.float64)


def counts_of(top_k: Sequence[TopK | None]) -> list[int]:
    """Return the number of bins in each token's entry, or -1 for None."""
    if isinstance(top_k, TopKTable):
        counts: list[int] = np.where(top_k.rows < 0, -1, top_k.bins.shape[1]).tolist()
        return counts
    return [-1 if one is None else len(one.bins) for one in top_k]


def unflatten(
    counts: Sequence[Sequence[int]], bins: NDArray[np.uint16], logprobs: NDArray[np.float64]
) -> list[Sequence[TopK | None]]:
    """Restore the top-k entries from the results of `flatten` and `counts_of`.

    Args:
        counts: Result of `counts_of` for each answer.
        bins: (n,) all bins, where n is the sum of the counts that are not -1.
        logprobs: (n,) all log-probabilities.

    Returns:
        The entries of each answer: slices of one table if all entries have the same length, else tuples.
    """
    every = [count for listed in counts for count in listed]
    widths = set(every) - {-1}
    ends = list(itertools.accumulate(map(len, counts)))
    spans = list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []
    if len(widths) == 1 and (width := max(widths)) > 0:
        table = TopKTable(
            bins.reshape(-1, width), logprobs.reshape(-1, width), row_indices([count >= 0 for count in every])
        )
        return [table[start:end] for start, end in spans]
    pairs = iter(zip(bins.tolist(), logprobs.tolist(), strict=True))
    read = [None if count < 0 else _take(pairs, count) for count in every]
    return [tuple(read[start:end]) for start, end in spans]


def _take(pairs: Iterator[tuple[int, float]], count: int) -> TopK:
    taken = list(itertools.islice(pairs, count))
    return TopK(tuple(index for index, _ in taken), tuple(logprob for _, logprob in taken))


def row_indices(has_row: Sequence[bool]) -> NDArray[np.int64]:
    """Return the `rows` of a table.

    Args:
        has_row: Whether each of the T tokens has a row.

    Returns:
        int64 (T,), row index of each token, or -1.
    """
    present = np.array(has_row, np.bool_)
    return np.asarray(np.where(present, np.cumsum(present) - 1, -1), np.int64)


def as_arrays(top_k: Sequence[TopK | None], indices: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the top-k entries of selected tokens as arrays.

    Args:
        top_k: The entries of all tokens.
        indices: Indices of the N selected tokens.

    Returns:
        Bins and natural log-probabilities, float64 (N, K).
        Rows with fewer entries are padded with bin 0 at log-probability -inf.
    """
    if isinstance(top_k, TopKTable):
        rows = top_k.rows[list(indices)]
        if (rows >= 0).all():
            return top_k.bins[rows].astype(np.float64), top_k.logprobs[rows]
    found = [top_k[index] or TopK((), ()) for index in indices]
    longest = max(len(entry.bins) for entry in found)
    bins, logprobs = np.zeros((len(found), longest)), np.full((len(found), longest), -np.inf)
    for row, entry in enumerate(found):
        bins[row, : len(entry.bins)], logprobs[row, : len(entry.bins)] = entry.bins, entry.logprobs
    return bins, logprobs


class Fault(NamedTuple):
    """What is wrong with the top-k log-probabilities of a token.

    Attributes:
        row: Row of the token.
        reason: What is wrong, in words.
    """

    row: int
    reason: str


def find_fault(
    chosen: NDArray[np.int64], bins: NDArray[np.float64], logprobs: NDArray[np.float64], tokens: int = BINS
) -> Fault | None:
    """Check that the top-k log-probabilities of tokens are probabilities, and that they include the chosen bins.

    A chosen bin without a probability contradicts its own distribution: position and variance would be made of both.

    Args:
        chosen: (N,) bins of the tokens.
        bins: (N, K) bins from `as_arrays`.
        logprobs: (N, K) natural log-probabilities. A bin whose probability is 0 does not count; a row may have no
            others.
        tokens: Number of coordinate tokens, `AnswerFormat.coordinate_tokens`.

    Returns:
        The fault of the first faulty token; None if there is none.
    """
    probabilities = np.exp(np.minimum(logprobs, _ROUNDING))
    counted = probabilities > 0.0
    any_counted = counted.any(axis=1)
    unique = np.sort(np.where(counted, bins, -1.0 - np.arange(bins.shape[1])), axis=1)
    checks = (
        ("a log-probability is NaN", np.isnan(logprobs).any(axis=1)),
        ("a log-probability is positive", (logprobs > _ROUNDING).any(axis=1)),
        ("a bin is out of range", (counted & (bins >= tokens)).any(axis=1)),
        ("a bin is listed twice", (np.diff(unique, axis=1) == 0.0).any(axis=1)),
        ("the probabilities sum to more than 1", probabilities.sum(axis=1) > 1.0 + _ROUNDING),
        ("the chosen bin {} is not among its top-k", any_counted & ~((bins == chosen[:, None]) & counted).any(axis=1)),
    )
    for reason, faulty in checks:
        if faulty.any():
            row = int(faulty.argmax())
            return Fault(
                row, reason.format(ABSENT_TOKEN if chosen[row] == ABSENT else coordinate_token(int(chosen[row])))
            )
    return None


def split_absent(
    bins: NDArray[np.float64], logprobs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Separate the probability of `<absent>` from those of the bins.

    Args:
        bins: (N, K) bins from `as_arrays`, among which `ABSENT` may be.
        logprobs: (N, K) natural log-probabilities.

    Returns:
        The natural log-probabilities of the bins given that the joint is there, (N, K), with -inf for `ABSENT`; and the
        probability of `<absent>`, (N,). Where it is not listed, that is the largest one that it can have, and NaN
        without any log-probability.
    """
    weights, listed = np.exp(logprobs), bins == ABSENT
    counted = weights > 0.0
    rest = np.clip(1.0 - weights.sum(axis=1), 0.0, 1.0)
    least = np.where(counted, weights, 1.0).min(axis=1, initial=1.0)
    known = np.where(listed, weights, 0.0).sum(axis=1)
    absent = np.where((listed & counted).any(axis=1), known, np.minimum(rest, least))
    there = np.log1p(-np.minimum(known, _MOST_ABSENT))
    return np.where(listed, -np.inf, logprobs - there[:, None]), np.where(counted.any(axis=1), absent, np.nan)


def find_unsorted(logprobs: NDArray[np.float64]) -> Fault | None:
    """Return the fault of the first row of log-probabilities (N, K) that is not sorted, most likely first, or None."""
    unsorted = (logprobs[:, 1:] > logprobs[:, :-1]).any(axis=1)
    return Fault(int(unsorted.argmax()), "the log-probabilities are not sorted") if unsorted.any() else None
