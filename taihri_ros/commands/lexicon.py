"""The words of a language: which of its word lists a word of a sentence belongs to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from taihri_ros.commands.plain_words import plain_words

_SPLIT = re.compile(r"[\s'-]+")
_DRAWN_OUT = re.compile(r"(.)\1{2,}")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


def words_of(text: str) -> tuple[str, ...]:
    """Return the plain words of a text, cut at hyphens and apostrophes.

    Args:
        text: The text, as it was received.

    Example:
        >>> words_of("L\u2019épaule, serre-moi!")
        ('l', 'epaule', 'serre', 'moi')
    """
    return tuple(word for word in _SPLIT.split(plain_words(text)) if word)


_Entry: TypeAlias = tuple[tuple[str, ...], str]
"""The words of an entry after its first one, and the name of its list."""

_CACHED_WORDS = 2000
_SHORTEST_MISTYPED = 5
"""Length of the shortest word that is corrected, in letters."""


class Lexicon:
    """Word lists by name; an entry is one or several words, and `*` at its end stands for any ending.

    Example:
        >>> lexicon = Lexicon({"person": ["me", "the visitor"], "shake": ["shak*"]}, endings=["me"])
        >>> lexicon.words("shaking the visitor, please")
        ('shaking', 'the', 'visitor', 'please')
        >>> lexicon.names(("shaking", "the", "visitor"))
        [{'shake': (1,)}, {'person': (2,)}, {}]
    """

    def __init__(self, lists: Mapping[str, Iterable[str]], endings: Sequence[str] = ()) -> None:
        """Index the lists.

        Args:
            lists: The entries of each list.
            endings: Pronouns that are written together with a verb before them, such as `me` in Spanish "dame".
        """
        self._endings = sorted(endings, key=len, reverse=True)
        self._entries: dict[str, list[_Entry]] = defaultdict(list)
        for name, entries in lists.items():
            for entry in entries:
                for spelling in {entry, entry.translate(_UMLAUTS)}:
                    first, *rest = (word + "*" * (entry.endswith("*")) for word in words_of(spelling))
                    if rest:
                        first, rest = first.rstrip("*"), [*(word.rstrip("*") for word in rest[:-1]), rest[-1]]
                    self._entries[first].append((tuple(rest), name))
        self._beginning_with = lru_cache(_CACHED_WORDS)(self._look_up)
        self._words = {
            word
            for first, longer in self._entries.items()
            for word in (first, *(w for rest, _ in longer for w in rest))
        }
        self._shortened = {
            shorter: word
            for word in sorted(self._words)
            if len(word) >= _SHORTEST_MISTYPED and not word.endswith("*")
            for shorter in _without_a_letter(word)
        }

    def words(self, text: str) -> tuple[str, ...]:
        """Return the words of a text, with pronouns cut off the verbs that they are written together with.

        A word that is in no list, but would be with a letter more or less, or with two neighbouring letters swapped, is
        corrected, except at its first and last letter, and so is a drawn-out one ("huggg", "pleeease"). Another letter
        in place of one is not corrected: that makes too many words of other subjects alike.

        Args:
            text: Free words.

        Returns:
            Plain words.
        """
        return tuple(part for word in words_of(text) for part in self._parts(self._corrected(word)))

    def names(self, words: Sequence[str]) -> list[dict[str, tuple[int, ...]]]:
        """Return the lists that each word begins an entry of, with the lengths of these entries in words."""
        found = []
        for index, word in enumerate(words):
            lengths, longer = self._beginning_with(word)
            lengths = dict(lengths)
            for rest, name in longer:
                following = words[index + 1 : index + 1 + len(rest)]
                if len(following) == len(rest) and all(map(_is_entry, following, rest)):
                    lengths[name] = (*lengths.get(name, ()), 1 + len(rest))
            found.append(lengths)
        return found

    def _look_up(self, word: str) -> tuple[dict[str, tuple[int, ...]], tuple[_Entry, ...]]:
        """Return the lists that a word is an entry of, and the longer entries that begin with it."""
        stems = (f"{word[:end]}*" for end in range(1, len(word) + 1))
        entries = [entry for first in (word, *stems) for entry in self._entries.get(first, ())]
        return {name: (1,) for rest, name in entries if not rest}, tuple(entry for entry in entries if entry[0])

    def _corrected(self, word: str) -> str:
        if any(self._beginning_with(word)) or word in self._words:
            return word
        if _DRAWN_OUT.search(word):
            spellings = (_DRAWN_OUT.sub(letters, word) for letters in (r"\1", r"\1\1"))
            return next((other for other in spellings if other in self._words), word)
        if len(word) < _SHORTEST_MISTYPED:
            return word
        swapped = (f"{word[:i]}{word[i + 1]}{word[i]}{word[i + 2 :]}" for i in range(1, len(word) - 2))
        known = (other for other in (*swapped, *_without_a_letter(word)) if other in self._words)
        return next(known, self._shortened.get(word, word))

    def _parts(self, word: str) -> tuple[str, ...]:
        if self._endings and word not in self._entries:
            for ending in self._endings:
                verb = word.removesuffix(ending)
                if verb != word and any(self._beginning_with(verb)):
                    return (verb, ending)
        return (word,)


def _is_entry(word: str, entry: str) -> bool:
    return word.startswith(entry[:-1]) if entry.endswith("*") else word == entry


def _without_a_letter(word: str) -> list[str]:
    """Return the words that are left when a letter between the first and the last one is missing."""
    return [word[:place] + word[place + 1 :] for place in range(1, len(word) - 1)]
