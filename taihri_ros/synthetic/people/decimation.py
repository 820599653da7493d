"""Simplifies a mesh that will be posed, and keeps the vertices that stay at their places.

Vertices are merged into a neighbour in the order of the quadric error (Garland and Heckbert, Surface simplification
using quadric error metrics, 1997). The errors of several poses are added, so that vertices stay where the surface bends
(Mohr and Gleicher, Deformation sensitive decimation, 2003). Libraries for this move the vertices and know one pose; a
vertex that stays keeps its skinning weights and its offsets for every shape.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LARGEST_TURN = 0.3
"""Smallest cosine between the normals of a triangle before and after its corner moves; less may fold the surface."""


def decimate(poses: Array, triangles: NDArray[np.int32], count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return a mesh of fewer vertices.

    Args:
        poses: (P, V, 3) vertices of a closed mesh in each pose, metres.
        triangles: (T, 3) indices of the corners of the triangles.
        count: Number of vertices to keep.

    Returns:
        Indices of the vertices that stay, int32 (count,), in rising order; and the triangles, int32, whose corners are
        numbered in this order. More vertices stay if no other can be merged without changing the surface's topology.
    """
    mesh = _Mesh(poses, triangles)
    heap = [mesh.candidate(first, second) for first in range(poses.shape[1]) for second in mesh.neighbours(first)]
    heapq.heapify(heap)
    left = sum(bool(around) for around in mesh.around)
    while heap and left > count:
        _, gone, kept, version = heapq.heappop(heap)
        if version != (mesh.version[gone], mesh.version[kept]) or not mesh.mergeable(gone, kept):
            continue
        mesh.merge(gone, kept)
        left -= 1
        for other in mesh.neighbours(kept):
            heapq.heappush(heap, mesh.candidate(kept, other))
            heapq.heappush(heap, mesh.candidate(other, kept))
    return mesh.result()


class _Mesh:
    """A triangle mesh whose vertices are merged one by one.

    Attributes:
        around: Numbers of the triangles at each vertex; none at a vertex that is gone.
        version: How often the quadric of each vertex has changed.
    """

    def __init__(self, poses: Array, triangles: NDArray[np.int32]) -> None:
        """Compute the quadric of every vertex in every pose: that of its triangles, weighted by their areas."""
        self._points = np.ascontiguousarray(np.swapaxes(poses, 0, 1))
        self._triangles: list[tuple[int, int, int]] = [(int(a), int(b), int(c)) for a, b, c in triangles]
        vertices = len(self._points)
        self.around: list[set[int]] = [set() for _ in range(vertices)]
        for number, corners in enumerate(self._triangles):
            for corner in corners:
                self.around[corner].add(number)
        self.version = [0] * vertices
        normals = _normals(self._points, triangles)
        areas = np.linalg.norm(normals, axis=2, keepdims=True)
        normals /= np.maximum(areas, 1e-18)
        planes = np.concatenate(
            [normals, -np.einsum("tpi,tpi->tp", normals, self._points[triangles[:, 0]])[..., None]], axis=2
        )
        quadrics = areas[..., None] * planes[..., :, None] * planes[..., None, :]
        self._quadrics = np.zeros((vertices, poses.shape[0], 4, 4))
        for corner in range(3):
            np.add.at(self._quadrics, triangles[:, corner], quadrics)

    def neighbours(self, vertex: int) -> set[int]:
        """Return the vertices that share a triangle with a vertex."""
        return {corner for number in self.around[vertex] for corner in self._triangles[number]} - {vertex}

    def candidate(self, gone: int, kept: int) -> tuple[float, int, int, tuple[int, int]]:
        """Return the error of a merge, its two vertices and their versions."""
        quadric, point = self._quadrics[gone] + self._quadrics[kept], self._points[kept]
        planes = np.einsum("pij,pj->pi", quadric[:, :3, :3], point) + 2.0 * quadric[:, :3, 3]
        error = float((planes * point).sum() + quadric[:, 3, 3].sum())
        return max(error, 0.0), gone, kept, (self.version[gone], self.version[kept])

    def mergeable(self, gone: int, kept: int) -> bool:
        """Whether a merge keeps the surface closed and folds no triangle in any pose."""
        if not self.around[gone] or not self.around[kept]:
            return False
        if len(self.neighbours(gone) & self.neighbours(kept)) != 2:
            return False
        before = np.array([self._triangles[number] for number in self.around[gone] - self.around[kept]])
        if len(before) == 0:
            return False
        old, new = _normals(self._points, before), _normals(self._points, np.where(before == gone, kept, before))
        cosines = np.einsum("tpi,tpi->tp", old, new)
        lengths = np.linalg.norm(old, axis=2) * np.linalg.norm(new, axis=2)
        return bool((cosines > _LARGEST_TURN * lengths).all())

    def merge(self, gone: int, kept: int) -> None:
        """Replace a vertex by a neighbour."""
        for number in self.around[gone]:
            corners = self._triangles[number]
            if kept in corners:
                for corner in corners:
                    if corner != gone:
                        self.around[corner].discard(number)
            else:
                a, b, c = (kept if corner == gone else corner for corner in corners)
                self._triangles[number] = (a, b, c)
                self.around[kept].add(number)
        self.around[gone] = set()
        self._quadrics[kept] += self._quadrics[gone]
        self.version[kept] += 1
        self.version[gone] += 1

    def result(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the vertices that stay and the triangles."""
        vertices = np.array([vertex for vertex, around in enumerate(self.around) if around], np.int32)
        numbers = sorted({number for around in self.around for number in around})
        triangles = np.array([self._triangles[number] for number in numbers], np.int64)
        return vertices, np.searchsorted(vertices, triangles).astype(np.int32)


def _normals(points: Array, triangles: NDArray[np.int32]) -> Array:
    """Return the normals (T, P, 3) of triangles, as long as twice their areas."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    return np.asarray(np.cross(b - a, c - a))
