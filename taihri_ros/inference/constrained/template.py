"""Answers whose tokens are all known but their coordinates, cut into what is written and what is decoded.

Where a grammar leaves no choice, the model has nothing to say: such tokens are appended to what it reads, in the same
pass as the coordinate before them, so that an answer takes as many passes as it has coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from taihri_ros.inference.constrained.automaton import Encode, Tokens, tokenize
from taihri_ros.model.grammar import Grammar


@dataclass(frozen=True)
class Run:
    """Tokens that are written, and coordinates that are decoded after them.

    Attributes:
        forced: Ids of the tokens.
        count: How many coordinates follow, one after the other; at least one.
    """

    forced: tuple[int, ...]
    count: int


@dataclass(frozen=True)
class Straight:
    """An answer without choices.

    Attributes:
        runs: Its parts, in order; at least one.
        ending: Ids of the tokens after the last coordinate, which no pass is needed for.
    """

    runs: tuple[Run, ...]
    ending: tuple[int, ...]

    @property
    def length(self) -> int:
        """How many tokens it has, the end token left out."""
        return sum(len(run.forced) + run.count for run in self.runs) + len(self.ending)


def straighten(grammar: Grammar, encode: Encode) -> Straight | None:
    """Cut a grammar.

    Args:
        grammar: The grammar.
        encode: The tokenizer.

    Returns:
        The answer's parts, or None where the grammar leaves choices beside the coordinates, or has none of these.
    """
    runs: list[Run] = []
    forced: tuple[int, ...] = ()
    for symbol in tokenize(grammar, encode):
        if isinstance(symbol, Tokens):
            forced += symbol.ids
        elif isinstance(symbol, tuple):
            return None
        elif runs and not forced:
            runs[-1] = Run(runs[-1].forced, runs[-1].count + 1)
        else:
            runs.append(Run(forced, 1))
            forced = ()
    return Straight(tuple(runs), forced) if runs else None


_Found = TypeVar("_Found")


class Filling(Generic[_Found]):
    """A straight answer while its coordinates are decoded.

    Attributes:
        tokens: Ids of the answer so far, forced ones included up to the next coordinate.
        alternatives: For each of them what `choose` was given; None for forced ones.
        unread: The tokens that the model has not read yet; it reads them to say the next coordinate.
        left: How many coordinates are to be decoded before tokens are forced again; 0 when the answer is complete.
    """

    def __init__(self, straight: Straight) -> None:
        """Begin an answer."""
        self.tokens: list[int] = []
        self.alternatives: list[_Found | None] = []
        self.unread: tuple[int, ...] = ()
        self.left = 0
        self._runs = iter(straight.runs)
        self._ending = straight.ending
        self._go_on()

    def choose(self, token: int, alternatives: _Found | None) -> None:
        """Take the next coordinate.

        Args:
            token: Its id.
            alternatives: What else it might have been, in whatever form.
        """
        self.tokens.append(token)
        self.alternatives.append(alternatives)
        self.unread = (token,)
        self.left -= 1
        if not self.left:
            self._go_on()

    def _go_on(self) -> None:
        run = next(self._runs, None)
        forced = self._ending if run is None else run.forced
        self.tokens += forced
        self.alternatives += [None] * len(forced)
        self.unread += forced
        self.left = 0 if run is None else run.count
