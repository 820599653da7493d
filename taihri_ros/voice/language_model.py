"""A trigram language model of spoken sentences, in the ARPA format that speech recognisers read.

Probabilities are smoothed after Witten and Bell (The zero-frequency problem, 1991): a history hands as much probability
down to the shorter history as it has different words after it.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

_ORDER = 3
_BEGIN, _END = "<s>", "</s>"
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
_Words = tuple[str, ...]


def spoken_words(text: str) -> _Words:
    """Return the words of an English sentence as a pronunciation dictionary has them: `("don't", "stop")`."""
    return tuple(_WORD.findall(text.casefold().replace("\u2019", "'")))


def arpa_trigrams(sentences: Iterable[_Words]) -> str:
    """Return the language model of sentences.

    Args:
        sentences: The words of each sentence; a sentence that occurs more often is more probable.

    Returns:
        The text of an ARPA file with the words of the sentences, `<s>` and `</s>`.
    """
    following: dict[_Words, Counter[str]] = defaultdict(Counter)
    for words in sentences:
        padded = (_BEGIN, *words, _END)
        for end in range(1, len(padded)):
            for length in range(min(_ORDER, end + 1)):
                following[padded[end - length : end]][padded[end]] += 1
    probabilities = _Probabilities(following)
    grams = [
        sorted((*history, word) for history in following if len(history) == length for word in following[history])
        for length in range(_ORDER)
    ]
    grams[0].insert(0, (_BEGIN,))
    lines = ["\\data\\", *(f"ngram {n}={len(found)}" for n, found in enumerate(grams, 1))]
    for n, found in enumerate(grams, 1):
        lines += ["", f"\\{n}-grams:"]
        for gram in found:
            logarithm = -99.0 if gram == (_BEGIN,) else math.log10(probabilities.of(gram[:-1], gram[-1]))
            backoff = f"\t{math.log10(probabilities.backoff(gram)):.4f}" if n < _ORDER else ""
            lines.append(f"{logarithm:.4f}\t{' '.join(gram)}{backoff}")
    return "\n".join([*lines, "", "\\end\\", ""])


class _Probabilities:
    """Smoothed probabilities of a word after a history."""

    def __init__(self, following: Mapping[_Words, Counter[str]]) -> None:
        self._following = following
        self._totals = {history: sum(counts.values()) for history, counts in following.items()}
        self._known: dict[tuple[_Words, str], float] = {}

    def of(self, history: _Words, word: str) -> float:
        """Return the probability of a word."""
        key = history, word
        if key not in self._known:
            counts = self._following[history]
            kinds = len(counts)
            shorter = self.of(history[1:], word) if history else 1 / kinds
            self._known[key] = (counts[word] + kinds * shorter) / (self._totals[history] + kinds)
        return self._known[key]

    def backoff(self, history: _Words) -> float:
        """Return the share of the probability that a history hands down; 1 if nothing followed it."""
        kinds = len(self._following.get(history, ()))
        return kinds / (self._totals[history] + kinds) if kinds else 1.0
