"""Names of people: five letters that can be spoken, and that no one else gets in the same session."""

from __future__ import annotations

import random

from taihri_ros.errors import TaihriError

_CONSONANTS = "djklmntvwz"
"""Consonants that are hard to mishear for each other at the beginning of a syllable, and that spell few words."""

_VOWELS = "aeiou"

CAPACITY = len(_CONSONANTS) ** 3 * len(_VOWELS) ** 2
"""Number of different ids."""


class IdentityError(TaihriError):
    """All ids of a session are used up."""


class Identities:
    """Ids of five letters such as `kamul`, the length that ROS4HRI's tools expect (REP-155).

    Example:
        >>> identities = Identities(seed=1)
        >>> first, second = identities.new(), identities.new()
        >>> len(first), first != second
        (5, True)
    """

    def __init__(self, seed: int | None = None) -> None:
        """Shuffle the ids.

        Args:
            seed: Seed of the order; None for another order in every session.
        """
        self._numbers = list(range(CAPACITY))
        random.Random(seed).shuffle(self._numbers)

    def new(self) -> str:
        """Return an id that this object has not returned before.

        Raises:
            IdentityError: `CAPACITY` ids have been returned.
        """
        if not self._numbers:
            raise IdentityError(f"all {CAPACITY} ids are used up: restart the node")
        number, letters = self._numbers.pop(), ""
        for alphabet in (_CONSONANTS, _VOWELS, _CONSONANTS, _VOWELS, _CONSONANTS):
            number, letter = divmod(number, len(alphabet))
            letters += alphabet[letter]
        return letters
