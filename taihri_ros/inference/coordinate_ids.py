"""The ids of the coordinate tokens, in the order of the bins; a tokenizer may have given them in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


class CoordinateIds(Sequence[int]):
    """Ids of the coordinate tokens: those of the bins in their order, then that of `<absent>`, if it is used.

    Attributes:
        array: (N,) int64, the ids.
    """

    def __init__(self, ids: Iterable[int] = ()) -> None:
        """Create the sequence.

        Args:
            ids: The id of each coordinate token, all different; none if coordinates are no tokens of their own.
        """
        self._ids = tuple(ids)
        self._indices = {token: index for index, token in enumerate(self._ids)}
        self.array: NDArray[np.int64] = np.array(self._ids, np.int64)
        self._table: NDArray[np.int64] = np.full(max(self._ids, default=-1) + 2, -1, np.int64)
        self._table[self.array] = np.arange(len(self._ids))

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...

    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        """Return the id of a bin, or those of several bins."""
        return self._ids[index]

    def __len__(self) -> int:
        """Return the number of coordinate tokens."""
        return len(self._ids)

    def __iter__(self) -> Iterator[int]:
        """Iterate over the ids in the order of the bins."""
        return iter(self._ids)

    def __contains__(self, token: object) -> bool:
        """Return whether an id is that of a coordinate token."""
        return token in self._indices

    def bin_of(self, token: int) -> int:
        """Return the index of a coordinate token, or -1 for the id of any other token."""
        return self._indices.get(token, -1)

    def bins_of(self, tokens: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the index of each coordinate token, and -1 for the ids of other tokens.

        Args:
            tokens: Ids, in an array of any shape.

        Returns:
            The indices, in an array of the same shape.
        """
        last = len(self._table) - 1  # the table ends with an id that no coordinate has
        known = (tokens >= 0) & (tokens < last)
        return self._table[np.where(known, tokens, last)]

    def ranges(self) -> list[tuple[int, int]]:
        """Return the first and last id of each block of ids that follow each other, in ascending order."""
        blocks: list[tuple[int, int]] = []
        for token in sorted(self._ids):
            if blocks and token == blocks[-1][1] + 1:
                blocks[-1] = (blocks[-1][0], token)
            else:
                blocks.append((token, token))
        return blocks
