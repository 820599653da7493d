"""The microphone, through PortAudio (sounddevice)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import imports_of
from taihri_ros.voice.audio import MonoConverter
from taihri_ros.voice.errors import VoiceError

logger = logging.getLogger(__name__)

_BLOCK_S = 0.05


class Microphone:
    """A microphone that delivers mono int16 at 16 kHz from PortAudio's thread. Use it as a context manager."""

    def __init__(self, on_samples: Callable[[NDArray[np.int16]], None], device: str = "") -> None:
        """Open the microphone.

        Args:
            on_samples: Receives (n,) int16, mono, 16 kHz.
            device: Number of the device or a part of its name; empty for the default one.

        Raises:
            VoiceError: sounddevice or PortAudio is not installed, or there is no such microphone.
        """
        try:
            with imports_of("voice", VoiceError):
                import sounddevice
        except OSError as error:
            raise VoiceError("PortAudio is not installed: sudo apt-get install libportaudio2") from error
        chosen: Any = int(device) if device.isdecimal() else device or None
        try:
            rate = int(sounddevice.query_devices(chosen, "input")["default_samplerate"])
            self._converter = MonoConverter(rate)
            self._stream = sounddevice.InputStream(
                samplerate=rate,
                blocksize=round(rate * _BLOCK_S),
                device=chosen,
                channels=1,
                dtype="int16",
                callback=self._on_block,
                finished_callback=self._on_end,
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            named = f"microphone {device!r}" if device else "a microphone"
            raise VoiceError(
                f"there is no {named.removeprefix('a ')}: connect one, name another with --device "
                f"(python -m sounddevice lists them), or listen to a topic ({' '.join(str(error).split())})"
            ) from error
        self._on_samples = on_samples
        self._closing = False

    def __enter__(self) -> Microphone:
        """Start to record."""
        self._stream.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the microphone."""
        self._closing = True
        self._stream.close()

    def _on_end(self) -> None:
        if not self._closing:
            logger.error("the microphone has gone: connect it again and start `taihri listen` again")

    def _on_block(self, block: NDArray[np.int16], frames: int, time: Any, status: Any) -> None:  # noqa: ARG002
        if status:
            logger.warning("the microphone reports: %s", status)
        self._on_samples(self._converter.convert(block[:, 0]))
