"""Intersections of a ray with walls, objects and the triangles of people (warp functions)."""

# mypy: disable-error-code="no-untyped-def,misc,valid-type,untyped-decorator,no-untyped-call"
# ruff: noqa: UP018
# In a kernel, int(0) is a variable and 0 a constant.
from __future__ import annotations

import warp as wp

FAR = wp.constant(60.0)
"""Distance of a ray without an intersection (metres)."""


@wp.struct
class ShadowMap:
    """Shadow map: a depth map of the people seen from the light.

    `turn` rotates directions into the map's frame (z to the people). The map has `size` texels a side and a focal
    length of `focal` texels; it holds 1 / z of the nearest surface, or 0.
    """

    turn: wp.mat33
    focal: float
    size: int
    inverse_depth: wp.array(dtype=float)


@wp.struct
class Surroundings:
    """A room as the kernels read it, with the fields of `room.Room`."""

    middle: wp.vec2
    cosine: float
    sine: float
    size: wp.vec3
    surfaces: wp.array2d(dtype=float)
    primitives: wp.array2d(dtype=float)
    light: wp.vec3
    light_color: wp.vec3
    shadow_map: ShadowMap
    above: wp.vec3
    below: wp.vec3
    seed: int
    own: int


@wp.func
def into_room(room: Surroundings, direction: wp.vec3):
    """Rotate a direction into the axes of the walls."""
    return wp.vec3(
        room.cosine * direction[0] + room.sine * direction[1],
        room.cosine * direction[1] - room.sine * direction[0],
        direction[2],
    )


@wp.func
def wall_distance(room: Surroundings, o: wp.vec3, d: wp.vec3):
    """Return the distance along a ray in the axes of the walls, and the side: floor, ceiling or one of four walls."""
    distance = float(FAR)
    side = 0
    if d[2] < -1.0e-6:
        distance = -o[2] / d[2]
    elif d[2] > 1.0e-6:
        distance = (room.size[2] - o[2]) / d[2]
        side = 1
    for k in range(2):
        if wp.abs(d[k]) > 1.0e-6:
            t = (wp.sign(d[k]) * room.size[k] - o[k]) / d[k]
            if t < distance:
                distance = t
                side = 2 + 2 * k + wp.where(d[k] > 0.0, 1, 0)
    return distance, side


@wp.func
def wall_normal(room: Surroundings, side: int):
    """Return the normal of a wall."""
    normal = wp.vec3(-room.sine, room.cosine, 0.0) * wp.where(side == 5, -1.0, 1.0)
    if side < 2:
        normal = wp.vec3(0.0, 0.0, 1.0 - 2.0 * float(side))
    elif side < 4:
        normal = wp.vec3(room.cosine, room.sine, 0.0) * wp.where(side == 3, -1.0, 1.0)
    return normal


@wp.func
def shadow_of_people(shadow_map: ShadowMap, p: wp.vec3):
    """Return the share of light that people block at a point relative to the light; bilinear between texels."""
    q = shadow_map.turn * p
    if q[2] <= 0.1:
        return float(0.0)
    u = shadow_map.focal * q[0] / q[2] + 0.5 * float(shadow_map.size)
    v = shadow_map.focal * q[1] / q[2] + 0.5 * float(shadow_map.size)
    x = int(wp.floor(u))
    y = int(wp.floor(v))
    if x < 0 or y < 0 or x >= shadow_map.size - 1 or y >= shadow_map.size - 1:
        return float(0.0)
    near = 1.0 / (q[2] - 0.02)
    texel = y * shadow_map.size + x
    a = u - float(x)
    b = v - float(y)
    upper = wp.where(shadow_map.inverse_depth[texel] > near, 1.0 - a, 0.0) + wp.where(
        shadow_map.inverse_depth[texel + 1] > near, a, 0.0
    )
    texel = texel + shadow_map.size
    lower = wp.where(shadow_map.inverse_depth[texel] > near, 1.0 - a, 0.0) + wp.where(
        shadow_map.inverse_depth[texel + 1] > near, a, 0.0
    )
    return upper * (1.0 - b) + lower * b


