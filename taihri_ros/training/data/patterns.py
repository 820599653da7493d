"""Procedural backgrounds: colours, checks, stripes, tiles, clutter, windows, gradients, clouds and noise."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Image = NDArray[np.uint8]
Size = tuple[int, int]


def sample_pattern(rng: Rng, size: Size) -> Image:
    """Sample a procedural background.

    Args:
        rng: Random generator.
        size: Width and height, px.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    image = _surface(rng, size)
    if rng.random() < 0.55:
        image = _with_floor(rng, image, _surface(rng, size))
    if rng.random() < 0.35:
        image = _lit(rng, image)
    if rng.random() < 0.4:
        image = _clutter(rng, image, int(rng.integers(1, 12)))
    return image


def _surface(rng: Rng, size: Size) -> Image:
    kinds = tuple(_KINDS)
    weights = np.array([_KINDS[kind] for kind in kinds])
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))](rng, size)


def _color(rng: Rng) -> NDArray[np.float64]:
    """Sample a colour: half of them saturated, the others muted or grey; RGB from 0 to 255."""
    kind = rng.random()
    saturation = rng.uniform(0.6, 1.0) if kind < 0.5 else rng.uniform(0.08, 0.5) if kind < 0.8 else 0.0
    return 255.0 * np.array(colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.05, 1.0)))


def _plain(rng: Rng, size: Size) -> Image:
    return np.full((size[1], size[0], 3), _color(rng).astype(np.uint8), dtype=np.uint8)


