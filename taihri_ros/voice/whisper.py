"""Speech recognition by a Whisper model that the user names, through faster-whisper (CTranslate2)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.recogniser import Hypothesis


class WhisperRecogniser:
    """A Whisper model in CTranslate2's format, such as `faster-whisper-small.en`."""

    def __init__(self, model: Path, language: str = "en", device: str = "auto") -> None:
        """Load the model; nothing is downloaded.

        Args:
            model: Directory with `model.bin`, `config.json` and a tokenizer.
            language: Language that is spoken; empty to find it out for each utterance.
            device: `cpu`, `cuda` or `auto`.

        Raises:
            VoiceError: faster-whisper is not installed, or the directory holds no such model.
        """
        if not (model / "model.bin").is_file():
            raise VoiceError(f"{model} holds no Whisper model for faster-whisper: name a directory with model.bin")
        try:
            from faster_whisper import WhisperModel
        except ModuleNotFoundError as error:
            raise VoiceError(f"{error.name} is not installed: pip install faster-whisper") from error
        try:
            self._model = WhisperModel(str(model), device=device, compute_type="default", local_files_only=True)
        except (RuntimeError, ValueError, OSError) as error:
            raise VoiceError(f"the Whisper model {model} cannot be loaded: {error}") from error
        self._language = language or None

    def recognise(self, samples: NDArray[np.int16]) -> list[Hypothesis]:
        """Return the one reading of an utterance; part of `Recogniser`.

        Its probability is the geometric mean of those of its tokens, times that of speech being there at all.
        """
        segments, _ = self._model.transcribe(
            samples.astype(np.float32) / 32768,
            language=self._language,
            beam_size=5,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        found = [segment for segment in segments if segment.text.strip()]
        if not found:
            return []
        tokens = sum(len(segment.tokens) for segment in found)
        logarithm = sum(segment.avg_logprob * len(segment.tokens) for segment in found) / max(tokens, 1)
        speech = min(1.0 - segment.no_speech_prob for segment in found)
        text = " ".join(segment.text.strip() for segment in found)
        return [Hypothesis(text, min(1.0, math.exp(logarithm)) * speech)]
