"""Speech of eSpeak NG, from the package espeakng-loader, as a microphone records it."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from required import require

from taihri_ros.voice.audio import MonoConverter
from taihri_ros.voice.recogniser import RATE_HZ

VOICES = ("gmw/en-US", "gmw/en-US+f2", "gmw/en-US+m7")
"""A man, a woman and another man with an American accent, which is the one of PocketSphinx's model."""

SYNCHRONOUS, RATE_PARAMETER, UTF8 = 2, 1, 1
WORDS_PER_MINUTE = 140
PEAK, FLOOR = 8000, 30
"""Largest amplitude of the speech, and the noise of a quiet room (root mean square), of 32768."""


@cache
def _synthesiser() -> tuple[Any, int, list[NDArray[np.int16]], Any]:
    try:
        import espeakng_loader
    except ModuleNotFoundError:
        require(False, "espeakng-loader", "make test")
        raise
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    blocks: list[NDArray[np.int16]] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def receive(samples: Any, count: int, events: Any) -> int:
        if count > 0 and samples:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    rate = library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    assert rate > 0, "eSpeak NG does not start"
    library.espeak_SetSynthCallback(receive)
    return library, rate, blocks, receive


def speech(text: str, voice: str = VOICES[0]) -> NDArray[np.float64]:
    """Return (n,) samples at 16 kHz of a voice that says a text."""
    library, rate, blocks, _ = _synthesiser()
    blocks.clear()
    assert library.espeak_SetVoiceByName(voice.encode()) == 0, voice
    library.espeak_SetParameter(RATE_PARAMETER, WORDS_PER_MINUTE, 0)
    content = text.encode() + b"\0"
    assert library.espeak_Synth(content, len(content), 0, 0, 0, UTF8, None, None) == 0
    library.espeak_Synchronize()
    return MonoConverter(rate).convert(np.concatenate(blocks)).astype(np.float64)


def recording(
    text: str, voice: str = VOICES[0], *, snr_db: float | None = None, pause_s: float = 0.6, seed: int = 0
) -> NDArray[np.int16]:
    """Return (n,) int16 of a voice between two pauses, in a quiet room or in noise that falls with frequency.

    Args:
        text: What is said.
        voice: Who says it.
        snr_db: Ratio of the powers of speech and noise, dB; None for a quiet room.
        pause_s: Length of each pause, seconds.
        seed: Seed of the noise.
    """
    said = speech(text, voice)
    said *= PEAK / np.abs(said).max()
    pause = np.zeros(round(pause_s * RATE_HZ))
    samples = np.concatenate([pause, said, pause])
    white = np.random.default_rng(seed).normal(size=samples.size)
    if snr_db is None:
        noise = FLOOR * white
    else:
        spectrum = np.fft.rfft(white)
        noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 10)), samples.size)
        power = np.mean(said[np.abs(said) > 200] ** 2) / 10 ** (snr_db / 10)
        noise *= np.sqrt(power / np.mean(noise**2))
    return (samples + noise).clip(-32768, 32767).astype(np.int16)
