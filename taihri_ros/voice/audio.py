"""Samples of any rate, width and number of channels as mono int16 at 16 kHz."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import imports_of
from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.recogniser import RATE_HZ

_RATES_HZ = (4000, 384_000)


class MonoConverter:
    """A converter of consecutive blocks of one stream, which keeps the state of the resampling filter (soxr)."""

    def __init__(self, rate_hz: int, channels: int = 1) -> None:
        """Create a converter.

        Args:
            rate_hz: Samples per second of each channel.
            channels: Number of interleaved channels; their mean is taken.

        Raises:
            VoiceError: The rate or the number of channels is not plausible, or soxr is not installed.
        """
        if not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1] or not 1 <= channels <= 32:
            raise VoiceError(f"audio of {rate_hz} Hz with {channels} channels cannot be read: check its description")
        self.rate_hz, self.channels = rate_hz, channels
        self._stream: Any = None
        if rate_hz != RATE_HZ:
            with imports_of("voice", VoiceError):
                import soxr
            self._stream = soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32")

    def convert(self, samples: NDArray[Any]) -> NDArray[np.int16]:
        """Convert a block.

        Args:
            samples: (n * channels,) interleaved; integers over their full range, or floats in [-1, 1], beyond which
                they are clipped.

        Returns:
            (m,) int16, mono, 16 kHz.

        Raises:
            VoiceError: The block ends within a frame of channels, or most of its floats are beyond [-1, 1].
        """
        if samples.size % self.channels:
            raise VoiceError(f"an audio block of {samples.size} samples does not hold whole frames of {self.channels}")
        values: NDArray[np.float32] = samples.astype(np.float32)
        if samples.dtype == np.uint8:
            values = (values - np.float32(128)) / np.float32(128)
        elif samples.dtype.kind == "i":
            values /= np.float32(-float(np.iinfo(samples.dtype).min))
        elif samples.size and np.mean(np.abs(values) > 1.0) > 0.5:
            raise VoiceError("audio in floats is beyond -1 to 1: divide its samples by their full scale")
        mono = np.clip(np.nan_to_num(values, posinf=0.0, neginf=0.0), -1.0, 1.0).reshape(-1, self.channels).mean(axis=1)
        if self._stream is not None:
            mono = self._stream.resample_chunk(mono)
        return np.asarray(np.clip(np.round(mono * 32768), -32768, 32767), np.int16)


def read_wav(path: Path) -> NDArray[np.int16]:
    """Read a WAV file.

    Args:
        path: The file; PCM of 8, 16, 24 or 32 bits, any rate and number of channels.

    Returns:
        (n,) int16, mono, 16 kHz.

    Raises:
        VoiceError: The file is not readable as such.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, rate, channels = file.getsampwidth(), file.getframerate(), file.getnchannels()
            content = file.readframes(file.getnframes())
    except (OSError, wave.Error, EOFError) as error:
        raise VoiceError(f"{path} is not a readable WAV file: {error or 'it ends too early'}") from error
    if width not in (1, 2, 3, 4):
        raise VoiceError(f"{path} has samples of {8 * width} bits: convert it to 16 bits")
    whole = len(content) - len(content) % (width * channels)
    octets = np.frombuffer(content[:whole], np.uint8)
    if width == 3:  # the upper three bytes of 32 bits
        width, octets = 4, np.pad(octets.reshape(-1, 3), ((0, 0), (1, 0))).ravel()
    samples = octets.view({1: "u1", 2: "<i2", 4: "<i4"}[width])
    return MonoConverter(rate, channels).convert(samples)
