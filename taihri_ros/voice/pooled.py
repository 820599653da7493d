"""Two recognisers that err in different sentences, as one.

The probabilities of a meaning are pooled: their weighted average, a linear opinion pool (Stone, The opinion pool,
1961), is added to their product, as of independent experts (Hinton, Training products of experts by minimizing
contrastive divergence, 2002). The average keeps what only one of them has heard, and the product makes sure what both
have heard, each among others.

The second one counts only where it hears an order: PocketSphinx makes words without sense of an order that it does not
understand, which says nothing against what Whisper has heard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.voice.recogniser import Hypothesis, Recogniser

_FIRST_WEIGHT = 0.7
"""Weight of the first recogniser in the average."""

_AVERAGE_WEIGHT = 0.1
"""Weight of the average beside the product."""


class PooledRecogniser:
    """A recogniser that decides, and one that helps it to hear orders."""

    def __init__(self, first: Recogniser, second: Recogniser, request: Callable[[Hypothesis], object]) -> None:
        """Create a pool.

        Args:
            first: Decides alone where the second hears no order.
            second: Is pooled with the first where it hears orders.
            request: Returns what a reading asks for, or None, as `Interpreter.request` does.
        """
        self._first = first
        self._second = second
        self._request = request

    def recognise(self, samples: NDArray[np.int16]) -> list[Hypothesis]:
        """Return the readings of both for an utterance; part of `Recogniser`.

        Each reading has its share in the probability of its meaning, among all meanings and that of no words at all.
        """
        first = self._requests(self._first.recognise(samples))
        second = [each for each in self._requests(self._second.recognise(samples)) if each[1] is not None]
        pooled = [
            replace(reading, probability=weight * reading.probability * (_AVERAGE_WEIGHT + others[request]))
            for weight, source, others in (
                (_FIRST_WEIGHT, first, _totals(second)),
                (1.0 - _FIRST_WEIGHT, second, _totals(first)),
            )
            for reading, request in source
        ]
        unheard = 1.0 - min(1.0, sum(reading.probability for reading, _ in first))
        total = sum(reading.probability for reading in pooled) + _AVERAGE_WEIGHT * _FIRST_WEIGHT * unheard
        readings = [replace(reading, probability=reading.probability / total) for reading in pooled]
        return sorted(readings, key=lambda reading: -reading.probability)

    def _requests(self, readings: Sequence[Hypothesis]) -> list[tuple[Hypothesis, object]]:
        return [(reading, self._request(reading)) for reading in readings]


def _totals(readings: Sequence[tuple[Hypothesis, object]]) -> dict[object, float]:
    """Return the probability of each request; 0 for others."""
    totals: dict[object, float] = defaultdict(float)
    for reading, request in readings:
        totals[request] += reading.probability
    return totals
