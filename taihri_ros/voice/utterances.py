"""Utterances in a stream of audio, by the voice activity detector of WebRTC, which comes with PocketSphinx."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from taihri_ros.voice.recogniser import RATE_HZ
from taihri_ros.voice.sphinx import pocketsphinx_module

_WINDOW_S = 0.3
"""Speech begins or ends where nearly all of this time is voiced or unvoiced, seconds."""

_SHARE = 0.8
_BEFORE_S = 0.6
"""Audio that is kept before speech is detected, seconds: the window, and the quiet first sound of a word."""

_LONGEST_S = 12.0
"""An utterance is cut here, seconds; nobody gives so long an order, and a loud room must not fill the memory."""


class Utterances:
    """A detector of utterances: the stretches of speech between pauses."""

    def __init__(self, strictness: int = 2) -> None:
        """Create a detector.

        Args:
            strictness: From 0 to 3, how surely a sound must be voice.

        Raises:
            VoiceError: pocketsphinx is not installed.
        """
        endpointer = pocketsphinx_module().Endpointer
        self._new_endpointer = partial(
            endpointer, window=_WINDOW_S, ratio=_SHARE, vad_mode=strictness, sample_rate=RATE_HZ
        )
        self._endpointer = self._new_endpointer()
        self._frame = int(self._endpointer.frame_bytes)
        frames_per_s = 2 * RATE_HZ / self._frame
        self._before: deque[bytes] = deque(maxlen=round(_BEFORE_S * frames_per_s))
        self._longest = round(_LONGEST_S * frames_per_s)
        self._waiting = b""
        self._spoken: list[bytes] = []

    def add(self, block: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
        """Yield the utterances that end within a block.

        Args:
            block: (n,) int16, mono, 16 kHz.

        Yields:
            (m,) int16 samples of an utterance, with a little of the pauses around it.
        """
        self._waiting += block.tobytes()
        while len(self._waiting) >= self._frame:
            frame, self._waiting = self._waiting[: self._frame], self._waiting[self._frame :]
            self._endpointer.process(frame)
            if self._endpointer.in_speech:
                self._spoken += [*self._before, frame]
                self._before.clear()
            else:
                self._before.append(frame)
            if self._spoken and (not self._endpointer.in_speech or len(self._spoken) >= self._longest):
                yield self._taken()

    def end(self) -> NDArray[np.int16] | None:
        """Return the utterance at the end of the stream, or None; another stream may follow."""
        self._waiting = b""
        self._before.clear()
        self._endpointer = self._new_endpointer()
        return self._taken() if self._spoken else None

    def _taken(self) -> NDArray[np.int16]:
        samples = np.frombuffer(b"".join(self._spoken), np.int16)
        self._spoken.clear()
        return samples
