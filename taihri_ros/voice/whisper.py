"""Speech recognition by a Whisper model, through faster-whisper (CTranslate2).

Whisper (Radford and others, Robust speech recognition via large-scale weak supervision, 2022) continues a text that it
is given. Every utterance is read twice, after a few typical orders and after many from the task table, which pull
unclear words to those that make sense. Where both readings agree they are sure; what only one of the two texts has
suggested is less probable than half.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import imports_of
from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.recogniser import Hypothesis
from taihri_ros.voice.whisper_model import mended_tokenizer

FEW_ORDERS = (
    "Please shake my left hand. Give me a hug. Where is my right elbow? Tie her left shoe. "
    "Put the scarf around his neck. Pat my shoulder."
)
"""The few typical orders."""

_SHORTEST_FRAMES, _LONGEST_FRAMES = 1200, 3000
"""Number of frames of 10 ms that the encoder reads. It was trained on 30 s; 12 s take a third of the time and were
recognised as well."""

_BEAM = 5
"""Number of readings after each text."""

_MOST_TOKENS = 60
"""Largest number of tokens of a reading; nobody says so much in an utterance."""

_SHARPNESS = 0.25
"""Power of the geometric mean of the probabilities of tokens, which are low by themselves for unusual words."""

_LEAST_PROBABLE = 0.02
"""Readings below this probability are dropped; they are no longer what was said."""


class WhisperRecogniser:
    """A Whisper model in CTranslate2's format, such as `faster-whisper-base`."""

    def __init__(self, model: Path, orders: Sequence[str] = (FEW_ORDERS,), device: str = "auto") -> None:
        """Load the model; nothing is downloaded.

        Args:
            model: Directory with `model.bin`, `config.json` and `tokenizer.json`.
            orders: Texts with orders that the utterance is read after, once for each.
            device: `cpu`, `cuda` or `auto`.

        Raises:
            VoiceError: faster-whisper is not installed, or the directory holds no such model.
        """
        for name in ("model.bin", "tokenizer.json"):
            if not (model / name).is_file():
                raise VoiceError(f"{model} holds no Whisper model for faster-whisper: name a directory with {name}")
        with imports_of("voice-whisper", VoiceError):
            from faster_whisper import WhisperModel
            from faster_whisper.tokenizer import Tokenizer
        try:
            self._model: Any = WhisperModel(str(model), device=device, compute_type="auto", local_files_only=True)
        except (RuntimeError, ValueError, OSError) as error:
            raise VoiceError(f"the Whisper model {model} cannot be loaded: {error}") from error
        self._tokens: Any = Tokenizer(
            mended_tokenizer(self._model.hf_tokenizer),
            self._model.model.is_multilingual,
            task="transcribe",
            language="en",
        )
        self._prompts = [
            [
                self._tokens.sot_prev,
                *self._tokens.encode(f" {text}"),
                *self._tokens.sot_sequence,
                self._tokens.no_timestamps,
            ]
            for text in orders
        ]

    def recognise(self, samples: NDArray[np.int16]) -> list[Hypothesis]:
        """Return the readings of an utterance; part of `Recogniser`.

        The readings after one text share its probability: the mean probability of the best reading's tokens, flattened,
        times that of speech being there at all. Those after different texts are averaged.
        """
        encoded = self._model.encode(self._features(samples))
        probabilities: dict[str, float] = defaultdict(float)
        for prompt in self._prompts:
            found = self._model.model.generate(
                encoded,
                [prompt],
                beam_size=_BEAM,
                num_hypotheses=_BEAM,
                max_length=len(prompt) + _MOST_TOKENS,
                return_scores=True,
                return_no_speech_prob=True,
            )[0]
            readings = list(zip(found.sequences_ids, found.scores, strict=True))
            logarithms = [score * len(tokens) for tokens, score in readings]
            best = max(range(len(readings)), key=lambda each: logarithms[each])
            weights = [math.exp(logarithm - logarithms[best]) for logarithm in logarithms]
            sure = math.exp(_SHARPNESS * min(0.0, readings[best][1])) * (1.0 - found.no_speech_prob)
            for (tokens, _), weight in zip(readings, weights, strict=True):
                text = self._tokens.decode(tokens).strip()
                probabilities[text] += sure * weight / sum(weights) / len(self._prompts)
        return [
            Hypothesis(text, min(1.0, probability))
            for text, probability in sorted(probabilities.items(), key=lambda each: -each[1])
            if text and probability >= _LEAST_PROBABLE
        ]

    def _features(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return (mels, frames) float32, the spectrogram with silence after it."""
        spectrum = self._model.feature_extractor(samples.astype(np.float32) / 32768)[:, :_LONGEST_FRAMES]
        missing = max(0, _SHORTEST_FRAMES - spectrum.shape[-1])
        return np.pad(spectrum, ((0, 0), (0, missing))).astype(np.float32)
