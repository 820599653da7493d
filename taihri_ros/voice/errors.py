"""The error of this room."""

from __future__ import annotations

from taihri_ros.errors import TaihriError


class VoiceError(TaihriError):
    """An error for a microphone, a recording, a speech model or a package of the extra `voice` that cannot be used."""