def _gradient(rng: Rng, size: Size) -> Image:
    corners = np.stack([_color(rng) for _ in range(4)]).reshape(2, 2, 3).astype(np.float32)
    if rng.random() < 0.5:
        corners[:, 1] = corners[:, 0]
    return np.asarray(cv2.resize(corners, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _plane(rng: Rng, size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return coordinates of a rotated and sometimes foreshortened plane, in units of a random period of 3 to 90 px."""
    width, height = size
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    angle = rng.uniform(0.0, np.pi) if rng.random() < 0.4 else rng.normal(0.0, 0.06)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = c * x + s * y, c * y - s * x
    if rng.random() < 0.4:
        a, b = rng.uniform(-0.6, 0.6, 2) / max(size)
        depth = np.maximum(1.0 + np.float32(a) * (x - width / 2) + np.float32(b) * (y - height / 2), np.float32(0.2))
        u, v = u / depth, v / depth
    period = np.float32(np.exp(rng.uniform(np.log(3.0), np.log(90.0))))
    return (u / period).astype(np.float32), (v / period).astype(np.float32)


def _two_tone(rng: Rng, chosen: NDArray[np.bool_]) -> Image:
    first, second = _color(rng), _color(rng)
    if rng.random() < 0.4:
        second = np.clip(first * np.exp(rng.normal(0.0, 0.4)), 0, 255)
    return np.where(chosen[..., None], first, second).astype(np.uint8)


def _checks(rng: Rng, size: Size) -> Image:
    u, v = _plane(rng, size)
    return _two_tone(rng, (np.floor(u) + np.floor(v)) % 2 > 0)


def _stripes(rng: Rng, size: Size) -> Image:
    u, _ = _plane(rng, size)
    return _two_tone(rng, u % 1.0 < rng.uniform(0.1, 0.9))


def _plaid(rng: Rng, size: Size) -> Image:
    u, v = _plane(rng, size)
    share, colors = rng.uniform(0.15, 0.6), np.stack([_color(rng) for _ in range(3)])
    index = (u % 1.0 < share).astype(int) + (v % 1.0 < share)
    return np.asarray(colors[index], dtype=np.uint8)


def _dots(rng: Rng, size: Size) -> Image:
    u, v = _plane(rng, size)
    return _two_tone(rng, (u % 1.0 - 0.5) ** 2 + (v % 1.0 - 0.5) ** 2 < rng.uniform(0.02, 0.2))


def _tiles(rng: Rng, size: Size) -> Image:
    """Bricks, tiles, books: cells of random shade or colour between joints."""
    u, v = _plane(rng, size)
    v = v * np.float32(rng.uniform(0.3, 3.0))
    row = np.floor(v).astype(np.int64)
    if rng.random() < 0.6:
        u = u + np.float32(0.5) * (row % 2)
    column = np.floor(u).astype(np.int64)
    key = (row * 7919 + column * 104729 + int(rng.integers(1 << 20))) % 257
    shades = rng.uniform(0.6, 1.1, 257)[:, None] * _color(rng)
    if rng.random() < 0.4:
        shades = np.stack([_color(rng) for _ in range(257)])
    image = np.clip(shades[key], 0, 255)
    joint = rng.uniform(0.0, 0.12)
    image[(u % 1.0 < joint) | (v % 1.0 < joint)] = _color(rng)
    return np.asarray(image, dtype=np.uint8)


def _clouds(rng: Rng, size: Size) -> Image:
    """Noise of several octaves between two or three colours."""
    field = np.zeros((size[1], size[0]), dtype=np.float32)
    cells, gain = rng.uniform(2.0, 12.0), rng.uniform(0.4, 0.85)
    for octave in range(4):
        count = max(2, int(cells * 2**octave))
        shape = (min(size[1], max(2, count * size[1] // max(size))), min(size[0], max(2, count)))
        field += np.float32(gain**octave) * cv2.resize(
            rng.standard_normal(shape, dtype=np.float32), size, interpolation=cv2.INTER_CUBIC
        )
    field = np.clip(0.5 + field * np.float32(rng.uniform(0.15, 0.6)), 0.0, 0.999)
    stops = np.stack([_color(rng) for _ in range(3)])
    ramp = np.stack([np.interp(np.linspace(0, 1, 256), [0.0, rng.uniform(0.3, 0.7), 1.0], stop) for stop in stops.T])
    return np.asarray(ramp.T.astype(np.uint8)[(field * 256).astype(np.uint8)])


def _noise(rng: Rng, size: Size) -> Image:
    scale = float(np.exp(rng.uniform(0.0, np.log(12.0))))
    small = (max(2, int(size[1] / scale)), max(2, int(size[0] / scale)), 3 if rng.random() < 0.5 else 1)
    noise = rng.integers(0, 256, small, dtype=np.uint8)
    if small[2] == 1:
        noise = np.repeat(noise, 3, axis=2)
    mode = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
    image = cv2.resize(noise, size, interpolation=mode)
    return np.asarray(
        cv2.addWeighted(image, float(rng.uniform(0.15, 1.0)), _plain(rng, size), 0.5, 0.0), dtype=np.uint8
    )


def _leaves(rng: Rng, size: Size) -> Image:
    """Overlapping discs and boxes of many sizes, whose statistics are those of natural images (dead leaves)."""
    image = _gradient(rng, size)
    return _clutter(rng, image, int(rng.integers(30, 130)))


def _clutter(rng: Rng, image: Image, count: int) -> Image:
    """Draw boxes, discs, bars and polygons over an image, the smaller ones on top."""
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    largest = max(4.0, 0.35 * max(width, height))
    radii = np.sort(np.exp(rng.uniform(np.log(2.0), np.log(largest), count)))[::-1]
    places, kinds = rng.uniform(0.0, 1.0, (count, 2)) * (width, height), rng.integers(0, 5, count)
    for radius, place, kind in zip(radii, places, kinds, strict=True):
        color = _color(rng).astype(int).tolist()
        x, y = (int(value) for value in place)
        a, b = (int(value) + 1 for value in radius * rng.uniform(0.3, 1.0, 2))
        if kind == 0:
            cv2.ellipse(image, (x, y), (a, b), float(rng.uniform(0, 180)), 0, 360, color, -1, cv2.LINE_AA)
        elif kind == 1:
            cv2.rectangle(image, (x - a, y - b), (x + a, y + b), color, -1)
        elif kind == 2:
            end = (x + int(rng.normal(0, 2 * radius)), y + int(rng.normal(0, 2 * radius)))
            cv2.line(image, (x, y), end, color, int(rng.integers(1, max(2, int(radius / 3)))), cv2.LINE_AA)
        elif kind == 3:
            corners = (place + radius * rng.normal(0.0, 0.7, (int(rng.integers(3, 7)), 2))).astype(np.int32)
            cv2.fillPoly(image, [corners], color, cv2.LINE_AA)
        else:
            part = (_gradient, _checks, _stripes, _tiles)[int(rng.integers(4))](rng, (2 * a, 2 * b))
            target = image[max(0, y - b) : y + b, max(0, x - a) : x + a]
            target[:] = part[: target.shape[0], : target.shape[1]]
    return image


def _windows(rng: Rng, size: Size) -> Image:
    """A wall with bright windows between bars."""
    width, height = size
    image = np.ascontiguousarray(_plain(rng, size) if rng.random() < 0.6 else _clouds(rng, size))
    for _ in range(int(rng.integers(1, 4))):
        w, h = (int(side) for side in rng.uniform(0.15, 0.7, 2) * (width, height))
        x, y = int(rng.uniform(-0.2, 0.9) * width), int(rng.uniform(-0.2, 0.6) * height)
        light = np.clip(rng.uniform(190, 320) * np.array([0.95, 1.0, 1.02]), 0, 255).astype(int).tolist()
        cv2.rectangle(image, (x, y), (x + w, y + h), light, -1)
        frame, thick = _color(rng).astype(int).tolist(), int(rng.integers(1, 6))
        for share in np.linspace(0.0, 1.0, int(rng.integers(2, 6))):
            cv2.line(image, (x + int(share * w), y), (x + int(share * w), y + h), frame, thick)
        for share in np.linspace(0.0, 1.0, int(rng.integers(2, 5))):
            cv2.line(image, (x, y + int(share * h)), (x + w, y + int(share * h)), frame, thick)
    return image


def _with_floor(rng: Rng, wall: Image, floor: Image) -> Image:
    """Put another surface below a nearly horizontal line."""
    height, width = wall.shape[:2]
    left, right = rng.uniform(0.25, 0.95) * height + rng.normal(0.0, 0.08 * height, 2)
    line = np.linspace(left, right, width)
    below = np.arange(height)[:, None] > line[None]
    return np.where(below[..., None], floor, wall)


def _lit(rng: Rng, image: Image) -> Image:
    """Add a soft pool of light or a shadow across an image."""
    height, width = image.shape[:2]
    small = np.clip(1.0 + rng.normal(0.0, 0.45, (3, 3)), 0.15, 1.9).astype(np.float32)
    light = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(image * light[..., None], 0, 255), dtype=np.uint8)


_KINDS: dict[Callable[[Rng, Size], Image], float] = {
    _plain: 2.0,
    _gradient: 1.5,
    _checks: 1.6,
    _stripes: 1.2,
    _plaid: 0.6,
    _dots: 0.5,
    _tiles: 1.3,
    _clouds: 1.8,
    _noise: 0.7,
    _leaves: 1.2,
    _windows: 0.8,
}
"""Kinds of surfaces, and how often each is sampled."""
