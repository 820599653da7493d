"""The nearest place of a body to a point or a segment, such as a robot's tool or link, with its doubt.

The distance is that to the triangles of the surface. Capsules around the bones would be some centimetres off. Bounds
leave a few dozen triangles for the exact computation, so that a query takes 3 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.body.recovery import Body, BodyError
from taihri_ros.skeleton import JOINTS

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest places of a body and of a point or segment; camera optical frame.

    Attributes:
        distance_m: Their distance, metres; 0 if the query reaches into the body.
        on_body: float64 (3,) the place on the body's surface, metres. Inside the body it is the place of the query.
        on_query: float64 (3,) the place on the query, metres.
        doubt_m: Standard deviation of the distance, metres, from the doubt of pose and shape; without that of clothes.
        joint: Name of the joint at which the bone begins that moves the place most.
        supported: Whether a keypoint shows where this part of the body is; if not, it has the usual pose of people.
    """

    distance_m: float
    on_body: Array
    on_query: Array
    doubt_m: float
    joint: str
    supported: bool


def nearest_to_segment(body: Body, start: ArrayLike, end: ArrayLike) -> Nearest:
    """Return the place of a body that is nearest to a straight segment.

    Args:
        body: The body.
        start: (3,) one end of the segment, metres, camera optical frame.
        end: (3,) the other end; the same for the distance to a point.

    Returns:
        The nearest place.

    Raises:
        BodyError: An end is not three finite numbers.
    """
    first, last = (np.asarray(place, np.float64) for place in (start, end))
    for place in (first, last):
        if place.shape != (3,) or not np.isfinite(place).all():
            raise BodyError(f"a point must be three finite numbers in metres, not {place.tolist()}")
    corners = body.vertices.astype(np.float64)[body.surface.template.triangles]
    near = _candidates(corners, first, last)
    triangle, shares, on_query = _nearest(corners[near], first, last)
    number = near[triangle]
    on_body = shares @ corners[number]
    distance = float(np.linalg.norm(on_query - on_body))
    low, high = body.vertices.min(axis=0), body.vertices.max(axis=0)
    if distance > 0.0 and (low < first).all() and (first < high).all() and _winding(corners, first) > 0.5:
        distance, on_body, on_query = 0.0, first, first
    return _described(body, number, shares, distance, on_body, on_query)


def _described(body: Body, triangle: int, shares: Array, distance: float, on_body: Array, on_query: Array) -> Nearest:
    """Add what is known of the place on a triangle with barycentric coordinates (3,)."""
    template, placement = body.surface.template, body.placement
    vertices = template.triangles[triangle]
    weights = shares @ body.surface.weights[vertices]
    of_shape = np.einsum("c,sci->si", shares, template.shape_vertices[:, vertices])
    rest = shares @ template.vertices[vertices] + body.shape @ of_shape
    rest_joints = template.joints + np.tensordot(body.shape, template.shape_joints, axes=1)
    points = (placement.rotations @ (rest - rest_joints)[:, :, None])[..., 0] + placement.joints
    jacobian = body.kinematics.point_jacobian(placement, points, weights, of_shape)
    covariance = jacobian @ body.covariance @ jacobian.T
    if distance > 0.0:
        along = (on_query - on_body) / distance
        variance = float(along @ covariance @ along)
    else:
        variance = float(np.linalg.eigvalsh(covariance)[-1])
    return Nearest(
        distance_m=distance,
        on_body=on_body,
        on_query=on_query,
        doubt_m=float(np.sqrt(max(variance, 0.0))),
        joint=JOINTS[int(weights.argmax())],
        supported=bool(body.supported_vertices[vertices[int(shares.argmax())]]),
    )


def _candidates(corners: Array, first: Array, last: Array) -> NDArray[np.int64]:
    """Return the numbers of the triangles that may be nearest: those whose bounding sphere is near enough."""
    middles = (corners[:, 0] + corners[:, 1] + corners[:, 2]) / 3.0
    spans = corners - middles[:, None]
    radii = np.sqrt(np.einsum("tci,tci->tc", spans, spans).max(axis=1))
    along = last - first
    shares = np.clip((middles - first) @ along / max(float(along @ along), 1e-18), 0.0, 1.0)
    gaps = middles - first - shares[:, None] * along
    distances = np.sqrt(np.einsum("ti,ti->t", gaps, gaps))
    return np.flatnonzero(distances - radii <= distances.min())


