"""The surface of a posed body by linear blend skinning, and its normals.

Linear blend skinning moves each vertex with the weighted mean of its bones' motions (Magnenat-Thalmann, Laperrière and
Thalmann, Joint-dependent local deformations, 1988).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.kinematics import Placement
from taihri_ros.body.template import BodyTemplate

Array = NDArray[np.float64]


class Surface:
    """The surface of the bodies of a template."""

    def __init__(self, template: BodyTemplate) -> None:
        """Lay out the weights for the skinning of all vertices at once."""
        self.template = template
        size, bones = len(template.vertices), len(template.joints)
        self.weights = np.zeros((size, bones), np.float32)
        np.add.at(self.weights, (np.arange(size)[:, None], template.weight_bones), template.weights)
        self._corners = template.triangles.T.ravel()

    def vertices(self, placement: Placement, shape: Array) -> NDArray[np.float32]:
        """Return the vertices of a posed body.

        Args:
            placement: Its bones.
            shape: (S,) its shape.

        Returns:
            float32 (V, 3) metres, camera optical frame.
        """
        template = self.template
        rest = template.vertices + np.tensordot(shape.astype(np.float32), template.shape_vertices, axes=1)
        joints = template.joints + np.tensordot(shape, template.shape_joints, axes=1)
        offsets = placement.joints - (placement.rotations @ joints[:, :, None])[..., 0]
        motions = np.concatenate([placement.rotations, offsets[:, :, None]], axis=2).astype(np.float32)
        blended = (self.weights @ motions.reshape(-1, 12)).reshape(-1, 3, 4)
        return np.asarray((blended[:, :, :3] @ rest[:, :, None])[..., 0] + blended[:, :, 3])

    def normals(self, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outward unit normals of vertices (V, 3), float32: those of the triangles, weighted by area."""
        a, b, c = (vertices[corners] for corners in self.template.triangles.T)
        first, second = b - a, c - a
        across = np.stack(
            [
                first[:, 1] * second[:, 2] - first[:, 2] * second[:, 1],
                first[:, 2] * second[:, 0] - first[:, 0] * second[:, 2],
                first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0],
            ]
        )
        size = len(vertices)
        sums = np.stack([np.bincount(self._corners, np.tile(part, 3), size) for part in across], axis=1)
        lengths = np.sqrt(np.einsum("vi,vi->v", sums, sums))[:, None]
        return np.asarray(sums / np.maximum(lengths, 1e-12), np.float32)
