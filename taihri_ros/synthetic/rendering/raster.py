"""Rasterization of people into a depth buffer, which is faster than a search of the mesh for every ray.

The nearest triangle of a pixel is a candidate, which ray casting verifies (`casting`). It need not be exact.
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
"""Triangles nearer to the camera plane than this are skipped (metres)."""


@wp.kernel
def _fill(
    corners: wp.array(dtype=wp.vec3),
    faces: wp.array2d(dtype=int),
    width: int,
    height: int,
    inverse_depth: wp.array(dtype=float),
    winner: wp.array(dtype=int),
):
    """Rasterize one triangle; corners are pixels and 1 / z, with 0 for corners behind the near plane."""
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
                if near > inverse_depth[pixel]:
                    inverse_depth[pixel] = near
                    winner[pixel] = face


def candidates(camera: Camera, vertices: NDArray[np.float32], faces: Any, count: int) -> Any:
    """Return the triangle nearest to the camera in each pixel.

    Args:
        camera: The camera.
        vertices: float32 (V, 3) metres, camera optical frame.
        faces: Vertex indices of each triangle, a warp array (F, 3).
        count: Number of triangles to rasterize, from the first.

    Returns:
        Warp array (H * W,) of triangle indices; -1 where there is none.
    """
    return _rasterize(_project(camera, vertices), faces, count, camera.width, camera.height)[1]


def inverse_depths(camera: Camera, vertices: NDArray[np.float32], faces: Any, count: int) -> NDArray[np.float32]:
    """Return the inverse depth of the surface nearest to the camera in each pixel.

    Args:
        camera: The camera.
        vertices: As for `candidates`.
        faces: As for `candidates`.
        count: As for `candidates`.

    Returns:
        float32 (H, W) of 1 / z, 1/m; 0 where there is no surface.
    """
    inverse = _rasterize(_project(camera, vertices), faces, count, camera.width, camera.height)[0]
    return np.asarray(inverse.numpy().reshape(camera.height, camera.width))


def depth_map(vertices: NDArray[np.float32], faces: Any, count: int, focal: float, size: int) -> Any:
    """Return the inverse depth of the nearest triangle in each texel of a square map.

    Args:
        vertices: float32 (V, 3) metres, in the frame of the map's pinhole camera.
        faces: As for `candidates`.
        count: As for `candidates`.
        focal: Focal length of the map, texels; its principal point is (size / 2, size / 2).
        size: Its side, texels.

    Returns:
        Warp array (size * size,) of 1 / z, 1/m; 0 where there is no triangle.
    """
    inverse_depth = _inverse_depth(vertices)
    corners = (focal * inverse_depth)[:, None] * vertices + np.float32(0.5 * size)
    corners[:, 2] = inverse_depth
    return _rasterize(corners.astype(np.float32), faces, count, size, size)[0]


def _rasterize(corners: NDArray[np.float32], faces: Any, count: int, width: int, height: int) -> tuple[Any, Any]:
    inverse_depth = wp.zeros(width * height, dtype=float, device="cpu")
    winner = wp.full(width * height, -1, dtype=int, device="cpu")
    at = wp.array(corners, dtype=wp.vec3, device="cpu")
    wp.launch(_fill, dim=count, inputs=[at, faces, width, height, inverse_depth, winner], device="cpu")
    return inverse_depth, winner


def _inverse_depth(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 / z of points, and 0 for points behind the near plane."""
    valid = points[:, 2] > NEAREST
    return np.where(valid, 1.0 / np.where(valid, points[:, 2], 1.0), 0.0).astype(np.float32)


def _project(camera: Camera, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return pixels and 1 / z of points by OpenCV's lens models, also outside the field of view."""
    inverse_depth = _inverse_depth(points)
    x, y = points[:, 0] * inverse_depth, points[:, 1] * inverse_depth
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
    return np.column_stack([np.clip(fx * x + cx, -far, far), np.clip(fy * y + cy, -far, far), inverse_depth]).astype(
        np.float32
    )
