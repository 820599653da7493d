"""The interface of speech recognition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16000
"""Samples per second of all audio behind the sources."""


@dataclass(frozen=True)
class Hypothesis:
    """One reading of an utterance.

    Attributes:
        text: The words.
        probability: Probability of this reading among all that the recogniser returns, in [0, 1].
        general: Whether it was read as speech about anything, because it does not sound like an order.
    """

    text: str
    probability: float
    general: bool = False


class Recogniser(Protocol):
    """Whatever turns one utterance into words."""

    def recognise(self, samples: NDArray[np.int16]) -> Sequence[Hypothesis]:
        """Return the readings of an utterance, the most probable first; none if no word is heard.

        Args:
            samples: (n,) int16, mono, 16 kHz.
        """
