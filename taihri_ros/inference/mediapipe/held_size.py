"""The size of one person, averaged over the frames in which they were seen."""

from __future__ import annotations

import math

import numpy as np

from taihri_ros.inference.mediapipe.landmarks import NUMBER, Landmarks

_LONGEST_ABSENCE = 5
"""Number of frames without anybody after which the next person counts as another one."""

_LONGEST_MOVE = 1.0
"""Largest movement between two frames that one person makes, as a share of the height of their trunk in the picture."""

_MOST_FRAMES = 100
"""Weight of the average in frames, so that an early mistake is forgotten."""

_SHOULDERS = [NUMBER["left_shoulder"], NUMBER["right_shoulder"]]
_HIPS = [NUMBER["left_hip"], NUMBER["right_hip"]]


class HeldSize:
    """The average size of the person in a video; it begins anew with another person.

    The size that a single picture gives varies with the pose by some 5 %, and the distance of the person with it. The
    average makes the distance steady.
    """

    def __init__(self) -> None:
        """Start without a person."""
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._log_size, self._frames, self._missing = 0.0, 0, 0
        self._last: tuple[np.ndarray, float] | None = None

    def update(self, found: Landmarks, size: float) -> float:
        """Add a frame in which somebody was found.

        Args:
            found: The landmarks.
            size: Size of the person in this frame.

        Returns:
            The average size of this person.
        """
        shoulders, hips = found.pixels[_SHOULDERS].mean(axis=0), found.pixels[_HIPS].mean(axis=0)
        centre, height = (shoulders + hips) / 2, float(np.linalg.norm(shoulders - hips))
        if self._last is not None:
            last_centre, last_height = self._last
            if np.linalg.norm(centre - last_centre) > _LONGEST_MOVE * max(height, last_height):
                self.reset()
        self._last, self._missing = (centre, height), 0
        self._frames = min(self._frames + 1, _MOST_FRAMES)
        self._log_size += (math.log(size) - self._log_size) / self._frames
        return math.exp(self._log_size)

    def skip(self) -> None:
        """Add a frame in which nobody was found."""
        self._missing += 1
        if self._missing >= _LONGEST_ABSENCE:
            self.reset()
