"""Skirts: a tube of cloth around both legs that follows hips, knees and ankles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.people.body import Body

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

_RINGS, _SPOKES = 16, 24
_ALONG = np.linspace(-0.2, 1.0, _RINGS)
_ANGLES = np.linspace(0.0, 2.0 * np.pi, _SPOKES, endpoint=False)
_STEP = 0.06
"""Step of the central differences along a leg, in the coordinate `garments.Surface.leg`."""

POINTS = _RINGS * _SPOKES
"""Number of vertices of the tube. Every body has them, so that all bodies share one topology."""


@dataclass(frozen=True)
class SkirtShape:
    """The shape of a skirt.

    Attributes:
        waist: Upper edge, in the coordinate `garments.Surface.leg`.
        length: Lower edge, in the same coordinate.
        flare: Increase of the radius from hips to ankles, metres.
        thickness: Distance from the skin, metres.
        phase: Phase of the folds, radians.
        fit: Share by which the skirt narrows from the hips to its upper edge.
    """

    waist: float
    length: float
    flare: float
    thickness: float
    phase: float
    fit: float = 0.0


def faces(first: int) -> NDArray[np.int32]:
    """Return the triangles of the tube.

    Args:
        first: Index of its first vertex.

    Returns:
        int32 (F, 3).
    """
    ring, spoke = np.divmod(np.arange((_RINGS - 1) * _SPOKES), _SPOKES)
    a, b = ring * _SPOKES + spoke, ring * _SPOKES + (spoke + 1) % _SPOKES
    quads = [np.column_stack([a, b, a + _SPOKES]), np.column_stack([b, b + _SPOKES, a + _SPOKES])]
    return (np.concatenate(quads) + first).astype(np.int32)


def rest_tube() -> tuple[Floats, Floats]:
    """Return the tube at rest.

    Returns:
        Positions float32 (P, 3), metres, for patterns, and the leg coordinate of each, float32 (P,).
    """
    along = np.repeat(_ALONG, _SPOKES)
    angle = np.tile(_ANGLES, _RINGS)
    places = np.column_stack([0.3 * np.sin(angle), 0.3 * np.cos(angle), -0.8 * along])
    return places.astype(np.float32), along.astype(np.float32)


def with_skirt(body: Body, shape: SkirtShape | None) -> Body:
    """Return a body with the vertices of the tube appended.

    Args:
        body: The body.
        shape: Shape of the skirt; None hides the tube inside the body.

    Returns:
        The body with the tube.
    """
    points = np.tile(body.joints[0], (POINTS, 1)) if shape is None else _tube(body.joints, _thigh_radius(body), shape)
    return replace(body, vertices=np.concatenate([body.vertices, points.astype(np.float32)]))


def _leg_length(joints: Array) -> float:
    knee, hip, ankle = (joints[INDEX[f"left_{name}"]] for name in ("knee", "hip", "ankle"))
    return float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))


def _thigh_radius(body: Body) -> float:
    """Return the radius of a thigh: the median distance of its skin from the line between hip and knee, metres."""
    hip, knee = body.joints[INDEX["left_hip"]], body.joints[INDEX["left_knee"]]
    bone = knee - hip
    offsets = body.vertices[::3] - hip
    along = offsets @ bone / (bone @ bone)
    distances = np.linalg.norm(offsets - along[:, None] * bone, axis=1)
    near = (along > 0.35) & (along < 0.65) & (distances < 0.16)
    return float(np.median(distances[near])) if near.any() else 0.08


def _tube(joints: Array, radius: float, shape: SkirtShape) -> Array:
    """Return the points of the tube, (P, 3) metres: ellipses around both legs; `radius` is that of a thigh, metres."""
    along = np.clip(_ALONG, shape.waist, shape.length)
    left, right = (_on_leg(joints, side, along) for side in ("left", "right"))
    middle, apart = 0.5 * (left + right), left - right
    before, after = along - _STEP, along + _STEP
    left_down, right_down = (_on_leg(joints, s, after) - _on_leg(joints, s, before) for s in ("left", "right"))
    down = _units(left_down + right_down)
    hips = joints[INDEX["left_hip"]] - joints[INDEX["right_hip"]]
    across = _units(hips - down * (down @ hips)[:, None])
    forward = np.cross(down, across)
    ease = radius + shape.thickness + shape.flare * np.clip(along, 0.0, 1.0)
    wide = np.abs((apart * across).sum(axis=1)) / 2.0 + 1.3 * ease
    deep = np.abs((apart * forward).sum(axis=1)) / 2.0 + 1.35 * ease
    folds = 1.0 + 0.06 * np.clip(along, 0.0, 1.0)[:, None] * np.sin(7.0 * _ANGLES + shape.phase)
    narrow = 1.0 - shape.fit * np.clip(-along / 0.2, 0.0, 1.0)
    wide, deep = narrow * wide, narrow * deep
    ring = (wide[:, None] * np.sin(_ANGLES) * folds)[..., None] * across[:, None]
    ring = ring + (deep[:, None] * np.cos(_ANGLES) * folds)[..., None] * -forward[:, None]
    return np.asarray((middle[:, None] + ring).reshape(-1, 3))


def _on_leg(joints: Array, side: str, along: Array) -> Array:
    """Return points along a leg: 0 at the hip, 0.5 at the knee, 1 at the ankle; negative towards the spine."""
    hip, knee, ankle = (joints[INDEX[f"{side}_{name}"]] for name in ("hip", "knee", "ankle"))
    up = joints[INDEX["spine2"]] - joints[INDEX["pelvis"]]
    up = up / np.linalg.norm(up) * _leg_length(joints)
    t = along[:, None]
    below = np.where(t < 0.5, hip + 2.0 * t * (knee - hip), knee + (2.0 * t - 1.0) * (ankle - knee))
    return np.asarray(np.where(t < 0.0, hip - t * up, below))


def _units(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
