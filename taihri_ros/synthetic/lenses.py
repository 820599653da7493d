"""Random cameras with many lenses, and the viewing rays of their pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel

Rng = np.random.Generator
Array = NDArray[np.float64]

_ASPECTS = ((4, 3), (4, 3), (4, 3), (16, 9), (16, 9), (16, 10), (1, 1), (3, 4))
_WIDEST = np.deg2rad(108.0)
"""Widest field of view including lens distortion (radians)."""

_STEP = 8.0
"""Spacing of the nodes at which the lens model is inverted, px; rays between them are interpolated with cubics."""


def sample_camera(rng: Rng, size: int) -> tuple[Camera, NDArray[np.float32]]:
    """Sample a camera: 45 to 105 degrees wide, off-centre principal point, distorted lens in two of three cases.

    Args:
        rng: Random number generator.
        size: Longer side of the image, px.

    Returns:
        The camera, whose lens model is valid over the whole image, and its rays from `ray_grid`.
    """
    while True:
        wide, high = _ASPECTS[int(rng.integers(len(_ASPECTS)))]
        width, height = (size * wide // max(wide, high), size * high // max(wide, high))
        half_angle = np.deg2rad(rng.uniform(45.0, 105.0)) / 2.0
        model, coefficients = _sample_lens(rng)
        edge = half_angle if model is DistortionModel.EQUIDISTANT else np.tan(half_angle)
        focal = 0.5 * max(width, height) / edge
        fx, fy = focal * (1.0 + rng.normal(0.0, 0.008)), focal * (1.0 + rng.normal(0.0, 0.008))
        spread = 0.06 if rng.random() < 0.3 else 0.015
        cx, cy = rng.normal([(width - 1) / 2, (height - 1) / 2], [spread * width, spread * height])
        camera = Camera(
            width=width,
            height=height,
            K=np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]),
            D=np.array(coefficients),
            model=model,
        )
        if _widest_angle(camera) < _WIDEST:
            rays = ray_grid(camera)
            if np.isfinite(rays).all():
                return camera, rays


def _sample_lens(rng: Rng) -> tuple[DistortionModel, list[float]]:
    kind = rng.random()
    if kind < 0.36:
        return DistortionModel.NONE, []
    if kind < 0.66:
        k1 = rng.uniform(-0.32, 0.12)
        k2 = -0.35 * k1 * rng.uniform(0.0, 1.0) + rng.normal(0.0, 0.01)
        tangential = rng.normal(0.0, 0.0012, 2)
        return DistortionModel.PLUMB_BOB, [k1, k2, *tangential.tolist(), rng.normal(0.0, 0.004)]
    if kind < 0.84:
        k4, k5 = rng.uniform(0.05, 0.5), rng.uniform(-0.02, 0.06)
        tangential = rng.normal(0.0, 0.0008, 2)
        k1 = k4 + rng.uniform(-0.3, 0.08)
        return DistortionModel.RATIONAL_POLYNOMIAL, [k1, k5 * 0.5, *tangential.tolist(), 0.0, k4, k5, 0.0]
    return DistortionModel.EQUIDISTANT, rng.normal(0.0, [0.03, 0.008, 0.003, 0.001]).tolist()


def _widest_angle(camera: Camera) -> float:
    """Return the larger of the horizontal and vertical field of view, radians."""
    x, y = (camera.width - 1) / 2, (camera.height - 1) / 2
    left, top, right, bottom = camera.unproject([[0.0, y], [x, 0.0], [2 * x, y], [x, 2 * y]])
    return float(
        max(np.arctan(right[0]) - np.arctan(left[0]), np.arctan(bottom[1]) - np.arctan(top[1])),
    )


def ray_grid(camera: Camera) -> NDArray[np.float32]:
    """Return the viewing rays of all pixels of an image.

    Args:
        camera: The camera.

    Returns:
        float32 (H, W, 2): x and y at z = 1, camera optical frame; NaN where the lens model is not invertible.
    """
    columns, rows = _nodes(camera.width), _nodes(camera.height)
    grid = camera.unproject(np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2))
    xy = grid[:, :2].reshape(len(rows), len(columns), 2)
    across, down = _cubic(np.arange(1.0 * camera.width), columns), _cubic(np.arange(1.0 * camera.height), rows)
    return np.stack([down @ xy[:, :, axis] @ across.T for axis in range(2)], axis=-1).astype(np.float32)


def _nodes(length: int) -> Array:
    return np.arange(-_STEP, length + 2 * _STEP, _STEP)


def _cubic(places: Array, nodes: Array) -> Array:
    """Return the matrix that interpolates from nodes to places with cubic polynomials through four nodes."""
    scaled = (places - nodes[0]) / _STEP
    start = np.clip(np.floor(scaled).astype(int) - 1, 0, len(nodes) - 4)
    t = scaled - start
    shares = (
        -(t - 1) * (t - 2) * (t - 3) / 6,
        t * (t - 2) * (t - 3) / 2,
        -t * (t - 1) * (t - 3) / 2,
        t * (t - 1) * (t - 2) / 6,
    )
    matrix = np.zeros((len(places), len(nodes)))
    for offset, share in enumerate(shares):
        matrix[np.arange(len(places)), start + offset] = share
    return matrix
