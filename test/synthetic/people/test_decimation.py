"""Meshes with fewer vertices: closed, near the surface, with detail where poses bend it."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.synthetic.people.decimation import decimate

RINGS, AROUND = 40, 24


def tube() -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and triangles of a closed tube along z, 1 m long, 0.1 m wide, counter-clockwise from outside."""
    angles = np.linspace(0.0, 2.0 * np.pi, AROUND, endpoint=False)
    ring = np.column_stack([0.05 * np.cos(angles), 0.05 * np.sin(angles)])
    heights = np.linspace(0.0, 1.0, RINGS)
    vertices = np.concatenate([np.column_stack([ring, np.full(AROUND, height)]) for height in heights])
    triangles = []
    for level in range(RINGS - 1):
        for first in range(AROUND):
            a, b = level * AROUND + first, level * AROUND + (first + 1) % AROUND
            triangles += [(a, b, b + AROUND), (a, b + AROUND, a + AROUND)]
    bottom, top = len(vertices), len(vertices) + 1
    last = (RINGS - 1) * AROUND
    for first in range(AROUND):
        after = (first + 1) % AROUND
        triangles += [(bottom, after, first), (top, last + first, last + after)]
    return np.concatenate([vertices, [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]), np.array(triangles, np.int32)


def volume(vertices: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = vertices[triangles].transpose(1, 0, 2)
    return float(np.einsum("ti,ti->", a, np.cross(b, c))) / 6.0


def bent(vertices: np.ndarray) -> np.ndarray:
    """Return a pose in which the tube is bent by 80° around its middle, over 0.2 m."""
    angle = 1.4 * np.clip((vertices[:, 2] - 0.4) / 0.2, 0.0, 1.0)
    heights = np.linspace(0.0, 1.0, 2001)
    turns = 1.4 * np.clip((heights - 0.4) / 0.2, 0.0, 1.0)
    spine = np.cumsum(np.column_stack([np.sin(turns), np.cos(turns)]), axis=0) / 2000.0
    x, z = (np.interp(vertices[:, 2], heights, spine[:, axis]) for axis in range(2))
    across = vertices[:, 0]
    return np.column_stack([x + across * np.cos(angle), vertices[:, 1], z - across * np.sin(angle)])


@pytest.mark.parametrize("count", [150, 400])
def test_the_mesh_stays_closed_and_keeps_its_volume(count: int) -> None:
    vertices, triangles = tube()
    kept, fewer = decimate(vertices[None], triangles, count)
    assert len(kept) == count
    assert (np.diff(kept) > 0).all()
    edges = np.concatenate([fewer[:, [k, (k + 1) % 3]] for k in range(3)])
    ways = {(first, second) for first, second in edges.tolist()}
    assert len(ways) == len(edges)
    assert all((second, first) in ways for first, second in ways)
    assert count - len(edges) // 2 + len(fewer) == 2  # still a sphere
    assert volume(vertices[kept], fewer) == pytest.approx(volume(vertices, triangles), rel=0.03)


def test_vertices_stay_where_another_pose_bends_the_surface() -> None:
    vertices, triangles = tube()
    inside = [
        np.mean((vertices[kept, 2] > 0.35) & (vertices[kept, 2] < 0.65))
        for kept, _ in (
            decimate(vertices[None], triangles, 250),
            decimate(np.stack([vertices, bent(vertices)]), triangles, 250),
        )
    ]
    assert inside[1] > inside[0] + 0.2
