"""Hair that falls from the head: a shell around the back of the head, a ponytail or a bun, rigid with the head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.people.body import Body, body_model

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

Style = Literal["none", "loose", "ponytail", "bun"]

_ROWS, _COLUMNS = 12, 21
POINTS = _ROWS * _COLUMNS
"""Number of vertices of the hair; every body has them, so that all bodies share one topology."""

_DOWN = np.linspace(0.0, 1.0, _ROWS)
_ACROSS = np.linspace(-1.0, 1.0, _COLUMNS)
_HALF_WIDTH, _HALF_DEPTH, _BACKWARD, _CROWN = 0.76, 0.95, 0.1, 0.88
_COVER_AT_FACE = 1.6
"""Size of the skull and its offset to the back, in units of 0.1 m from the centre of the head; largest cover beside
the face, radians."""


@dataclass(frozen=True)
class HairShape:
    """The shape of hair; lengths in units of 0.1 m at the size of the mean head.

    Attributes:
        style: Loose hair, ponytail or bun.
        length: Length below the centre of the head, or of the ponytail.
        cover: Angle to both sides from the back that loose hair covers, radians.
        volume: Distance of the hair from the skull.
        phase: Phase of the waves, radians.
    """

    style: Style
    length: float
    cover: float
    volume: float
    phase: float


def faces(first: int) -> NDArray[np.int32]:
    """Return the triangles of the hair.

    Args:
        first: Index of its first vertex.

    Returns:
        int32 (F, 3).
    """
    row, column = np.divmod(np.arange((_ROWS - 1) * (_COLUMNS - 1)), _COLUMNS - 1)
    a = row * _COLUMNS + column
    quads = [np.column_stack([a, a + _COLUMNS, a + 1]), np.column_stack([a + 1, a + _COLUMNS, a + _COLUMNS + 1])]
    return (np.concatenate(quads) + first).astype(np.int32)


def rest_shell(middle: Array) -> Floats:
    """Return loose hair on the head at rest, for patterns.

    Args:
        middle: (3,) centre of the head, metres.

    Returns:
        Positions float32 (P, 3), metres.
    """
    return (middle + 0.1 * _points(HairShape("loose", 2.0, 1.9, 0.1, 0.0))).astype(np.float32)


def with_hair(body: Body, shape: HairShape | None) -> Body:
    """Return a body with the vertices of the hair appended.

    Args:
        body: The body.
        shape: Shape of the hair; None hides it inside the body.

    Returns:
        The body with the hair.
    """
    if shape is None:
        points = np.tile(body.joints[INDEX["pelvis"]], (POINTS, 1))
    else:
        anchors, rest = _anchors()
        turn, offset = _similarity(rest, body.vertices[anchors].astype(np.float64))
        points = _points(shape) @ turn.T + offset
    return replace(body, vertices=np.concatenate([body.vertices, points.astype(np.float32)]))


def _points(shape: HairShape) -> Array:
    """Return the vertices relative to the centre of the head, in units of 0.1 m: to the left, to the back, up."""
    down, across = np.repeat(_DOWN, _COLUMNS), np.tile(_ACROSS, _ROWS)
    if shape.style == "bun":
        polar, around = np.pi * down, np.pi * across
        ball = np.column_stack([np.sin(polar) * np.sin(around), np.sin(polar) * np.cos(around), np.cos(polar)])
        return np.array([0.0, 0.95, 0.6]) + (0.25 + shape.volume) * ball
    if shape.style == "ponytail":
        around, radius = np.pi * across, (0.14 + shape.volume) * np.sin(np.pi * np.clip(0.12 + 0.88 * down, 0.0, 0.97))
        back = (
            1.0 + 0.35 * np.sin(0.5 * np.pi * np.clip(3.0 * down, 0.0, 1.0)) + 0.05 * np.sin(6.0 * down + shape.phase)
        )
        return np.column_stack(
            [radius * np.sin(around), back + radius * np.cos(around), 0.45 - shape.length * down**1.2]
        )
    height = _CROWN * 0.97 - (_CROWN * 0.97 + shape.length) * down
    cap = np.sqrt(np.clip(1.0 - (np.maximum(height, 0.0) / (_CROWN + 0.3 * shape.volume)) ** 2, 0.04, 1.0))
    fall = np.maximum(-height, 0.0)
    waves = 1.0 + 0.025 * np.sin(9.0 * across + shape.phase) + 0.02 * np.sin(5.0 * height + 2.0 * shape.phase)
    radius = cap * (1.0 + 0.03 * fall) * waves
    free = np.clip((-0.15 - height) / 0.5, 0.0, 1.0)  # leaves the face free
    angle = (np.minimum(shape.cover, _COVER_AT_FACE) * (1.0 - free) + shape.cover * free) * across
    side = (_HALF_WIDTH + shape.volume) * radius * np.sin(angle)
    depth = _BACKWARD + (_HALF_DEPTH + shape.volume) * radius * np.cos(angle) - 0.16 * np.clip(fall - 0.5, 0.0, 1.5)
    return np.column_stack([side, depth, height])


@lru_cache(maxsize=1)
def _anchors() -> tuple[NDArray[np.int64], Array]:
    """Return vertices of the face and the ears, and their places relative to the centre of the head in 0.1 m."""
    template = body_model().template
    places = (template.vertices - template.head_centre) * 10.0
    firm = (template.weights["head"] > 0.98) & (template.weights["eye"] < 0.01)
    face = np.flatnonzero(firm & (places[:, 2] > -0.8) & (places[:, 2] < 0.25))
    chosen = face[:: max(1, len(face) // 90)]
    return chosen, places[chosen]


def _similarity(source: Array, target: Array) -> tuple[Array, Array]:
    """Return the similarity transform between two sets of points in the least-squares sense (Umeyama 1991).

    Args:
        source: (N, 3).
        target: (N, 3).

    Returns:
        Scaled rotation (3, 3) and offset (3,): `target = rotation @ source + offset`.
    """
    middle, goal = source.mean(axis=0), target.mean(axis=0)
    first, second = source - middle, target - goal
    left, sizes, right = np.linalg.svd(second.T @ first)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn = (sizes * signs).sum() / (first**2).sum() * (left * signs) @ right
    return turn, goal - turn @ middle
