"""Patterns over the words of a sentence, which say what it asks for.

A pattern lists what a sentence must have, in any order, joined by ` + `; what follows ` - ` it must not have. Each of
them is a sequence of words: `a/b` is one of two words, `a*` any ending, `<name>` an entry of the list of that name,
`[a]` may be missing, `..` stands for up to five words, `^` and `$` for the beginning and the end of the sentence.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from taihri_ros.errors import TaihriError

_LONGEST_GAP = 5
"""Largest number of words that a gap of a pattern stands for."""

_SIGN = re.compile(r"\s([+-])\s")


class PatternError(TaihriError):
    """An error for a pattern that cannot be read."""


@dataclass(frozen=True)
class Tagged:
    """A sentence whose words are looked up.

    Attributes:
        words: The words.
        names: For each word the lists that it begins an entry of, with the lengths of these entries.
    """

    words: tuple[str, ...]
    names: Sequence[Mapping[str, Iterable[int]]]

    @cached_property
    def present(self) -> frozenset[str]:
        """The names of all these lists."""
        return frozenset(name for found in self.names for name in found)


@dataclass(frozen=True)
class _Item:
    """One place of a sequence: an entry of one of several lists, a gap `..`, or an end of the sentence `^`, `$`."""

    names: tuple[str, ...]
    optional: bool
    is_word: bool


class WordPattern:
    """A pattern over the words of a sentence."""

    def __init__(self, text: str) -> None:
        """Read a pattern.

        Args:
            text: The pattern.

        Raises:
            PatternError: A part of it is empty.
        """
        parts = _SIGN.split(f" + {text.strip()} ")[1:]
        signed = [(sign, _read(words)) for sign, words in zip(parts[::2], parts[1::2], strict=True)]
        if not all(items for _, items in signed):
            raise PatternError(f"the pattern {text!r} has an empty part: remove the sign, or write words")
        self._wanted = [items for sign, items in signed if sign == "+"]
        self._unwanted = [items for sign, items in signed if sign == "-"]
        self.needed = [item.names for items in self._wanted for item in items if item.is_word and not item.optional]

    @property
    def names(self) -> set[str]:
        """Return the lists that the pattern refers to; a word such as `hold*` is a list of its own."""
        sequences = (*self._wanted, *self._unwanted)
        return {name for items in sequences for item in items if item.is_word for name in item.names}

    def matches(self, sentence: Tagged) -> bool:
        """Check whether a sentence has all that the pattern wants, and nothing that it does not want."""
        return (
            not any(sentence.present.isdisjoint(names) for names in self.needed)
            and all(_found(items, sentence) for items in self._wanted)
            and not any(_found(items, sentence) for items in self._unwanted)
        )


class PatternIndex:
    """Patterns with a label each, found by the rarest list that each of them needs."""

    def __init__(self, patterns: Sequence[tuple[WordPattern, str]]) -> None:
        """Index the patterns.

        Args:
            patterns: The patterns with their labels, in the order in which they are tried.
        """
        self._patterns = patterns
        uses = Counter(name for pattern, _ in patterns for names in pattern.needed for name in names)
        self._with: dict[str, list[int]] = defaultdict(list)
        for number, (pattern, _) in enumerate(patterns):
            rarest = min(pattern.needed, key=lambda names: sum(uses[name] for name in names))
            for name in dict.fromkeys(rarest):
                self._with[name].append(number)

    def first(self, sentence: Tagged) -> str | None:
        """Return the label of the first pattern that a sentence fits, or None."""
        possible = sorted({number for name in sentence.present for number in self._with.get(name, ())})
        return next(
            (self._patterns[number][1] for number in possible if self._patterns[number][0].matches(sentence)), None
        )


def _read(text: str) -> tuple[_Item, ...]:
    return tuple(
        _Item(
            names=tuple(word.strip("[]").split("/")),
            optional=word.startswith("[") and word.endswith("]"),
            is_word=word not in ("..", "^", "$"),
        )
        for word in text.split()
    )


def _found(items: Sequence[_Item], sentence: Tagged) -> bool:
    first = items[0]
    if first.is_word and not first.optional:
        starts = [at for at, found in enumerate(sentence.names) if not found.keys().isdisjoint(first.names)]
    else:
        starts = [0] if first.names[0] == "^" else list(range(len(sentence.words) + 1))
    return any(_follows(items, 0, start, sentence) for start in starts)


def _follows(items: Sequence[_Item], place: int, at: int, sentence: Tagged) -> bool:
    """Check whether the items from `place` on are the words from `at` on."""
    if place == len(items):
        return True
    item, size = items[place], len(sentence.words)
    if item.optional and _follows(items, place + 1, at, sentence):
        return True
    if item.names[0] == "..":
        return any(_follows(items, place + 1, at + skipped, sentence) for skipped in range(_LONGEST_GAP + 1))
    if item.names[0] in ("^", "$"):
        return at == (0 if item.names[0] == "^" else size) and _follows(items, place + 1, at, sentence)
    if at >= size:
        return False
    found = sentence.names[at]
    for name in item.names:
        for length in found.get(name, ()):
            if _follows(items, place + 1, at + length, sentence):
                return True
    return False
