"""The parts of a person as Rerun shows them: joints, bones, ellipsoids and surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import rerun as rr
from numpy.typing import NDArray

from taihri_ros.node.colors import BONE, BOX, ELLIPSE, JOINT, Color
from taihri_ros.node.ellipsoids import Ellipsoid
from taihri_ros.skeleton import BONES

_ELLIPSOID = (*ELLIPSE, 60)
"""Colour and opacity of ellipsoids."""

CURVES: tuple[Color, ...] = (
    (31, 119, 180),
    (214, 90, 20),
    (44, 150, 60),
    (200, 40, 60),
    (140, 90, 190),
    (120, 80, 60),
    (220, 100, 180),
    (110, 110, 110),
    (150, 150, 20),
    (20, 160, 180),
)
"""Colours of curves in the order of their appearance: those that Rerun chooses by name may be alike."""

_JOINT_RADIUS_M, _BONE_RADIUS_M = 0.025, 0.008
_JOINT_RADIUS, _BONE_RADIUS = rr.Radius.ui_points(4.0), rr.Radius.ui_points(1.5)
"""Radii in pictures, which do not depend on the number of their pixels."""
_SMALLEST_SEMI_AXIS_M = 1e-3

_MOST_LABELS = 8
"""Number of labels beside each other; those of more joints are shown under the mouse only."""


def points_3d(positions: Mapping[str, NDArray[np.float64]], color: Color) -> rr.Points3D:
    """Return joints, (3,) metres by name, as points. Their names are shown under the mouse: in space they overlap."""
    labels = list(positions)
    return rr.Points3D(_array(positions, 3), radii=_JOINT_RADIUS_M, colors=color, labels=labels, show_labels=False)


def bones_3d(positions: Mapping[str, NDArray[np.float64]], color: Color) -> rr.LineStrips3D:
    """Return the bones between joints, (3,) metres by name."""
    return rr.LineStrips3D(_bones(positions), radii=_BONE_RADIUS_M, colors=color)


def points_2d(pixels: Mapping[str, NDArray[np.float64]], labels: Sequence[str]) -> rr.Points2D:
    """Return joints, (2,) px by name, as points with labels."""
    return rr.Points2D(
        _array(pixels, 2),
        radii=_JOINT_RADIUS,
        colors=JOINT,
        labels=labels,
        show_labels=len(pixels) <= _MOST_LABELS,
        draw_order=30,
    )


def curve(number: int) -> rr.SeriesLines:
    """Return how a curve looks, by the number of those that appeared in its view before it."""
    return rr.SeriesLines(colors=CURVES[number % len(CURVES)], widths=1.5)


def bones_2d(pixels: Mapping[str, NDArray[np.float64]]) -> rr.LineStrips2D:
    """Return the bones between joints, (2,) px by name."""
    return rr.LineStrips2D(_bones(pixels), radii=_BONE_RADIUS, colors=BONE, draw_order=20)


def box_2d(box: NDArray[np.float64] | None) -> rr.Boxes2D:
    """Return a box (4,) left, top, right, bottom, px; nothing for None."""
    corners = np.empty((0, 4)) if box is None else box[None]
    return rr.Boxes2D(array=corners, array_format=rr.Box2DFormat.XYXY, colors=BOX)


def ellipsoids(
    positions: Mapping[str, NDArray[np.float64]], covariances: Mapping[str, NDArray[np.float64]]
) -> rr.Ellipsoids3D:
    """Return the 95 % confidence ellipsoids of joints, (3,) metres and (3, 3) m² by name; unknown ones are left out."""
    known = {
        name: ellipsoid
        for name, covariance in covariances.items()
        if (ellipsoid := Ellipsoid.from_covariance(covariance)) is not None
    }
    return rr.Ellipsoids3D(
        centers=_array({name: positions[name] for name in known}, 3),
        half_sizes=[np.maximum(each.semi_axes, _SMALLEST_SEMI_AXIS_M) for each in known.values()],
        quaternions=[rr.Quaternion(xyzw=each.quaternion) for each in known.values()],
        colors=_ELLIPSOID,
        fill_mode="solid",
    )


def surface(marker: Any) -> rr.Mesh3D | None:
    """Return the triangles of a visualization_msgs/Marker; None if it deletes the surface."""
    if not marker.points:
        return None
    places = np.array([(point.x, point.y, point.z) for point in marker.points])
    shades = marker.colors or [marker.color] * len(places)
    colors = np.array([(shade.r, shade.g, shade.b, shade.a) for shade in shades])
    vertices, first, corners = np.unique(places, axis=0, return_index=True, return_inverse=True)
    triangles = corners.reshape(-1, 3)
    return rr.Mesh3D(
        vertex_positions=vertices,
        triangle_indices=triangles,
        vertex_normals=_normals(vertices, triangles),
        vertex_colors=np.round(255 * colors[first]).astype(np.uint8),
    )


def _normals(vertices: NDArray[np.float64], triangles: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the unit normals (V, 3) of the vertices of a surface, weighted by the area of the triangles."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], np.cross(b - a, c - a))
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


def _array(places: Mapping[str, NDArray[np.float64]], dimensions: int) -> NDArray[np.float64]:
    return np.reshape(list(places.values()), (-1, dimensions))


def _bones(places: Mapping[str, NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    return [np.array([places[parent], places[child]]) for parent, child in BONES if {parent, child} <= places.keys()]
