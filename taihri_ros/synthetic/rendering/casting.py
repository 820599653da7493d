"""Ray casting: nearest surface, its colour and the light on it for every pixel (warp kernels)."""

# mypy: disable-error-code="no-untyped-def,misc,valid-type,untyped-decorator,no-untyped-call"
# ruff: noqa: UP018, RUF046
# In a kernel, int(0) is a variable and 0 a constant.
from __future__ import annotations

import warp as wp

from taihri_ros.synthetic.owners import Owner
from taihri_ros.synthetic.rendering.geometry import (
    FAR,
    Surroundings,
    into_room,
    primitive_distance,
    shadow_of_people,
    triangle_distance,
    wall_distance,
    wall_normal,
)
from taihri_ros.synthetic.rendering.lifelike import CLOTH, STRANDS, folds, lifelike_color
from taihri_ros.synthetic.rendering.shading import LIFELIKE, PHASE, WRINKLES, outfit_color, pattern, value_noise

wp.set_module_options({"enable_backward": False, "fast_math": True})

ROOM = wp.constant(int(Owner.ROOM))
PERSON = wp.constant(int(Owner.PERSON))
OBJECT = wp.constant(int(Owner.OBJECT))
FURNITURE = wp.constant(int(Owner.FURNITURE))
"""Owners of a pixel."""


@wp.struct
class People:
    """People of one topology in one mesh, each one's vertices after those of the one before, and their outfits.

    The arrays from `rest` on are those of `garments.Surface`.
    """

    mesh: wp.uint64
    normals: wp.array(dtype=wp.vec3)
    faces: int
    vertices: int
    outfits: wp.array2d(dtype=float)
    rest: wp.array(dtype=wp.vec3)
    coords: wp.array(dtype=wp.vec3)
    head: wp.array(dtype=wp.vec3)
    rough: wp.array(dtype=wp.vec3)
    eyes: wp.array(dtype=float)
    face: wp.array(dtype=wp.vec3)
    occlusion: wp.array(dtype=float)


@wp.kernel
def accumulate_normals(points: wp.array(dtype=wp.vec3), faces: wp.array2d(dtype=int), normals: wp.array(dtype=wp.vec3)):
    """Add the area-weighted normal of a triangle to the normals of its corners."""
    face = wp.tid()
    a = faces[face, 0]
    b = faces[face, 1]
    c = faces[face, 2]
    across = wp.cross(points[b] - points[a], points[c] - points[a])
    wp.atomic_add(normals, a, across)
    wp.atomic_add(normals, b, across)
    wp.atomic_add(normals, c, across)


@wp.func
def in_shadow(primitives: wp.array2d(dtype=float), p: wp.vec3, direction: wp.vec3, far: float):
    """Check whether an object blocks the line between a point and the light."""
    for row in range(primitives.shape[0]):
        hit = primitive_distance(primitives, row, p, direction)
        if hit[3] < far:
            return True
    return False


