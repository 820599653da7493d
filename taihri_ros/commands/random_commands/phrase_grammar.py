"""Sentence patterns: text in which `(a|b)`, `[a]` and `<name>` stand for one of several texts.

`(a|b)` is one of its parts, `[a|b]` one of them or nothing, and `<name>` one text of the list of that name. Parts can
be nested. Other characters, also `{`, stand for themselves. This is the notation of JSGF (JSpeech Grammar Format, W3C
note, 2000) without weights and recursion.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taihri_ros.errors import TaihriError

_TOKEN = re.compile(r"[()\[\]|]|<\w+>|[^()\[\]|<>]+")
_CLOSING = {"(": ")", "[": "]"}


class PatternError(TaihriError):
    """An error for a pattern that cannot be read."""


@dataclass(frozen=True)
class _Choice:
    """One of several sequences; if it is optional, nothing in half of the samples."""

    sequences: tuple[tuple[str | _Choice, ...], ...]
    optional: bool = False

    @property
    def count(self) -> int:
        counts = []
        for sequence in self.sequences:
            count = 1
            for part in sequence:
                count *= 1 if isinstance(part, str) else part.count
            counts.append(count)
        return sum(counts) + self.optional

    def sample(self, rng: random.Random) -> str:
        if self.optional and rng.random() < 0.5:
            return ""
        sequence = self.sequences[0] if len(self.sequences) == 1 else rng.choice(self.sequences)
        return "".join(part if isinstance(part, str) else part.sample(rng) for part in sequence)


class Pattern:
    """A sentence pattern.

    Example:
        >>> import random
        >>> pattern = Pattern("(shake|take) my [left] <part>", {"part": ["hand", "arm"]})
        >>> pattern.count, pattern.sample(random.Random(1))
        (8, 'shake my left hand')
    """

    def __init__(self, text: str, words: Mapping[str, Sequence[str]]) -> None:
        """Read a pattern.

        Args:
            text: The pattern.
            words: The lists that `<name>` refers to; their texts are patterns, too.

        Raises:
            PatternError: A bracket is not closed or not opened, or a list is unknown.
        """
        self.text = text
        tokens = _TOKEN.findall(text)
        if "".join(tokens) != text:
            raise PatternError(f"the pattern {text!r} has a '<' or '>' that is no name of a list: remove it")
        self._choice, _ = _read(tokens, 0, "", text, words)

    @property
    def count(self) -> int:
        """Return the number of texts that the pattern stands for, counted with repetitions."""
        return self._choice.count

    def sample(self, rng: random.Random) -> str:
        """Return one of the texts, with single spaces.

        Args:
            rng: The random number generator.
        """
        return re.sub(r" (?=[,.!?])", "", " ".join(self._choice.sample(rng).split()))


def _read(
    tokens: Sequence[str], start: int, opening: str, text: str, words: Mapping[str, Sequence[str]]
) -> tuple[_Choice, int]:
    """Read alternatives up to the closing bracket of `opening`; return them and the index behind the bracket."""
    sequences: list[tuple[str | _Choice, ...]] = []
    sequence: list[str | _Choice] = []
    index = start
    while index < len(tokens) and tokens[index] not in (")", "]"):
        token = tokens[index]
        index += 1
        if token == "|":
            sequences.append(tuple(sequence))
            sequence = []
        elif token in _CLOSING:
            inner, index = _read(tokens, index, token, text, words)
            sequence.append(inner)
        elif token.startswith("<"):
            sequence.append(_list(token[1:-1], text, words))
        else:
            sequence.append(token)
    closing = tokens[index] if index < len(tokens) else ""
    if closing != _CLOSING.get(opening, ""):
        raise PatternError(
            f"the pattern {text!r} has {opening or closing!r} without its other bracket: add or remove it"
        )
    return _Choice((*sequences, tuple(sequence)), opening == "["), index + bool(opening)


def _list(name: str, text: str, words: Mapping[str, Sequence[str]]) -> _Choice:
    if name not in words:
        raise PatternError(f"the pattern {text!r} refers to the unknown list {name!r}; known are {', '.join(words)}")
    return _Choice(tuple((_read(_TOKEN.findall(entry), 0, "", entry, words)[0],) for entry in words[name]))
