"""Speech recognition that is installed whole: PocketSphinx with a language model made from the task table.

PocketSphinx (Huggins-Daines and others, 2006) comes with an acoustic model and a pronunciation dictionary of American
English. The trigrams of the task table replace its general language model.
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

from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.language_model import arpa_trigrams
from taihri_ros.voice.recogniser import Hypothesis

_LANGUAGE_WEIGHT = 5.0
_READINGS = 20
"""Number of readings that are compared for the probability of the best one."""

_TEMPERATURE = 100.0
"""Divisor of the difference of the logarithmic likelihoods of two readings; the acoustic ones are too sharp by far."""

_SCORE_SCALE = 1024.0
"""PocketSphinx divides the logarithmic likelihoods of sounds by this."""

_CLEAR_FROM, _CLEAR_WITHIN = -65.0, 8.0
"""Logarithmic posterior of the best reading for each frame at which half of the readings are right, and the range in
which that share changes; seen on synthetic speech that is not among the tests."""


def pocketsphinx_module() -> Any:
    """Return the module pocketsphinx.

    Raises:
        VoiceError: It is not installed.
    """
    try:
        import pocketsphinx
    except ModuleNotFoundError as error:
        raise VoiceError(f"{error.name} is not installed: pip install 'taihri_ros[voice]'") from error
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
    """PocketSphinx for the sentences of a language model."""

    def __init__(self, sentences: Iterable[tuple[str, ...]]) -> None:
        """Make the language model and load it.

        Args:
            sentences: The words of the sentences; one with a word that has no known pronunciation is left out.

        Raises:
            VoiceError: pocketsphinx is not installed.
        """
        self._decoder = decoder(lm=None, lw=_LANGUAGE_WEIGHT)
        known: dict[str, bool] = {}
        sayable = []
        for words in sentences:
            for word in words:
                if word not in known:
                    known[word] = self._decoder.lookup_word(word) is not None
            if words and all(known[word] for word in words):
                sayable.append(words)
        self.unknown_words = frozenset(word for word, is_known in known.items() if not is_known)
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "tasks.arpa"
            file.write_text(arpa_trigrams(sayable), encoding="ascii")
            self._decoder.add_lm_file("tasks", str(file))
        self._decoder.activate_search("tasks")

    def recognise(self, samples: NDArray[np.int16]) -> list[Hypothesis]:
        """Return the readings of an utterance; part of `Recogniser`."""
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), False, True)
        self._decoder.end_utt()
        best = self._decoder.hyp()
        if best is None or not best.hypstr:
            return []
        clarity = _clarity(best.prob, self._decoder.n_frames())
        likelihoods: dict[str, float] = {}
        for reading in islice(self._decoder.nbest(), _READINGS):
            if reading is not None and reading.score > 0 and reading.hypstr:
                likelihood = math.log(reading.score) * _SCORE_SCALE / _TEMPERATURE
                likelihoods[reading.hypstr] = max(likelihood, likelihoods.get(reading.hypstr, -math.inf))
        if not likelihoods:
            return [Hypothesis(best.hypstr, clarity)]
        likelihoods.setdefault(best.hypstr, max(likelihoods.values()))
        largest = max(likelihoods.values())
        weights = {text: math.exp(value - largest) for text, value in likelihoods.items()}
        total = sum(weights.values())
        readings = [Hypothesis(text, clarity * weight / total) for text, weight in weights.items()]
        return sorted(readings, key=lambda reading: -reading.probability)


def _clarity(posterior: float, frames: int) -> float:
    """Return how clearly an utterance was heard, in [0, 1], from the posterior of its best reading."""
    logarithm = math.log(posterior) * _SCORE_SCALE / max(frames, 1) if posterior > 0 else -math.inf
    return 1.0 / (1.0 + math.exp(min(700.0, (_CLEAR_FROM - logarithm) / _CLEAR_WITHIN)))
