"""Speech recognition that is installed whole: PocketSphinx with a language model made from the task table.

PocketSphinx (Huggins-Daines and others, 2006) comes with an acoustic model, a pronunciation dictionary and a general
language model of American English. An utterance is read twice: with trigrams of what may be said to the robot, which
pull unclear words to those that make sense, and with the general trigrams. Which of the two explains the sounds better
says whether the robot was meant at all, as an anti-model does in keyword search (Rose and Paul, A hidden Markov model
based keyword recognition system, 1990).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import imports_of
from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.language_model import arpa_trigrams
from taihri_ros.voice.recogniser import RATE_HZ, Hypothesis

_LANGUAGE_WEIGHT = 5.0
_READINGS = 20
"""Number of readings of orders that are compared for the probability of the best one."""

_TEMPERATURE = 100.0
"""Divisor of the difference of the logarithmic likelihoods of two readings; the acoustic ones are too sharp by far."""

_SCORE_SCALE = 1024.0
"""PocketSphinx divides the logarithmic likelihoods of sounds by this."""

_EVEN_AT, _EVEN_WITHIN = -30.0, 5.0
"""Difference of the logarithmic likelihoods of the readings, as an order and as anything, in a second, at which both
are equally probable, and the range in which that changes; seen on synthetic speech that is not among the reported one.
It is below zero because an order may hold a word that only the general language model knows."""

_QUICK = {
    "fwdflat": False,
    "bestpath": False,
    "maxhmmpf": 3000,
    "maxwpf": 10,
    "beam": 1e-40,
    "wbeam": 1e-22,
    "pbeam": 1e-40,
    "lpbeam": 1e-32,
    "lponlybeam": 1e-22,
}
"""Settings of the search with the general language model: one pass with narrow beams, as fast as that for orders."""


def pocketsphinx_module() -> Any:
    """Return the module pocketsphinx.

    Raises:
        VoiceError: It is not installed.
    """
    with imports_of("voice", VoiceError):
        import pocketsphinx
    pocketsphinx.set_loglevel("FATAL")
    return pocketsphinx


def decoder(**settings: Any) -> Any:
    """Return a decoder of PocketSphinx with its model of American English.

    Args:
        settings: Further settings of PocketSphinx.

    Raises:
        VoiceError: pocketsphinx is not installed.
    """
    sphinx = pocketsphinx_module()
    model = Path(sphinx.get_model_path("en-us"))
    return sphinx.Decoder(
        hmm=str(model / "en-us"),
        dict=str(model / "cmudict-en-us.dict"),
        loglevel="FATAL",
        **settings,
    )


class SphinxRecogniser:
    """PocketSphinx for the sentences of a language model, among all that people say."""

    def __init__(self, sentences: Iterable[tuple[str, ...]]) -> None:
        """Make the language model and load it.

        Args:
            sentences: The words of sentences that are meant for the robot; one with a word that has no known
                pronunciation is left out.

        Raises:
            VoiceError: pocketsphinx is not installed.
        """
        self._orders = decoder(lm=None, lw=_LANGUAGE_WEIGHT)
        known: dict[str, bool] = {}
        sayable = []
        for words in sentences:
            for word in words:
                if word not in known:
                    known[word] = self._orders.lookup_word(word) is not None
            if words and all(known[word] for word in words):
                sayable.append(words)
        self.unknown_words = frozenset(word for word, is_known in known.items() if not is_known)
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "tasks.arpa"
            file.write_text(arpa_trigrams(sayable), encoding="ascii")
            self._orders.add_lm_file("tasks", str(file))
        self._orders.activate_search("tasks")
        general = Path(pocketsphinx_module().get_model_path("en-us")) / "en-us.lm.bin"
        self._anything = decoder(lm=str(general), lw=_LANGUAGE_WEIGHT, **_QUICK)

    def recognise(self, samples: NDArray[np.int16]) -> list[Hypothesis]:
        """Return the readings of an utterance; part of `Recogniser`."""
        duration_s = samples.size / RATE_HZ
        order = _best(self._orders, samples)
        other = _best(self._anything, samples)
        if order is None:
            return [] if other is None else [Hypothesis(other[0], 1.0, general=True)]
        meant = 1.0 if other is None else _logistic(((order[1] - other[1]) / duration_s - _EVEN_AT) / _EVEN_WITHIN)
        likelihoods: dict[str, float] = {}
        for reading in islice(self._orders.nbest(), _READINGS):
            if reading is not None and reading.score > 0 and reading.hypstr:
                likelihood = math.log(reading.score) * _SCORE_SCALE / _TEMPERATURE
                likelihoods[reading.hypstr] = max(likelihood, likelihoods.get(reading.hypstr, -math.inf))
        largest = max(likelihoods.values(), default=0.0)
        likelihoods.setdefault(order[0], largest)
        weights = {text: math.exp(value - largest) for text, value in likelihoods.items()}
        total = sum(weights.values())
        readings = [Hypothesis(text, meant * weight / total) for text, weight in weights.items()]
        if other is not None:
            readings.append(Hypothesis(other[0], 1.0 - meant, general=True))
        return sorted(readings, key=lambda reading: -reading.probability)


def _best(search: Any, samples: NDArray[np.int16]) -> tuple[str, float] | None:
    """Return the words of an utterance and their logarithmic likelihood, or None if no word is heard."""
    search.start_utt()
    search.process_raw(samples.tobytes(), False, True)
    search.end_utt()
    best = search.hyp()
    if best is None or not best.hypstr or best.score <= 0:
        return None
    return best.hypstr, math.log(best.score) * _SCORE_SCALE


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, value))))