@wp.func
def primitive_distance(primitives: wp.array2d(dtype=float), row: int, start: wp.vec3, direction: wp.vec3):
    """Return the normal where a ray hits an object, and the distance or `FAR` as fourth component."""
    half = wp.vec3(primitives[row, 4], primitives[row, 5], primitives[row, 6])
    p = start - wp.vec3(primitives[row, 1], primitives[row, 2], primitives[row, 3])
    along = wp.dot(p, direction)
    if wp.dot(p, p) - along * along > wp.dot(half, half):
        return wp.vec4(0.0, 0.0, 1.0, FAR)
    c = primitives[row, 7]
    s = primitives[row, 8]
    o = wp.vec3(c * p[0] + s * p[1], c * p[1] - s * p[0], p[2])
    d = wp.vec3(c * direction[0] + s * direction[1], c * direction[1] - s * direction[0], direction[2])
    shape = int(primitives[row, 0])
    hit = wp.vec4(0.0, 0.0, 1.0, FAR)
    if shape == 1:
        hit = ellipsoid_distance(half, o, d)
    elif shape == 2:
        hit = cylinder_distance(half, o, d)
    else:
        hit = box_distance(half, o, d)
    return wp.vec4(c * hit[0] - s * hit[1], s * hit[0] + c * hit[1], hit[2], hit[3])


@wp.func
def ellipsoid_distance(half: wp.vec3, o: wp.vec3, d: wp.vec3):
    """Intersect a ray from outside with an ellipsoid at the origin; return normal and distance."""
    a = wp.cw_div(o, half)
    b = wp.cw_div(d, half)
    qa = wp.dot(b, b)
    qb = wp.dot(a, b)
    root = qb * qb - qa * (wp.dot(a, a) - 1.0)
    if root <= 0.0:
        return wp.vec4(0.0, 0.0, 1.0, FAR)
    t = (-qb - wp.sqrt(root)) / qa
    if t <= 1e-3:
        return wp.vec4(0.0, 0.0, 1.0, FAR)
    n = wp.normalize(wp.cw_div(a + t * b, half))
    return wp.vec4(n[0], n[1], n[2], t)


@wp.func
def cylinder_distance(half: wp.vec3, o: wp.vec3, d: wp.vec3):
    """Intersect a ray from outside with an upright cylinder at the origin; return normal and distance."""
    hit = wp.vec4(0.0, 0.0, 1.0, FAR)
    qa = d[0] * d[0] + d[1] * d[1]
    qb = o[0] * d[0] + o[1] * d[1]
    root = qb * qb - qa * (o[0] * o[0] + o[1] * o[1] - half[0] * half[0])
    if root > 0.0 and qa > 1e-9:
        t = (-qb - wp.sqrt(root)) / qa
        if t > 1e-3 and wp.abs(o[2] + t * d[2]) < half[2]:
            hit = wp.vec4((o[0] + t * d[0]) / half[0], (o[1] + t * d[1]) / half[0], 0.0, t)
    if wp.abs(d[2]) > 1e-6:
        t = (-wp.sign(d[2]) * half[2] - o[2]) / d[2]
        x = o[0] + t * d[0]
        y = o[1] + t * d[1]
        if t > 1e-3 and t < hit[3] and x * x + y * y < half[0] * half[0]:
            hit = wp.vec4(0.0, 0.0, -wp.sign(d[2]), t)
    return hit


@wp.func
def box_distance(half: wp.vec3, o: wp.vec3, d: wp.vec3):
    """Intersect a ray from outside with a box at the origin (slab method); return normal and distance."""
    near = float(-1.0e9)
    far = float(1.0e9)
    axis = 0
    for k in range(3):
        inverse = 1.0 / (d[k] + wp.where(d[k] >= 0.0, 1.0e-9, -1.0e-9))
        t0 = (-half[k] - o[k]) * inverse
        t1 = (half[k] - o[k]) * inverse
        low = wp.min(t0, t1)
        if low > near:
            near = low
            axis = k
        far = wp.min(far, wp.max(t0, t1))
    if near >= far or near <= 1e-3:
        return wp.vec4(0.0, 0.0, 1.0, FAR)
    hit = wp.vec4(0.0, 0.0, 0.0, near)
    hit[axis] = -wp.sign(d[axis])
    return hit


@wp.func
def triangle_distance(mesh: wp.uint64, face: int, start: wp.vec3, direction: wp.vec3):
    """Intersect a ray with a triangle (Moeller-Trumbore); return two barycentric coordinates and distance or `FAR`."""
    points = wp.mesh_get(mesh).points
    c = points[wp.mesh_get_index(mesh, face * 3 + 2)]
    a = points[wp.mesh_get_index(mesh, face * 3)] - c
    b = points[wp.mesh_get_index(mesh, face * 3 + 1)] - c
    across = wp.cross(direction, b)
    size = wp.dot(a, across)
    if size == 0.0:
        return wp.vec3(0.0, 0.0, FAR)
    offset = start - c
    turned = wp.cross(offset, a)
    u = wp.dot(offset, across) / size
    v = wp.dot(direction, turned) / size
    t = wp.dot(b, turned) / size
    if u < 0.0 or v < 0.0 or u + v > 1.0 or t <= 0.0:
        return wp.vec3(0.0, 0.0, FAR)
    return wp.vec3(u, v, t)
