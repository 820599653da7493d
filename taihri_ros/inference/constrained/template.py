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
class Segment:
    """Tokens that are written, and coordinates that are decoded after them.

    Attributes:
        fixed: Ids of the tokens.
        count: How many coordinates follow, one after the other; at least one.
    """

    fixed: tuple[int, ...]
    count: int


@dataclass(frozen=True)
class Template:
    """An answer without choices.

    Attributes:
        segments: Its parts, in order; at least one.
        ending: Ids of the tokens after the last coordinate, which no pass is needed for.
    """

    segments: tuple[Segment, ...]
    ending: tuple[int, ...]

    @property
    def length(self) -> int:
        """How many tokens it has, the end token left out."""
        return sum(len(segment.fixed) + segment.count for segment in self.segments) + len(self.ending)


def make_template(grammar: Grammar, encode: Encode) -> Template | None:
    """Cut a grammar.

    Args:
        grammar: The grammar.
        encode: The tokenizer.

    Returns:
        The answer's parts, or None where the grammar leaves choices beside the coordinates, or has none of these.
    """
    segments: list[Segment] = []
    fixed: tuple[int, ...] = ()
    for symbol in tokenize(grammar, encode):
        if isinstance(symbol, Tokens):
            fixed += symbol.ids
        elif isinstance(symbol, tuple):
            return None
        elif segments and not fixed:
            segments[-1] = Segment(segments[-1].fixed, segments[-1].count + 1)
        else:
            segments.append(Segment(fixed, 1))
            fixed = ()
    return Template(tuple(segments), fixed) if segments else None


_Found = TypeVar("_Found")


class TemplateState(Generic[_Found]):
    """A straight answer while its coordinates are decoded.

    Attributes:
        tokens: Ids of the answer so far, forced ones included up to the next coordinate.
        top_k: For each of them what `choose` was given; None for forced ones.
        unread: The tokens that the model has not read yet; it reads them to say the next coordinate.
        left: How many coordinates are to be decoded before tokens are forced again; 0 when the answer is complete.
    """

    def __init__(self, template: Template) -> None:
        """Begin an answer."""
        self.tokens: list[int] = []
        self.top_k: list[_Found | None] = []
        self.unread: tuple[int, ...] = ()
        self.left = 0
        self._segments = iter(template.segments)
        self._ending = template.ending
        self._go_on()

    def choose(self, token: int, top_k: _Found | None) -> None:
        """Take the next coordinate.

        Args:
            token: Its id.
            top_k: What else it might have been, in whatever form.
        """
        self.tokens.append(token)
        self.top_k.append(top_k)
        self.unread = (token,)
        self.left -= 1
        if not self.left:
            self._go_on()

    def _go_on(self) -> None:
        segment = next(self._segments, None)
        fixed = self._ending if segment is None else segment.fixed
        self.tokens += fixed
        self.top_k += [None] * len(fixed)
        self.unread += fixed
        self.left = 0 if segment is None else segment.count
