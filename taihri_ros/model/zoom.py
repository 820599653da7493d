"""Zoom: how a model sees a person through a longer focal length than its own, and the exact inverse.

A model reads depth from size, by one canonical focal length f (`ModelSpec.focal_px`). A view with the focal length
s f, where s is the zoom, shows somebody as large as an unzoomed view would if they stood s times nearer. So the depth
of the root (the pelvis) is seen divided by s. The pose around the root stays in metres: if every coordinate were
divided by s, the model would see a dwarf. With P the points in the frame of the view, x right, y down, z forward:

    seen P_j = P_j + (0, 0, (1 / s - 1) Z_root)          Z_root = s (seen Z_root)

x, y and the distances between joints are unchanged. The perspective within the body is not quite that of somebody who
stands nearer. But the labels of the training views follow the same rule, so the model learns what it decodes, and the
inverse is exact. Pixels u and v are those of the zoomed view itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.skeleton import INDEX

ROOT = "pelvis"
"""The joint whose depth is divided by the zoom; every question about a zoomed view asks for it."""

ROOT_INDEX = INDEX[ROOT]
"""Its index in the skeleton."""


def seen_points(points: ArrayLike, root_depth: float, zoom: float) -> NDArray[np.float64]:
    """Return points as a model sees them through a zoomed view; these are the labels of a training view.

    Args:
        points: (N, 3) metres, frame of the view.
        root_depth: z of the root in the same frame, metres.
        zoom: Focal length of the view divided by that of the model.

    Returns:
        float64 (N, 3) metres; exactly the points if the zoom is 1.

    Example:
        >>> seen_points([[0.0, 0.2, 3.0], [0.4, -0.3, 2.75]], root_depth=3.0, zoom=2.0).tolist()
        [[0.0, 0.2, 1.5], [0.4, -0.3, 1.25]]
    """
    return _shifted(points, (1.0 / zoom - 1.0) * root_depth)


def real_points(seen: ArrayLike, seen_root_depth: float, zoom: float) -> NDArray[np.float64]:
    """Return the real points from those that a model saw through a zoomed view; the inverse of `seen_points`.

    Args:
        seen: (N, 3) metres, points as the model saw them, frame of the view.
        seen_root_depth: z of the root as the model saw it, metres.
        zoom: Focal length of the view divided by that of the model.

    Returns:
        float64 (N, 3) metres, frame of the view.

    Example:
        >>> real_points([[0.0, 0.2, 1.5], [0.4, -0.3, 1.25]], seen_root_depth=1.5, zoom=2.0).tolist()
        [[0.0, 0.2, 3.0], [0.4, -0.3, 2.75]]
    """
    return _shifted(seen, (zoom - 1.0) * seen_root_depth)


def _shifted(points: ArrayLike, depth: float) -> NDArray[np.float64]:
    shifted: NDArray[np.float64] = np.asarray(points, np.float64).reshape(-1, 3) + np.array([0.0, 0.0, depth])
    return shifted
