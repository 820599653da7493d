"""Places the landmarks of a person in the frame of the camera.

BlazePose knows where a landmark is in the picture better than how far away it is, and its metric landmarks are those of
an average person, who turns out too short where limbs point at the camera. Two steps use what is known best:

1. The metric landmarks are translated so that they project to those in the picture. The projection of P + t is linear
   in t: u (P_z + t_z) = P_x + t_x and v (P_z + t_z) = P_y + t_y. That is a least-squares problem.
2. The landmarks that are seen are then kept on their rays, and their depths are changed so that the bones have an
   adult's lengths and the differences in depth are BlazePose's, each within its error. That is a non-linear
   least-squares problem in at most 12 depths, solved with Gauss-Newton steps from the first one's solution.

One picture does not tell the size of a person: BlazePose's own is uncorrelated with the true one among adults. So the
distance is that of somebody of average size, and wrong by as much as they are larger or smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.mediapipe.landmarks import ANCHORS, BODY, BONES, LENGTHS_M, Landmarks

_SEEN = 0.3
"""Visibility above which a landmark is trusted."""

_FEWEST = 8
"""Smallest number of landmarks for the translation. If fewer are seen, the most visible ones are used."""

_LENGTH_ERROR = 0.15
"""Standard deviation of the length of a bone, as a share of it."""

_DEPTH_ERROR_M = 0.05
"""Standard deviation of BlazePose's difference in depth between the ends of a bone."""

_FIRST_ERROR = 0.4
"""Standard deviation of a depth after the first step, as a share of it."""

_STEPS = 3
"""Number of Gauss-Newton steps."""

_NEAREST_M = 0.1


@dataclass(frozen=True, eq=False)
class Placement:
    """A person in the frame of the camera.

    Attributes:
        points: (33, 3) metres, camera optical frame.
        seen: (33,) whether the landmark is on the ray of its pixel; the others are placed beside those that are.
        size: Size of the person compared with an adult, from the bones that are seen; 1 without any.
    """

    points: NDArray[np.float64]
    seen: NDArray[np.bool_]
    size: float


def place(found: Landmarks, focal_px: float) -> Placement:
    """Place the landmarks of a person in the frame of the camera.

    Args:
        found: The landmarks.
        focal_px: Focal length of the picture, px; the principal point is its centre.

    Returns:
        The placed landmarks.
    """
    centre = (np.array(found.size) - 1) / 2
    rays = np.column_stack([(found.pixels - centre) / focal_px, np.ones(len(found.pixels))])
    seen = found.inside & (found.visibility > _SEEN)
    used = seen if seen.sum() >= _FEWEST else found.visibility >= np.sort(found.visibility)[-_FEWEST]
    points = found.world + _translation(rays[used], found.world[used])
    body = np.array(BODY)
    on_ray = body[seen[body] & (points[body, 2] > _NEAREST_M)]
    depths, size = _refine(points[on_ray, 2], rays[on_ray], found, on_ray)
    points = _attach(found.world, points, on_ray, rays[on_ray] * depths[:, None])
    others = seen & (points[:, 2] > _NEAREST_M)
    points[others] = rays[others] * points[others, 2:]
    return Placement(points, others, size)


def _translation(rays: NDArray[np.float64], world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the translation (3,) after which N metric points lie best on their rays (x, y, 1)."""
    ones, zeros = np.ones(len(rays)), np.zeros(len(rays))
    rows = [np.column_stack([ones, zeros, -rays[:, 0]]), np.column_stack([zeros, ones, -rays[:, 1]])]
    values = (rays[:, :2] * world[:, 2:] - world[:, :2]).T.ravel()
    translation, *_ = np.linalg.lstsq(np.concatenate(rows), values, rcond=None)
    return np.asarray(translation)


def _refine(
    depths: NDArray[np.float64], rays: NDArray[np.float64], found: Landmarks, numbers: NDArray[np.int64]
) -> tuple[NDArray[np.float64], float]:
    """Return the depths (N,) that agree best with the bones, and the size of the person.

    Args:
        depths: (N,) metres, after the translation.
        rays: (N, 3) rays (x, y, 1).
        found: The landmarks.
        numbers: (N,) numbers of these landmarks, of those in `BODY`.
    """
    row = {number: index for index, number in enumerate(numbers.tolist())}
    pairs = [[row.get(BODY[end], -1) for end in ends] for ends in BONES.tolist()]
    known = np.array([min(pair) >= 0 for pair in pairs])
    if not known.any():
        return depths, 1.0
    start, end = np.array(pairs)[known].T
    lengths, count, bones = LENGTHS_M[known], len(depths), np.arange(known.sum())
    world = found.world[numbers]
    differences = world[start, 2] - world[end, 2]
    weights = np.sqrt(found.visibility[numbers][start] * found.visibility[numbers][end])
    difference_rows = np.zeros((len(bones), count))
    difference_rows[bones, start], difference_rows[bones, end] = weights / _DEPTH_ERROR_M, -weights / _DEPTH_ERROR_M
    first, trust = depths, 1.0 / (_FIRST_ERROR * depths)
    for _ in range(_STEPS):
        vectors = rays[start] * depths[start, None] - rays[end] * depths[end, None]
        norms = np.maximum(np.linalg.norm(vectors, axis=1), 1e-3)
        scale = weights / (_LENGTH_ERROR * lengths)
        length_rows = np.zeros((len(bones), count))
        length_rows[bones, start] = scale * (vectors * rays[start]).sum(axis=1) / norms
        length_rows[bones, end] = -scale * (vectors * rays[end]).sum(axis=1) / norms
        rows = np.concatenate([length_rows, difference_rows, np.diag(trust)])
        residuals = np.concatenate(
            [
                scale * (norms - lengths),
                weights * (depths[start] - depths[end] - differences) / _DEPTH_ERROR_M,
                trust * (depths - first),
            ]
        )
        depths = np.maximum(depths - np.linalg.solve(rows.T @ rows, rows.T @ residuals), _NEAREST_M)
    norms = np.linalg.norm(rays[start] * depths[start, None] - rays[end] * depths[end, None], axis=1)
    return depths, float(np.exp(np.average(np.log(norms / lengths), weights=weights * lengths)))


def _attach(
    world: NDArray[np.float64], moved: NDArray[np.float64], numbers: NDArray[np.int64], placed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return all landmarks (33, 3), those that are not placed at their metric distance from those that are.

    Args:
        world: (33, 3) the metric landmarks.
        moved: (33, 3) the same after the translation.
        numbers: (N,) numbers of the landmarks that are placed; there may be none.
        placed: (N, 3) their positions.
    """
    if not len(numbers):
        return moved
    points: NDArray[np.float64] = world + (placed - world[numbers]).mean(axis=0)
    points[numbers] = placed
    fixed = set(numbers.tolist())
    for number, anchor in ANCHORS:
        if number not in fixed:
            points[number] = points[anchor] + world[number] - world[anchor]
    return points