def _nearest(corners: Array, first: Array, last: Array) -> tuple[int, Array, Array]:
    """Return the triangle (of T, 3, 3) nearest to a segment, the barycentric coordinates and the place on the segment.

    The nearest places are where the segment crosses the triangle; or on an edge; or an end of the segment is over the
    inside of the triangle (Ericson, Real-Time Collision Detection, 2005, section 5.1.10).
    """
    options = [_crossing(corners, first, last), *(_over_face(corners, end) for end in (first, last))]
    options += [_on_edge(corners, edge, first, last) for edge in range(3)]
    shares = np.stack([option[0] for option in options])
    queries = np.stack([option[1] for option in options])
    gaps = np.linalg.norm(np.einsum("otc,tci->oti", shares, corners) - queries, axis=2)
    option, triangle = np.unravel_index(np.where(np.isfinite(gaps), gaps, np.inf).argmin(), gaps.shape)
    if option == 0:  # exactly where both are, without rounding
        return int(triangle), shares[0, triangle], shares[0, triangle] @ corners[triangle]
    return int(triangle), shares[option, triangle], queries[option, triangle]


def _crossing(corners: Array, first: Array, last: Array) -> tuple[Array, Array]:
    """Return where a segment crosses each triangle: barycentric coordinates (T, 3), NaN where it does not; places."""
    a, b, c = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normals = np.cross(b, c)
    along = last - first
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.einsum("ti,ti->t", a - first, normals) / (normals @ along)
        places = first + reach[:, None] * along
        shares = _barycentric(corners, normals, places)
    crossed = (reach >= 0.0) & (reach <= 1.0)
    return _inside(shares, crossed), places


def _over_face(corners: Array, point: Array) -> tuple[Array, Array]:
    """Return the foot of a point on each triangle: barycentric coordinates (T, 3), NaN if it is outside; the point."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    places = np.broadcast_to(point, (len(corners), 3))
    shares = _barycentric(corners, normals, places)
    return _inside(shares, np.ones(len(corners), bool)), places


def _inside(shares: Array, allowed: NDArray[np.bool_]) -> Array:
    """Return barycentric coordinates (T, 3), with NaN for a place outside its triangle or not allowed (T,)."""
    return np.where((allowed & (shares >= 0.0).all(axis=1))[:, np.newaxis], shares, np.nan)


def _barycentric(corners: Array, normals: Array, places: Array) -> Array:
    """Return the barycentric coordinates (T, 3) of places (T, 3), projected onto triangles along their normals."""
    squared = np.einsum("ti,ti->t", normals, normals)
    opposite = [
        np.einsum(
            "ti,ti->t",
            np.cross(corners[:, (k + 2) % 3] - corners[:, (k + 1) % 3], places - corners[:, (k + 1) % 3]),
            normals,
        )
        for k in range(3)
    ]
    return np.asarray(np.stack(opposite, axis=1) / squared[:, None])


def _on_edge(corners: Array, edge: int, first: Array, last: Array) -> tuple[Array, Array]:
    """Return the nearest places of an edge of each triangle and a segment (Ericson, section 5.1.9)."""
    start, along = corners[:, edge], corners[:, (edge + 1) % 3] - corners[:, edge]
    across, gap = last - first, start - first
    a, e, b = np.einsum("ti,ti->t", along, along), float(across @ across), along @ across
    c, f = np.einsum("ti,ti->t", along, gap), gap @ across
    denominator = a * e - b * b
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(denominator > 1e-18, np.clip((b * f - c * e) / denominator, 0.0, 1.0), 0.0)
        reach = np.clip((b * share + f) / e, 0.0, 1.0) if e > 0.0 else np.zeros(len(corners))
        share = np.clip((b * reach - c) / a, 0.0, 1.0)
    shares = np.zeros((len(corners), 3))
    shares[:, edge], shares[:, (edge + 1) % 3] = 1.0 - share, share
    return shares, first + reach[:, None] * across


def _winding(corners: Array, point: Array) -> float:
    """Return how often a closed surface winds around a point: 1 inside, 0 outside.

    It is the sum of the triangles' solid angles (Jacobson et al., Robust inside-outside segmentation using generalized
    winding numbers, 2013).
    """
    rays = corners - point
    lengths = np.sqrt(np.einsum("tci,tci->tc", rays, rays))
    a, b, c = rays.transpose(1, 0, 2)
    volume = np.einsum("ti,ti->t", a, np.cross(b, c))
    ab, bc, ca = (np.einsum("ti,ti->t", first, second) for first, second in ((a, b), (b, c), (c, a)))
    flat = lengths.prod(axis=1) + ab * lengths[:, 2] + bc * lengths[:, 0] + ca * lengths[:, 1]
    return float(np.arctan2(volume, flat).sum() / (2.0 * np.pi))
