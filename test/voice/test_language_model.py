"""The language model of the spoken sentences."""

from __future__ import annotations

import re
from itertools import product

import pytest
from heard import TASKS, sentences

from taihri_ros.voice.language_model import arpa_trigrams, spoken_words

SENTENCES = [spoken_words(text) for text in ("Shake my hand!", "shake my left hand", "stop", "hug me")]


class Arpa:
    """Reads the probabilities of an ARPA file as its definition says."""

    def __init__(self, text: str) -> None:
        self.logarithms: dict[tuple[str, ...], float] = {}
        self.backoffs: dict[tuple[str, ...], float] = {}
        for line in re.findall(r"^-?\d.*$", text, re.MULTILINE):
            logarithm, gram, *backoff = line.split("\t")
            words = tuple(gram.split())
            self.logarithms[words] = float(logarithm)
            self.backoffs[words] = float(backoff[0]) if backoff else 0.0

    def probability(self, history: tuple[str, ...], word: str) -> float:
        return float(10 ** self._logarithm(history, word))

    def _logarithm(self, history: tuple[str, ...], word: str) -> float:
        if (*history, word) in self.logarithms:
            return self.logarithms[(*history, word)]
        return self.backoffs.get(history, 0.0) + self._logarithm(history[1:], word)


def test_the_probabilities_after_every_history_sum_to_one() -> None:
    arpa = Arpa(arpa_trigrams(SENTENCES))
    words = [gram[0] for gram in arpa.logarithms if len(gram) == 1]
    after = [word for word in words if word != "<s>"]
    histories = [(), *((word,) for word in words), *product(words, words)]
    for history in histories:
        assert sum(arpa.probability(history, word) for word in after) == pytest.approx(1.0, abs=2e-3), history


def test_what_was_said_more_often_is_more_probable() -> None:
    arpa = Arpa(arpa_trigrams(SENTENCES))
    assert arpa.probability(("<s>",), "shake") > arpa.probability(("<s>",), "stop") > arpa.probability(("<s>",), "left")


def test_the_header_counts_the_grams() -> None:
    text = arpa_trigrams(SENTENCES)
    for order, count in re.findall(r"ngram (\d)=(\d+)", text):
        section = re.search(rf"\\{order}-grams:\n((?:-?\d.*\n)*)", text)
        assert section is not None
        assert len(section[1].splitlines()) == int(count)


def test_every_task_is_among_the_spoken_sentences() -> None:
    known = set(sentences())
    for task in TASKS.tasks:
        assert spoken_words(task.phrasings[0]) in known
    assert sum(spoken_words(text) in known for task in TASKS.tasks for text in task.held_out) == 0


def test_negated_orders_are_among_the_spoken_sentences_and_chatter_is_not() -> None:
    known = set(sentences())
    assert sum("don't" in words for words in known) >= 10
    assert spoken_words("what time is it") not in known
