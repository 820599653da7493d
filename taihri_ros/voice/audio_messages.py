"""Audio of ROS messages as mono int16 at 16 kHz."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.voice.audio import MonoConverter
from taihri_ros.voice.errors import VoiceError

logger = logging.getLogger(__name__)

_FORMATS = {
    0x01: ("float32_data", np.float32),
    0x02: ("int32_data", np.int32),
    0x08: ("int16_data", np.int16),
    0x10: ("int8_data", np.int8),
    0x20: ("uint8_data", np.uint8),
}
"""The field with the samples, by PortAudio's number of the format."""


class AudioMessages:
    """A reader of the messages of one stream, which reports each fault once and goes on."""

    def __init__(
        self, on_samples: Callable[[NDArray[np.int16]], None], *, rate_hz: int = 16_000, channels: int = 1
    ) -> None:
        """Create a reader.

        Args:
            on_samples: Receives (n,) int16, mono, 16 kHz.
            rate_hz: Rate of raw audio without a description (`AudioData` of ros-drivers).
            channels: Number of its channels.
        """
        self._on_samples = on_samples
        self._raw = rate_hz, channels
        self._converter: MonoConverter | None = None
        self._reported: set[str] = set()

    def on_stamped(self, message: Any) -> None:
        """Handle audio_common_msgs/AudioStamped of audio_common 4."""
        info, data = message.audio.info, message.audio.audio_data
        try:
            if info.format not in _FORMATS:
                raise VoiceError(f"audio of PortAudio's format {info.format} is not read: publish 16-bit integers (8)")
            field, dtype = _FORMATS[info.format]
            self._convert(np.asarray(getattr(data, field), dtype), int(info.rate), int(info.channels))
        except VoiceError as error:
            self._report(error)

    def on_raw(self, message: Any) -> None:
        """Handle audio_common_msgs/AudioData of ros-drivers: 16-bit integers (S16LE), as `audio_capture` publishes."""
        content = bytes(message.data)
        try:
            if len(content) % 2:
                raise VoiceError("raw audio has an odd number of bytes: publish wave data of 16 bits, not MP3")
            self._convert(np.frombuffer(content, "<i2"), *self._raw)
        except VoiceError as error:
            self._report(error)

    def _convert(self, samples: NDArray[Any], rate_hz: int, channels: int) -> None:
        converter = self._converter
        if converter is None or (converter.rate_hz, converter.channels) != (rate_hz, channels):
            converter = self._converter = MonoConverter(rate_hz, channels)
        self._on_samples(converter.convert(samples))

    def _report(self, error: VoiceError) -> None:
        if str(error) not in self._reported:
            self._reported.add(str(error))
            logger.warning("audio is dropped: %s", error)
