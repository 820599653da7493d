"""Random walks of several people past each other in front of a camera.

Room frame as in `scene`: the camera is at (0, -distance) and looks along +y; x is to the right in its picture, metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.synthetic.people.body import Place

Array = NDArray[np.float64]
Rng = np.random.Generator

_STEP_S = 0.05
"""Time between two points of a path, seconds."""

_SMOOTHING_S = 0.6
"""Time over which corners of a path are rounded, seconds: people need it to start, stop and turn."""

_DEPTHS_M = (1.4, 3.8)
"""Nearest and furthest distance of a path from the camera's plane, metres."""

_SPEEDS_M_S = (0.5, 1.3)
_DELAY_S = 2.0
_LONGEST_PAUSE_S = 2.5

_APART_M = 0.55
"""Smallest distance between the middles of two people, metres."""

_LEAST_IN_VIEW = 0.4
"""Smallest share of the time that each person is in the picture."""

_MANNERS = ("across", "pause", "back", "stay")
_MANNER_SHARES = (0.45, 0.25, 0.15, 0.15)
"""How people walk: to the other side, with a pause on the way, back to where they came from, or not at all."""

_TRIES = 3000

_GAZE_M_S = 0.25
"""Speed below which people face the camera rather than where they go, m/s."""


class WalksError(TaihriError):
    """No walks were found in which the people cross each other."""


@dataclass(frozen=True, eq=False)
class Walk:
    """The walk of one person.

    Attributes:
        path: (T, 2) x and y at multiples of 50 ms, metres.
    """

    path: Array

    def place(self, seconds: float, *, is_backwards: bool = False) -> Place:
        """Return where the person is and faces at a time, on the way there or back."""
        x, y = self._at(seconds)
        vx, vy = -self.velocity(seconds) if is_backwards else self.velocity(seconds)
        return Place(float(x), float(y), float(np.arctan2(vx, _GAZE_M_S - vy)))

    def velocity(self, seconds: float) -> Array:
        """Return the velocity at a time, (2,) m/s."""
        return np.asarray((self._at(seconds + _STEP_S) - self._at(seconds - _STEP_S)) / (2.0 * _STEP_S))

    def _at(self, seconds: float) -> Array:
        times = _STEP_S * np.arange(len(self.path))
        return np.array([np.interp(seconds, times, self.path[:, axis]) for axis in (0, 1)])


def sample_walks(rng: Rng, people: int, *, seconds: float, distance_m: float, half_view: float) -> list[Walk]:
    """Sample walks in which people cross in the picture, so that the nearer ones hide the others.

    Nobody walks through another person, everybody is in the picture for some time, and there are at least as many
    crossings as people but one.

    Args:
        rng: Random number generator.
        people: Number of people.
        seconds: Duration, seconds.
        distance_m: Distance of the camera from the origin, metres.
        half_view: Half of the width of the view at 1 m, metres.

    Returns:
        The walks, one for each person.

    Raises:
        WalksError: The people find no such walks, for example in a very short time.
    """
    times = np.arange(0.0, seconds + _STEP_S, _STEP_S)
    for _ in range(_TRIES):
        paths = np.array([_path(rng, times, half_view) for _ in range(people)])
        if _is_crossing(paths, half_view):
            return [Walk(path - [0.0, distance_m]) for path in paths]
    raise WalksError(f"{people} people do not cross in {seconds:g} s: give them more time")


def _path(rng: Rng, times: Array, half_view: float) -> Array:
    """Sample a path from the camera's point of view, (T, 2): offset to the right, and distance, metres."""
    side = rng.choice([-1.0, 1.0])
    start, middle, end = rng.uniform(*_DEPTHS_M) + np.clip(rng.normal(0.0, 0.4, 3), -0.8, 0.8)
    start, middle, end = np.clip([start, middle, end], *_DEPTHS_M)
    inner = rng.uniform(-0.6, 0.6) * half_view * middle
    manner = rng.choice(_MANNERS, p=_MANNER_SHARES)
    entry, exit_ = np.array([side * 1.3 * half_view * start, start]), np.array([-side * 1.3 * half_view * end, end])
    stop = np.array([inner, middle])
    corners = {
        "across": [entry, exit_],
        "pause": [entry, stop, stop, exit_],
        "back": [entry, stop, stop, entry],
        "stay": [stop, stop],
    }[manner]
    speed, pause = rng.uniform(*_SPEEDS_M_S), rng.uniform(0.0, _LONGEST_PAUSE_S)
    durations = [float(np.linalg.norm(b - a)) / speed or pause for a, b in pairwise(corners)]
    at = rng.uniform(0.0, _DELAY_S) + np.concatenate([[0.0], np.cumsum(durations)])
    path = np.column_stack([np.interp(times, at, np.array(corners)[:, axis]) for axis in (0, 1)])
    width = round(_SMOOTHING_S / _STEP_S)
    padded = np.pad(path, ((width // 2, width - 1 - width // 2), (0, 0)), mode="edge")
    return np.column_stack([np.convolve(padded[:, axis], np.full(width, 1.0 / width), "valid") for axis in (0, 1)])


def _is_crossing(paths: Array, half_view: float) -> bool:
    """Check paths (N, T, 2) for distance, time in the picture and crossings."""
    bearings = paths[..., 0] / paths[..., 1]
    in_view = np.abs(bearings) < half_view
    if (in_view.mean(axis=1) < _LEAST_IN_VIEW).any():
        return False
    first, second = np.triu_indices(len(paths), 1)
    if (np.linalg.norm(paths[first] - paths[second], axis=2) < _APART_M).any():
        return False
    order = np.sign(bearings[first] - bearings[second])
    crossed = (np.diff(order, axis=1) != 0) & (in_view[first] & in_view[second])[:, 1:]
    return bool(crossed.sum() >= len(paths) - 1)
