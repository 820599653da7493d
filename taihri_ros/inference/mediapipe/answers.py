"""Answers in TAIHRI's tokens, with top-k log-probabilities, for joints whose coordinates have normal distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import RawAnswer, TopK
from taihri_ros.model.grammar import Coordinate, Grammar, Text
from taihri_ros.model.lexer import BLOCKS, LexemeKind, lex
from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN, BINS, coordinate_token
from taihri_ros.skeleton import INDEX, JOINTS

_REACH = 3.0
"""Distance from the mean up to which the bins of a top-k entry are spread, in standard deviations."""

_LEAST_DEVIATION = 0.5
"""Smallest standard deviation of a coordinate, bins: rounding to a bin is no worse."""

_SUREST = 1e-4
"""Smallest probability of either answer to the question whether there is a person."""

_START_OF_2D = BLOCKS["2d"][0]
_AXES, _FIRST_OF_3D = 5, 2
_ROOT = math.sqrt(2.0 * math.pi)
"""Factor of the density of the normal distribution."""


@dataclass(frozen=True, eq=False)
class Distributions:
    """The joints of one person as normal distributions over bins.

    Attributes:
        means: (22, 5) means of u, v, x, y and z of each joint of the skeleton, bins; beyond 0 or 999 if the joint is
            out of the range.
        deviations: (22, 5) standard deviations of the same.
        absent: Probability that there is no person.
    """

    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    absent: float


_ABSENT_TOP_K = TopK((ABSENT,), (math.log1p(-_SUREST),))


class AnswerWriter:
    """Writes the answers of one request."""

    def __init__(self, found: Distributions | None, top_k: int) -> None:
        """Create a writer.

        Args:
            found: The joints; None if nobody was found.
            top_k: Number of top-k log-probabilities of each coordinate, 0 to 20.
        """
        count = len(JOINTS) * _AXES
        self._tokens = [ABSENT_TOKEN] * count
        self._top_k: Sequence[TopK | None] = [_ABSENT_TOP_K if top_k else None] * count
        if found is not None:
            means = found.means.ravel()
            self._tokens = [coordinate_token(index) for index in _nearest(means)]
            if top_k:
                self._top_k = spread_top_k(means, found.deviations.ravel(), found.absent, top_k)

    def answer(self, grammar: Grammar, max_tokens: int) -> RawAnswer:
        """Answer one question.

        Args:
            grammar: Grammar of the answer, which names its joints. Where it leaves a choice, no joint is chosen.
            max_tokens: Maximum number of tokens, including the one that ends the answer.

        Returns:
            The answer.
        """
        tokens: list[str] = []
        entries: list[TopK | None] = []
        first, index = 0, 0
        for element in grammar:
            if isinstance(element, Text):
                tokens.append(element.text)
                entries.append(None)
                for lexeme in lex((element.text,)):
                    if lexeme.kind is LexemeKind.DELIMITER:
                        first = 0 if lexeme.text == _START_OF_2D else _FIRST_OF_3D
                    elif lexeme.kind is LexemeKind.JOINT:
                        index = INDEX[lexeme.joint] * _AXES + first
            elif isinstance(element, Coordinate):
                tokens.append(self._tokens[index])
                entries.append(self._top_k[index])
                index += 1
        return RawAnswer(
            tokens=tuple(tokens[:max_tokens]),
            top_k=tuple(entries[:max_tokens]),
            finish_reason="stop" if len(tokens) < max_tokens else "length",
        )


def spread_top_k(means: NDArray[np.float64], deviations: NDArray[np.float64], absent: float, count: int) -> list[TopK]:
    """Return the top-k entries of N normally distributed coordinates.

    The bins are spread evenly over three standard deviations on both sides of the mean, and each has its probability in
    the normal distribution. So the mean and the variance can be read from them (`quantization.estimate_bins`), which
    the most likely bins would not allow: they all lie side by side. Near the end of the range the bins are closer
    together, as many on either side, so that the mean remains.

    Args:
        means: (N,) bins. One beyond the range stands for its first or last bin.
        deviations: (N,) standard deviations, bins.
        absent: Probability of `<absent>`.
        count: Largest number of bins in an entry, at least 1. The bin of the mean is always among them, and `<absent>`
            if there are two.

    Returns:
        The entries; their bins are sorted, most likely first.
    """
    side = max(count - 2, 0) // 2
    centres, deviations = np.clip(means, 0.0, BINS - 1.0), np.maximum(deviations, _LEAST_DEVIATION)
    middles = np.rint(centres)
    reach = np.minimum(np.ceil(_REACH * deviations), np.minimum(middles, BINS - 1 - middles))
    offsets = np.rint(reach[:, None] * (np.arange(-side, side + 1) / max(side, 1)))
    bins = middles[:, None] + offsets
    surely = min(max(absent, _SUREST), 1.0 - _SUREST)
    densities = -(((bins - centres[:, None]) / deviations[:, None]) ** 2) / 2 - np.log(deviations * _ROOT)[:, None]
    logprobs = np.where(np.diff(offsets, axis=1, prepend=-BINS) == 0, -np.inf, math.log1p(-surely) + densities)
    if count > 1:
        bins = np.insert(bins, 0, ABSENT, axis=1)
        logprobs = np.insert(logprobs, 0, math.log(surely), axis=1)
    order = np.argsort(-logprobs, axis=1, kind="stable")
    lengths = (logprobs > -np.inf).sum(axis=1).tolist()
    rows = zip(
        np.take_along_axis(bins, order, axis=1).astype(int).tolist(),
        np.take_along_axis(logprobs, order, axis=1).tolist(),
        lengths,
        strict=True,
    )
    return [TopK(tuple(found[:length]), tuple(values[:length])) for found, values, length in rows]


def _nearest(means: NDArray[np.float64]) -> list[int]:
    """Return the bins that are nearest to means."""
    nearest: list[int] = np.rint(np.clip(means, 0.0, BINS - 1.0)).astype(int).tolist()
    return nearest
