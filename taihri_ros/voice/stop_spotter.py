"""A search of its own for "stop", which hears it while people are still speaking.

It runs on every block of audio beside everything else, whatever the mode. PocketSphinx compares the word with a loop of
all sounds and reports it where their likelihood ratio passes a threshold.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taihri_ros.voice.recogniser import RATE_HZ
from taihri_ros.voice.sphinx import decoder

_ANYWHERE = 1e-10
"""Threshold of "stop" anywhere in speech; at this one no other sentence of the tests is taken for it."""

_ALONE = ((0.8, 1e-50), (1.1, 1e-30))
"""Thresholds of "stop" in an utterance of at most so many seconds, with the pauses at its ends: the shorter it is, the
less it can be anything else. In longer ones the recogniser's readings say more."""


class StopSpotter:
    """The keyphrase search for "stop"."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            VoiceError: pocketsphinx is not installed.
        """
        self._anywhere = decoder(lm=None)
        self._alone = decoder(lm=None)
        with tempfile.TemporaryDirectory() as directory:
            for search, threshold in ((self._anywhere, _ANYWHERE), *((self._alone, each) for _, each in _ALONE)):
                file = Path(directory) / f"{threshold:.0e}"
                file.write_text(f"stop /{threshold:.0e}/\n", encoding="ascii")
                search.add_kws(file.name, str(file))
        self._anywhere.activate_search(f"{_ANYWHERE:.0e}")
        self._running = False

    def heard_in(self, block: NDArray[np.int16]) -> bool:
        """Return whether "stop" was heard in the speech up to the end of a block.

        Args:
            block: (n,) int16, mono, 16 kHz, following the block before it.
        """
        if not self._running:
            self._anywhere.start_utt()
            self._running = True
        self._anywhere.process_raw(block.tobytes(), False, False)
        if self._anywhere.hyp() is None:
            return False
        self.restart()
        return True

    def restart(self) -> None:
        """Begin a new search, as after a pause."""
        if self._running:
            self._anywhere.end_utt()
            self._running = False

    def heard_alone(self, utterance: NDArray[np.int16]) -> bool:
        """Return whether an utterance may be nothing but "stop"; a long one never is.

        Args:
            utterance: (n,) int16, mono, 16 kHz.
        """
        limits = (threshold for seconds, threshold in _ALONE if utterance.size <= seconds * RATE_HZ)
        threshold = next(limits, None)
        if threshold is None:
            return False
        self._alone.activate_search(f"{threshold:.0e}")
        self._alone.start_utt()
        self._alone.process_raw(utterance.tobytes(), False, True)
        self._alone.end_utt()
        return self._alone.hyp() is not None
