"""Muted rooms with the colours of homes, offices and workshops, and places outdoors."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.synthetic.room import BOX, SIDES, Room
from taihri_ros.synthetic.surface_patterns import Pattern

Rng = np.random.Generator

_ON_WALLS = (Pattern.STRIPES_ALONG, Pattern.BRICKS, Pattern.TILES, Pattern.CLOUDS, Pattern.SHELVES)
_ON_PICTURES = (Pattern.PLAIN, Pattern.PRINT, Pattern.PATCHES, Pattern.CLOUDS)
_ON_OBJECTS = (
    *(Pattern.PLAIN, Pattern.PLAIN, Pattern.STRIPES_ACROSS, Pattern.CHECKS, Pattern.PATCHES, Pattern.CLOUDS),
    Pattern.SHELVES,
)
"""Patterns of walls, pictures and objects that are not of one colour or wood, as often as they are listed."""

_WINDOW_HALF_THICKNESS_M = 0.016
"""Boxes as thin as this hang on a wall: windows, doors or pictures."""


def mute(rng: Rng, room: Room) -> Room:
    """Return a room with other surfaces: neutral walls, wood or tiles on the floor, furniture with few colours.

    Args:
        rng: Random number generator.
        room: The room.

    Returns:
        The room in muted colours, with the same objects.
    """
    wall = _wall(rng)
    surfaces = [_floor(rng), _row(_grey(rng, 0.6, 0.95), Pattern.PLAIN)]
    surfaces += [wall if rng.random() < 0.75 else _wall(rng) for _ in range(SIDES - 2)]
    daylight = rng.uniform(1.0, 2.6)
    for primitive in room.primitives:
        hanging = primitive.shape == BOX and min(primitive.half[:2]) < _WINDOW_HALF_THICKNESS_M
        if hanging and rng.random() < 0.45:
            sky = daylight * np.array([0.85, 0.92, 1.0])
            surfaces.append(_row(sky, Pattern.STRIPES_ALONG, _grey(rng, 0.5, 0.9), 0.6))
        elif hanging:
            surfaces.append(
                _row(_color(rng, 0.7), int(rng.choice(_ON_PICTURES)), _color(rng, 0.7), rng.uniform(0.05, 0.4))
            )
        else:
            surfaces.append(_object(rng))
    light = room.light_color * np.exp(rng.normal(0.0, 0.15))
    above = room.ambient[0] * rng.uniform(1.0, 1.5)
    return replace(
        room,
        surfaces=np.array(surfaces, dtype=np.float32),
        light_color=light,
        ambient=np.stack([above, np.maximum(room.ambient[1], 0.45 * above)]),
    )


def move_outdoors(rng: Rng, room: Room) -> Room:
    """Return an outdoor place: grass, sand or pavement under a bright sky, with hedges and houses far away.

    Args:
        rng: Random number generator.
        room: The room.

    Returns:
        The place, with the same objects.
    """
    ground = [
        _row(
            _tone(rng, (0.2, 0.32), (0.4, 0.75), (0.25, 0.55)),
            Pattern.CLOUDS,
            _tone(rng, (0.2, 0.3), (0.3, 0.7), (0.2, 0.5)),
            0.15,
        ),
        _row(_grey(rng, 0.3, 0.75, tint=0.25), Pattern.CLOUDS, _grey(rng, 0.3, 0.75, tint=0.25), 0.1),
        _row(_grey(rng, 0.3, 0.7, tint=0.15), Pattern.TILES, _grey(rng, 0.2, 0.5), rng.uniform(0.15, 0.5)),
    ]
    sky = _row(_tone(rng, (0.55, 0.62), (0.05, 0.5), (0.85, 1.0)) * 1.3, Pattern.CLOUDS, _grey(rng, 0.9, 1.0), 6.0)
    sides = []
    for _ in range(SIDES - 2):
        hedge = _row(_tone(rng, (0.22, 0.4), (0.4, 0.8), (0.15, 0.45)), Pattern.CLOUDS, _grey(rng, 0.1, 0.3), 0.5)
        house = _row(_tone(rng, (0.0, 0.12), (0.2, 0.6), (0.4, 0.9)), Pattern.BRICKS, _grey(rng, 0.5, 0.9), 0.4)
        sides.append((hedge, house, sky)[int(rng.integers(3))])
    surfaces = [ground[int(rng.integers(3))], sky, *sides, *(_object(rng) for _ in room.primitives)]
    sun = np.array([1.0, 0.95, 0.85]) * rng.uniform(0.3, 1.3)
    above = np.array([0.8, 0.95, 1.15]) * rng.uniform(0.35, 0.8)
    return replace(
        room,
        half=room.half * rng.uniform(1.5, 4.0),
        height=9.0,
        surfaces=np.array(surfaces, dtype=np.float32),
        light_color=sun,
        ambient=np.stack([above, 0.5 * above]),
    )


def _tone(
    rng: Rng, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]
) -> NDArray[np.float64]:
    """Sample a colour from ranges of hue, saturation and value, linear RGB."""
    return np.array(colorsys.hsv_to_rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))) ** 2.2


def _wall(rng: Rng) -> list[float]:
    kind = rng.random()
    if kind < 0.72:
        return _row(_grey(rng, 0.45, 0.95, tint=0.1), Pattern.PLAIN)
    if kind < 0.84:
        return _row(_color(rng, 0.35), Pattern.PLAIN)
    pattern = int(rng.choice(_ON_WALLS))
    first = _grey(rng, 0.3, 0.85, tint=0.2)
    return _row(first, pattern, first * rng.uniform(0.6, 1.15), rng.uniform(0.08, 0.4))


def _floor(rng: Rng) -> list[float]:
    kind = rng.random()
    if kind < 0.4:
        return _row(_wood(rng), Pattern.PLANKS, scale=rng.uniform(0.08, 0.16), gloss=rng.uniform(0.02, 0.2))
    if kind < 0.65:
        tile = _grey(rng, 0.25, 0.85, tint=0.1)
        return _row(tile, Pattern.TILES, tile * 0.6, rng.uniform(0.2, 0.6), gloss=rng.uniform(0.02, 0.2))
    carpet = _grey(rng, 0.15, 0.7, tint=0.25) if rng.random() < 0.7 else _color(rng, 0.4)
    return _row(carpet, Pattern.CLOUDS, carpet * rng.uniform(0.7, 1.2), rng.uniform(0.02, 0.3))


def _object(rng: Rng) -> list[float]:
    kind = rng.random()
    if kind < 0.35:
        return _row(_wood(rng), Pattern.PLANKS, scale=rng.uniform(0.1, 0.5), gloss=rng.uniform(0.0, 0.15))
    if kind < 0.7:
        return _row(_grey(rng, 0.08, 0.95, tint=0.08), Pattern.PLAIN, gloss=rng.uniform(0.0, 0.3))
    pattern = int(rng.choice(_ON_OBJECTS))
    return _row(_color(rng, 0.75), pattern, _color(rng, 0.6), rng.uniform(0.02, 0.3), rng.uniform(0.0, 0.3))


def _row(
    first: NDArray[np.float64],
    pattern: int,
    second: NDArray[np.float64] | None = None,
    scale: float = 0.3,
    gloss: float = 0.03,
) -> list[float]:
    """Return a row of `Room.surfaces`."""
    other = first if second is None else second
    return [*np.maximum(first, 0.01).tolist(), *np.maximum(other, 0.01).tolist(), pattern, float(scale), float(gloss)]


def _grey(rng: Rng, low: float, high: float, tint: float = 0.04) -> NDArray[np.float64]:
    """Sample a nearly neutral colour, mostly warm, linear RGB."""
    return _tone(rng, (0.05, 0.16) if rng.random() < 0.7 else (0.0, 1.0), (0.0, tint), (low, high))


def _wood(rng: Rng) -> NDArray[np.float64]:
    return _tone(rng, (0.05, 0.11), (0.25, 0.65), (0.25, 0.85))


def _color(rng: Rng, saturation: float) -> NDArray[np.float64]:
    return _tone(rng, (0.0, 1.0), (0.1, saturation), (0.2, 0.9))