@wp.func
def corners(people: People, face: int):
    """Return the vertices of a triangle, as indices into the arrays of `garments.Surface`."""
    first = (face // people.faces) * people.vertices
    return wp.vec3i(
        wp.mesh_get_index(people.mesh, face * 3) - first,
        wp.mesh_get_index(people.mesh, face * 3 + 1) - first,
        wp.mesh_get_index(people.mesh, face * 3 + 2) - first,
    )


@wp.func
def person_color(people: People, face: int, u: float, v: float):
    """Return colour and material of a point on a person's triangle; see `lifelike` for the materials."""
    who = face // people.faces
    corner = corners(people, face)
    a, b, c = corner[0], corner[1], corner[2]
    w = 1.0 - u - v
    rest = people.rest[a] * u + people.rest[b] * v + people.rest[c] * w
    coords = people.coords[a] * u + people.coords[b] * v + people.coords[c] * w
    head = people.head[a] * u + people.head[b] * v + people.head[c] * w
    rough = people.rough[a] * u + people.rough[b] * v + people.rough[c] * w
    if people.outfits[who, LIFELIKE] > 0.5:
        features = people.face[a] * u + people.face[b] * v + people.face[c] * w
        return lifelike_color(people.outfits, who, rest, coords, head, rough, features)
    eye = people.eyes[a] * u + people.eyes[b] * v + people.eyes[c] * w
    plain = outfit_color(people.outfits, who, rest, coords, head, rough, eye)
    return wp.vec4(plain[0], plain[1], plain[2], 0.0)


@wp.func
def folded_normal(people: People, face: int, u: float, v: float, normal: wp.vec3):
    """Return a normal tilted by the folds of cloth."""
    who = face // people.faces
    corner = corners(people, face)
    a, b, c = corner[0], corner[1], corner[2]
    w = 1.0 - u - v
    rest = people.rest[a] * u + people.rest[b] * v + people.rest[c] * w
    coords = people.coords[a] * u + people.coords[b] * v + people.coords[c] * w
    seed = int(people.outfits[who, PHASE] * 1000.0)
    tilt = folds(rest, coords, seed, people.outfits[who, WRINKLES])
    return wp.normalize(normal - (tilt - wp.dot(tilt, normal) * normal))


@wp.func
def openness(people: People, face: int, u: float, v: float):
    """Return the share of the surroundings that the person's own body leaves free at a point."""
    corner = corners(people, face)
    a, b, c = corner[0], corner[1], corner[2]
    return people.occlusion[a] * u + people.occlusion[b] * v + people.occlusion[c] * (1.0 - u - v)


@wp.func
def person_normal(people: People, face: int, u: float, v: float):
    """Return the interpolated normal of a point on a person's triangle."""
    a = wp.mesh_get_index(people.mesh, face * 3)
    b = wp.mesh_get_index(people.mesh, face * 3 + 1)
    c = wp.mesh_get_index(people.mesh, face * 3 + 2)
    return wp.normalize(people.normals[a] * u + people.normals[b] * v + people.normals[c] * (1.0 - u - v))


@wp.func
def surface_color(room: Surroundings, row: int, p: wp.vec3, at: wp.vec3, normal: wp.vec3):
    """Return the colour of a wall or object at a point `p`, which is `at` in the axes of the walls."""
    scaled = at / room.surfaces[row, 7]
    facing = into_room(room, normal)
    u = scaled[0]
    v = scaled[2]
    if wp.abs(facing[2]) > 0.7:
        v = scaled[1]
    elif wp.abs(facing[0]) > 0.7:
        u = scaled[1]
    color = pattern(
        int(room.surfaces[row, 6]),
        u,
        v,
        scaled[0] + scaled[1] - u,
        room.seed + row,
        wp.vec3(room.surfaces[row, 0], room.surfaces[row, 1], room.surfaces[row, 2]),
        wp.vec3(room.surfaces[row, 3], room.surfaces[row, 4], room.surfaces[row, 5]),
    )
    return color * (1.0 + 0.1 * value_noise(1.7 * p[0] + 0.7 * p[2], 1.7 * p[1] + 0.9 * p[2], room.seed))


@wp.func
def nearest_object(room: Surroundings, distance: float, eye: wp.vec3, direction: wp.vec3):
    """Return distance, row and normal of the first object on a ray that is nearer than a distance; row -1 for none."""
    row = int(-1)
    normal = wp.vec3(0.0, 0.0, 1.0)
    for primitive in range(room.primitives.shape[0]):
        hit = primitive_distance(room.primitives, primitive, eye, direction)
        if hit[3] < distance:
            distance = hit[3]
            row = primitive
            normal = wp.vec3(hit[0], hit[1], hit[2])
    return distance, row, normal


@wp.func
def nearest_person(people: People, candidate: int, further: bool, distance: float, eye: wp.vec3, direction: wp.vec3):
    """Return distance, triangle and its barycentric coordinates of the first person on a ray; triangle -1 for none.

    The candidate is the triangle that the rasteriser has found in the pixel, or -1. If the ray misses it, or on a
    `further` ray of the pixel, all triangles are searched.
    """
    face = int(-1)
    u = float(0.0)
    v = float(0.0)
    if candidate >= 0:
        met = triangle_distance(people.mesh, candidate, eye, direction)
        further = met[2] == FAR
        if met[2] < distance:
            distance = met[2]
            face = candidate
            u = met[0]
            v = met[1]
    if further:
        query = wp.mesh_query_ray(people.mesh, eye, direction, distance)
        if query.result:
            distance = query.t
            face = query.face
            u = query.u
            v = query.v
    return distance, face, u, v


@wp.func
def lit(
    total: wp.vec3,
    room: Surroundings,
    p: wp.vec3,
    direction: wp.vec3,
    normal: wp.vec3,
    albedo: wp.vec3,
    gloss: float,
    free: float,
    on_floor: bool,
):
    """Add the light that a point `p` sends back along a ray: of one lamp with shadows, and of the surroundings.

    `free` is the share of the surroundings that lights the point. They are weaker on the floor (or the ceiling) under
    the person.
    """
    to_light = room.light - p
    far = wp.length(to_light)
    to_light = to_light / far
    lamp = wp.max(wp.dot(normal, to_light), 0.0)
    if lamp > 0.0:
        lamp = lamp * (1.0 - shadow_of_people(room.shadow_map, p + 1.0e-2 * normal - room.light))
        if in_shadow(room.primitives, p + 2.0e-3 * normal, to_light, far):
            lamp = 0.0
    up = 0.5 + 0.5 * normal[2]
    around = room.above * up + room.below * (1.0 - up)
    if on_floor:
        around = around * (1.0 - 0.55 * wp.exp(-2.0 * (p[0] * p[0] + p[1] * p[1])))
    total += wp.cw_mul(albedo, free * around + (0.5 + 0.5 * free) * lamp * room.light_color)
    if lamp > 0.0:
        shine = wp.max(wp.dot(wp.normalize(to_light - direction), normal), 0.0)
        shine = shine * shine * shine
        shine = shine * shine * shine
        shine = shine * shine * shine
        total += gloss * shine * lamp * room.light_color
    return total


@wp.kernel
def cast(
    chosen: wp.array(dtype=int),
    candidates: wp.array(dtype=int),
    rays: wp.array2d(dtype=wp.vec2),
    ray_count: float,
    camera: wp.mat33,
    eye: wp.vec3,
    people: People,
    room: Surroundings,
    colors: wp.array(dtype=wp.vec3),
    owners: wp.array(dtype=wp.int8),
):
    """Average the light of further rays with the `ray_count` rays of each pixel; the first ray sets the owner."""
    index = wp.tid()
    pixel = chosen[index]
    total = colors[pixel] * ray_count
    start = into_room(room, eye - wp.vec3(room.middle[0], room.middle[1], 0.0))
    for sample in range(rays.shape[0]):
        xy = rays[sample, index]
        direction = wp.normalize(camera * wp.vec3(xy[0], xy[1], 1.0))
        forward = into_room(room, direction)
        distance, side = wall_distance(room, start, forward)
        kind = int(ROOM)
        row = int(side)
        distance, primitive, normal = nearest_object(room, distance, eye, direction)
        if primitive >= 0:
            row = 6 + primitive
            kind = wp.where(primitive < room.own, OBJECT, FURNITURE)
        distance, face, u, v = nearest_person(people, candidates[pixel], ray_count > 0.0, distance, eye, direction)
        p = eye + distance * direction
        gloss = float(0.06)
        free = float(1.0)
        if face >= 0:
            who = face // people.faces
            kind = wp.where(who < 2, PERSON + who, OBJECT + who)  # as in `owner_of`
            normal = person_normal(people, face, u, v)
            painted = person_color(people, face, u, v)
            albedo = wp.vec3(painted[0], painted[1], painted[2])
            if people.outfits[who, LIFELIKE] > 0.5:
                free = 0.25 + 0.75 * openness(people, face, u, v)
                if painted[3] == CLOTH:
                    normal = folded_normal(people, face, u, v, normal)
                    gloss = 0.015
                elif painted[3] == STRANDS:
                    gloss = 0.1
        else:
            if kind == ROOM:
                normal = wall_normal(room, side)
            albedo = surface_color(room, row, p, start + distance * forward, normal)
            gloss = room.surfaces[row, 8]
        if wp.dot(normal, direction) > 0.0:
            normal = normal - 1.02 * wp.dot(normal, direction) * direction
        total = lit(total, room, p, direction, normal, albedo, gloss, free, kind == ROOM and side < 2)
        if ray_count == 0.0:
            owners[pixel] = wp.int8(kind)
    colors[pixel] = total / (ray_count + float(rays.shape[0]))


@wp.kernel
def probe(
    eye: wp.vec3,
    people: People,
    person: int,
    primitives: wp.array2d(dtype=float),
    targets: wp.array(dtype=wp.vec3),
    gaps: wp.array2d(dtype=float),
):
    """Measure the distance from the first surface on a ray to its target: of one person, and of all others."""
    index = wp.tid()
    direction = targets[index] - eye
    far = wp.length(direction)
    direction = direction / far
    own = far
    foreign = far
    query = wp.mesh_query_ray(people.mesh, eye, direction, far)
    if query.result:
        if query.face // people.faces == person:
            own = query.t
        else:
            foreign = query.t
    for row in range(primitives.shape[0]):
        hit = primitive_distance(primitives, row, eye, direction)
        foreign = wp.min(foreign, hit[3])
    gaps[index, 0] = far - own
    gaps[index, 1] = far - foreign
