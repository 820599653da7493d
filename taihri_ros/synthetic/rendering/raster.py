"""Which triangle each pixel's ray meets first: a depth buffer, which is quicker than a search for every ray.

The answer is a candidate that the ray itself confirms (`casting`), so that it need not be exact.
"""

# mypy: disable-error-code="no-untyped-def,misc,valid-type,untyped-decorator,no-untyped-call"
from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel

wp.set_module_options({"enable_backward": False, "fast_math": True})

NEAREST = 0.03
"""Triangles that reach nearer to the camera's plane than this are left out (metres)."""


@wp.kernel
def _fill(
    corners: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    width: int,
    height: int,
    nearness: wp.array(dtype=float),
    winner: wp.array(dtype=int),
):
    """Draw one triangle; corners are pixels and 1 / z, or have a z of 0 where they cannot be drawn."""
    face = wp.tid()
    a = corners[faces[face, 0]]
    b = corners[faces[face, 1]]
    c = corners[faces[face, 2]]
    if a[2] <= 0.0 or b[2] <= 0.0 or c[2] <= 0.0:
        return
    x0 = wp.max(int(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])))), 0)
    x1 = wp.min(int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])))), width - 1)
    if x0 > x1:
        return
    y0 = wp.max(int(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])))), 0)
    y1 = wp.min(int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])))), height - 1)
    if y0 > y1:
        return
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    if area == 0.0:
        return
    scale = 1.0 / area
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            u = float(x)
            v = float(y)
            first_share = ((b[0] - u) * (c[1] - v) - (b[1] - v) * (c[0] - u)) * scale
            second_share = ((c[0] - u) * (a[1] - v) - (c[1] - v) * (a[0] - u)) * scale
            third_share = 1.0 - first_share - second_share
            if first_share >= 0.0 and second_share >= 0.0 and third_share >= 0.0:
                near = first_share * a[2] + second_share * b[2] + third_share * c[2]
                pixel = y * width + x
                if near > nearness[pixel]:
                    nearness[pixel] = near
                    winner[pixel] = face


def candidates(camera: Camera, vertices: NDArray[np.float32], faces: Any, count: int) -> Any:
    """Find the triangle nearest to the camera in each pixel.

    Args:
        camera: The camera.
        vertices: float32 (V, 3) metres, camera optical frame.
        faces: Vertices of each triangle, a warp array (F, 3).
        count: How many of the triangles to draw.

    Returns:
        Warp array (H * W,) of numbers of triangles; -1 where there is none.
    """
    return _draw(_project(camera, vertices), faces, count, camera.width, camera.height)[1]


def depth_map(vertices: NDArray[np.float32], faces: Any, count: int, focal: float, size: int) -> Any:
    """Find how near the nearest triangle is in each texel of a square map.

    Args:
        vertices: float32 (V, 3) metres, in the frame of the map's pinhole camera.
        faces: As for `candidates`.
        count: As for `candidates`.
        focal: Focal length of the map, texels; its principal point is (size / 2, size / 2).
        size: Its side, texels.

    Returns:
        Warp array (size * size,) of 1 / z; 0 where there is nothing.
    """
    nearness = _nearness(vertices)
    corners = (focal * nearness)[:, None] * vertices + np.float32(0.5 * size)
    corners[:, 2] = nearness
    return _draw(corners.astype(np.float32), faces, count, size, size)[0]


def _draw(corners: NDArray[np.float32], faces: Any, count: int, width: int, height: int) -> tuple[Any, Any]:
    nearness = wp.zeros(width * height, dtype=float, device="cpu")
    winner = wp.full(width * height, -1, dtype=int, device="cpu")
    at = wp.array(corners, dtype=wp.vec3, device="cpu")
    wp.launch(_fill, dim=count, inputs=[at, faces, width, height, nearness, winner], device="cpu")
    return nearness, winner


def _nearness(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give 1 / z of points, and 0 for those that cannot be drawn."""
    drawn = points[:, 2] > NEAREST
    return np.where(drawn, 1.0 / np.where(drawn, points[:, 2], 1.0), 0.0).astype(np.float32)


def _project(camera: Camera, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give pixels and 1 / z of points by the formulas of OpenCV's lens models, also beyond the field of view."""
    nearness = _nearness(points)
    x, y = points[:, 0] * nearness, points[:, 1] * nearness
    k = [*camera.D[:8].tolist(), *[0.0] * 8]
    if camera.model is DistortionModel.EQUIDISTANT:
        radius = np.hypot(x, y) + np.float32(1e-9)
        angle = np.arctan(radius)
        t = angle * angle
        scale = angle / radius * (1.0 + t * (k[0] + t * (k[1] + t * (k[2] + t * k[3]))))
        x, y = x * scale, y * scale
    elif camera.model is not DistortionModel.NONE:
        s = x * x + y * y
        scale = (1.0 + s * (k[0] + s * (k[1] + s * k[4]))) / (1.0 + s * (k[5] + s * (k[6] + s * k[7])))
        x, y = (
            x * scale + 2.0 * k[2] * x * y + k[3] * (s + 2.0 * x * x),
            y * scale + k[2] * (s + 2.0 * y * y) + 2.0 * k[3] * x * y,
        )
    (fx, _, cx), (_, fy, cy), _ = camera.K.tolist()
    far = 1e6
    return np.column_stack([np.clip(fx * x + cx, -far, far), np.clip(fy * y + cy, -far, far), nearness]).astype(
        np.float32
    )
