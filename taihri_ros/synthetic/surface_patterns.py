"""The procedural patterns of cloth, walls, floors and objects; `rendering.shading.pattern` draws them."""

from __future__ import annotations

from enum import IntEnum


class Pattern(IntEnum):
    """A pattern of two colours. Clothes have those up to `PATCHES`."""

    PLAIN = 0
    STRIPES_ACROSS = 1
    STRIPES_ALONG = 2
    CHECKS = 3
    DOTS = 4
    PRINT = 5
    """Blobs of noise."""

    PATCHES = 6
    """Squares in mixtures of the two colours. On a top, a logo: they cover a part of the chest only."""

    TILES = 7
    PLANKS = 8
    BRICKS = 9
    CLOUDS = 10
    """Smooth noise: marble, concrete, carpet, grass or sky."""

    SHELVES = 11
    """Shelves full of objects."""
