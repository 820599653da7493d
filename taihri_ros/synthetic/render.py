"""Ray casting of dressed people in a room, through any lens (warp kernels on the CPU)."""

# mypy: disable-error-code="no-untyped-def,misc,valid-type"
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from taihri_ros.synthetic.body import Template
from taihri_ros.synthetic.clothing import Outfit
from taihri_ros.synthetic.garments import Surface
from taihri_ros.synthetic.room import Room
from taihri_ros.synthetic.shading import dressed, pattern, vec, waves

wp.set_module_options({"enable_backward": False, "fast_math": True})

_FAR = wp.constant(60.0)


@wp.kernel
def _accumulate_normals(points: wp.array(dtype=wp.vec3), faces: wp.array2d(dtype=int), normals: wp.array(dtype=wp.vec3)):
    face = wp.tid()
    a = faces[face, 0]
    b = faces[face, 1]
    c = faces[face, 2]
    across = wp.cross(points[b] - points[a], points[c] - points[a])
    wp.atomic_add(normals, a, across)
    wp.atomic_add(normals, b, across)
    wp.atomic_add(normals, c, across)


@wp.func
def thing_distance(things: wp.array2d(dtype=float), row: int, start: wp.vec3, way: wp.vec3):
    """Distance along a ray to a thing and the normal there, as (distance, normal)."""
    half = wp.vec3(things[row, 4], things[row, 5], things[row, 6])
    p = start - wp.vec3(things[row, 1], things[row, 2], things[row, 3])
    along = wp.dot(p, way)
    if wp.dot(p, p) - along * along > wp.dot(half, half):
        return wp.vec4(0.0, 0.0, 1.0, _FAR)
    c = things[row, 7]
    s = things[row, 8]
    o = wp.vec3(c * p[0] + s * p[1], c * p[1] - s * p[0], p[2])
    d = wp.vec3(c * way[0] + s * way[1], c * way[1] - s * way[0], way[2])
    distance = _FAR
    n = wp.vec3(0.0, 0.0, 1.0)
    shape = int(things[row, 0])
    if shape == 1:
        a = wp.cw_div(o, half)
        b = wp.cw_div(d, half)
        qa = wp.dot(b, b)
        qb = wp.dot(a, b)
        qc = wp.dot(a, a) - 1.0
        root = qb * qb - qa * qc
        if root > 0.0:
            t = (-qb - wp.sqrt(root)) / qa
            if t > 1e-3:
                distance = t
                n = wp.normalize(wp.cw_div(a + t * b, half))
    elif shape == 2:
        qa = d[0] * d[0] + d[1] * d[1]
        qb = o[0] * d[0] + o[1] * d[1]
        qc = o[0] * o[0] + o[1] * o[1] - half[0] * half[0]
        root = qb * qb - qa * qc
        if root > 0.0 and qa > 1e-9:
            t = (-qb - wp.sqrt(root)) / qa
            if t > 1e-3 and wp.abs(o[2] + t * d[2]) < half[2]:
                distance = t
                n = wp.vec3((o[0] + t * d[0]) / half[0], (o[1] + t * d[1]) / half[0], 0.0)
        if wp.abs(d[2]) > 1e-6:
            t = (-wp.sign(d[2]) * half[2] - o[2]) / d[2]
            x = o[0] + t * d[0]
            y = o[1] + t * d[1]
            if t > 1e-3 and t < distance and x * x + y * y < half[0] * half[0]:
                distance = t
                n = wp.vec3(0.0, 0.0, -wp.sign(d[2]))
    else:
        near = float(-1.0e9)
        far = float(1.0e9)
        axis = int(0)
        for k in range(3):
            inverse = 1.0 / (d[k] + wp.where(d[k] >= 0.0, 1.0e-9, -1.0e-9))
            t0 = (-half[k] - o[k]) * inverse
            t1 = (half[k] - o[k]) * inverse
            low = wp.min(t0, t1)
            if low > near:
                near = low
                axis = k
            far = wp.min(far, wp.max(t0, t1))
        if near < far and near > 1e-3:
            distance = near
            n = wp.vec3(0.0, 0.0, 0.0)
            n[axis] = -wp.sign(d[axis])
    return wp.vec4(c * n[0] - s * n[1], s * n[0] + c * n[1], n[2], distance)


@wp.func
def in_shadow(
    near: wp.uint64, other: wp.uint64, away: wp.mat33, shift: wp.vec3, things: wp.array2d(dtype=float), p: wp.vec3, way: wp.vec3, far: float
):
    if wp.mesh_query_ray_anyhit(near, p, way, far):
        return float(1.0)
    if other != wp.uint64(0):
        if wp.mesh_query_ray_anyhit(other, away * (p - shift), away * way, far):
            return float(1.0)
    for row in range(things.shape[0]):
        hit = thing_distance(things, row, p, way)
        if hit[3] < far:
            return float(1.0)
    return float(0.0)


@wp.func
def person_color(
    mesh: wp.uint64, face: int, u: float, v: float, outfits: wp.array2d(dtype=float), row: int,
    rest: wp.array(dtype=wp.vec3), coords: wp.array(dtype=wp.vec3), head: wp.array(dtype=wp.vec3), rough: wp.array(dtype=wp.vec3), eyes: wp.array(dtype=float)
):
    w = 1.0 - u - v
    a = wp.mesh_get_index(mesh, face * 3)
    b = wp.mesh_get_index(mesh, face * 3 + 1)
    c = wp.mesh_get_index(mesh, face * 3 + 2)
    return dressed(
        outfits, row,
        rest[a] * u + rest[b] * v + rest[c] * w,
        coords[a] * u + coords[b] * v + coords[c] * w,
        head[a] * u + head[b] * v + head[c] * w,
        rough[a] * u + rough[b] * v + rough[c] * w,
        eyes[a] * u + eyes[b] * v + eyes[c] * w,
    )


@wp.func
def person_normal(mesh: wp.uint64, face: int, u: float, v: float, normals: wp.array(dtype=wp.vec3)):
    a = wp.mesh_get_index(mesh, face * 3)
    b = wp.mesh_get_index(mesh, face * 3 + 1)
    c = wp.mesh_get_index(mesh, face * 3 + 2)
    return wp.normalize(normals[a] * u + normals[b] * v + normals[c] * (1.0 - u - v))


@wp.kernel
def _cast(
    chosen: wp.array(dtype=int), rays: wp.array2d(dtype=wp.vec2), done: float, camera: wp.mat33, eye: wp.vec3,
    near: wp.uint64, near_normals: wp.array(dtype=wp.vec3),
    other: wp.uint64, other_normals: wp.array(dtype=wp.vec3), away: wp.mat33, shift: wp.vec3,
    outfits: wp.array2d(dtype=float), rest: wp.array(dtype=wp.vec3), coords: wp.array(dtype=wp.vec3),
    head: wp.array(dtype=wp.vec3), rough: wp.array(dtype=wp.vec3), eyes: wp.array(dtype=float),
    things: wp.array2d(dtype=float), surfaces: wp.array2d(dtype=float),
    room: wp.vec4, room_size: wp.vec3, light: wp.vec3, light_color: wp.vec3, above: wp.vec3, below: wp.vec3, seed: int,
    colors: wp.array(dtype=wp.vec3), whose: wp.array(dtype=wp.int8)
):
    """Add light to the chosen pixels, each of which has had `done` rays; the first ray says whose the pixel is."""
    index = wp.tid()
    pixel = chosen[index]
    total = colors[pixel] * done
    samples = rays.shape[0]
    for sample in range(samples):
        xy = rays[sample, index]
        way = wp.normalize(camera * wp.vec3(xy[0], xy[1], 1.0))
        # The room, from inside.
        rc = wp.cos(room[2])
        rs = wp.sin(room[2])
        q = wp.vec3(eye[0] - room[0], eye[1] - room[1], eye[2])
        o = wp.vec3(rc * q[0] + rs * q[1], rc * q[1] - rs * q[0], q[2])
        d = wp.vec3(rc * way[0] + rs * way[1], rc * way[1] - rs * way[0], way[2])
        best = _FAR
        side = int(0)
        if d[2] < -1.0e-6:
            best = -o[2] / d[2]
        elif d[2] > 1.0e-6:
            best = (room_size[2] - o[2]) / d[2]
            side = 1
        for k in range(2):
            if wp.abs(d[k]) > 1.0e-6:
                t = (wp.sign(d[k]) * room_size[k] - o[k]) / d[k]
                if t < best:
                    best = t
                    side = 2 + 2 * k + wp.where(d[k] > 0.0, 1, 0)
        row = side
        normal = wp.vec3(0.0, 0.0, 1.0)
        kind = int(0)
        for thing in range(things.shape[0]):
            hit = thing_distance(things, thing, eye, way)
            if hit[3] < best:
                best = hit[3]
                row = 6 + thing
                normal = wp.vec3(hit[0], hit[1], hit[2])
                kind = 3
        face = int(0)
        u = float(0.0)
        v = float(0.0)
        query = wp.mesh_query_ray(near, eye, way, best)
        if query.result:
            best = query.t
            face = query.face
            u = query.u
            v = query.v
            kind = 1
        if other != wp.uint64(0):
            query2 = wp.mesh_query_ray(other, away * (eye - shift), away * way, best)
            if query2.result:
                best = query2.t
                face = query2.face
                u = query2.u
                v = query2.v
                kind = 2
        p = eye + best * way
        albedo = wp.vec3(0.0, 0.0, 0.0)
        gloss = float(0.06)
        if kind == 1:
            albedo = person_color(near, face, u, v, outfits, 0, rest, coords, head, rough, eyes)
            normal = person_normal(near, face, u, v, near_normals)
        elif kind == 2:
            albedo = person_color(other, face, u, v, outfits, 1, rest, coords, head, rough, eyes)
            normal = wp.transpose(away) * person_normal(other, face, u, v, other_normals)
        else:
            scale = surfaces[row, 7]
            at = (o + best * d) / scale
            a = at[0]
            b = at[2]
            if kind == 0:
                if side < 2:
                    b = at[1]
                    normal = wp.vec3(0.0, 0.0, 1.0 - 2.0 * float(side))
                elif side < 4:
                    a = at[1]
                    normal = wp.vec3(rc, rs, 0.0) * wp.where(side == 3, -1.0, 1.0)
                else:
                    normal = wp.vec3(-rs, rc, 0.0) * wp.where(side == 5, -1.0, 1.0)
            elif wp.abs(normal[2]) > 0.7:
                b = at[1]
            elif wp.abs(rc * normal[0] + rs * normal[1]) > 0.7:
                a = at[1]
            albedo = pattern(
                int(surfaces[row, 6]), a, b, at[0] + at[1] - a, seed + row,
                wp.vec3(surfaces[row, 0], surfaces[row, 1], surfaces[row, 2]),
                wp.vec3(surfaces[row, 3], surfaces[row, 4], surfaces[row, 5]),
            )
            gloss = surfaces[row, 8]
            albedo = albedo * (1.0 + 0.1 * waves(1.7 * p[0] + 0.7 * p[2], 1.7 * p[1] + 0.9 * p[2], seed))
        if wp.dot(normal, way) > 0.0:
            normal = normal - 1.02 * wp.dot(normal, way) * way
        # One lamp with its shadow, and light from all around that is weaker near the floor's contact with a body.
        to_light = light - p
        far = wp.length(to_light)
        to_light = to_light / far
        lit = wp.max(wp.dot(normal, to_light), 0.0)
        if lit > 0.0 and in_shadow(near, other, away, shift, things, p + 2.0e-3 * normal, to_light, far) > 0.5:
            lit = 0.0
        up = 0.5 + 0.5 * normal[2]
        around = above * up + below * (1.0 - up)
        if kind == 0 and side < 2:
            open_sky = 1.0 - 0.55 * wp.exp(-2.0 * (p[0] * p[0] + p[1] * p[1]))
            around = around * open_sky
        shine = wp.pow(wp.max(wp.dot(wp.normalize(to_light - way), normal), 0.0), 24.0)
        total += wp.cw_mul(albedo, around + lit * light_color) + gloss * shine * lit * light_color
        if done == 0.0:
            whose[pixel] = wp.int8(kind)
    colors[pixel] = total / (done + float(samples))


@wp.kernel
def _probe(
    near: wp.uint64, other: wp.uint64, away: wp.mat33, shift: wp.vec3, things: wp.array2d(dtype=float),
    eye: wp.vec3, targets: wp.array(dtype=wp.vec3), gaps: wp.array2d(dtype=float)
):
    """How far before a target the ray to it meets the person, and how far before it something else."""
    index = wp.tid()
    way = targets[index] - eye
    far = wp.length(way)
    way = way / far
    own = far
    query = wp.mesh_query_ray(near, eye, way, far)
    if query.result:
        own = query.t
    foreign = far
    if other != wp.uint64(0):
        query2 = wp.mesh_query_ray(other, away * (eye - shift), away * way, far)
        if query2.result:
            foreign = query2.t
    for row in range(things.shape[0]):
        hit = thing_distance(things, row, eye, way)
        foreign = wp.min(foreign, hit[3])
    gaps[index, 0] = far - own
    gaps[index, 1] = far - foreign


_OFFSETS = ((0.33, -0.17), (-0.17, 0.33), (-0.33, -0.33))
"""Further rays of a pixel, in pixels from its middle."""


def _launch(chosen: NDArray[np.int32], rays: NDArray[np.float32], done: float, scene: list[Any]) -> None:
    if len(chosen) == 0:
        return
    at = wp.array(chosen, dtype=int, device="cpu")
    directions = wp.array(np.ascontiguousarray(rays), dtype=wp.vec2, device="cpu")
    wp.launch(_cast, dim=len(chosen), inputs=[at, directions, done, *scene], device="cpu")


def _shifted(rays: NDArray[np.float32], du: float, dv: float) -> NDArray[np.float32]:
    """Move rays by parts of a pixel, by the slope of the rays there."""
    return np.asarray(rays + np.float32(du) * np.gradient(rays, axis=1) + np.float32(dv) * np.gradient(rays, axis=0))


def _edges(picture: NDArray[np.float32], owners: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Tell which pixels differ much from a neighbour."""
    tone = np.sqrt(picture.mean(axis=2))
    edges = np.zeros(tone.shape, dtype=bool)
    across = (np.abs(np.diff(tone, axis=1)) > 0.08) | (np.diff(owners, axis=1) != 0)
    down = (np.abs(np.diff(tone, axis=0)) > 0.08) | (np.diff(owners, axis=0) != 0)
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges


@dataclass(frozen=True)
class Person:
    """A dressed person as the renderer keeps it."""

    mesh: Any
    normals: Any
    outfit: Outfit


@dataclass(frozen=True)
class Placement:
    """Where the second person stands: its own frame turned by `yaw` (radians) and moved by `offset` ((3,) metres)."""

    yaw: float
    offset: NDArray[np.float64]


class Renderer:
    """Casts rays at people of one topology. Meshes are kept and refitted, since building their trees is slow."""

    def __init__(self, template: Template, places: Surface, slots: int = 2) -> None:
        """Build one mesh for each person that may be held at a time.

        Args:
            template: The body at rest.
            places: Its surface.
            slots: How many people `dress` keeps.
        """
        self._faces = wp.array(template.faces, dtype=int, device="cpu")
        indices = wp.array(template.faces.ravel(), dtype=int, device="cpu")
        self._meshes = [
            wp.Mesh(wp.array(template.vertices, dtype=wp.vec3, device="cpu"), indices) for _ in range(slots)
        ]
        self._normals = [wp.zeros(len(template.vertices), dtype=wp.vec3, device="cpu") for _ in range(slots)]
        coords = np.column_stack([places.arm, places.leg, places.neck]).astype(np.float32)
        self._attributes = [
            wp.array(template.vertices, dtype=wp.vec3, device="cpu"),
            wp.array(coords, dtype=wp.vec3, device="cpu"),
            wp.array(places.head, dtype=wp.vec3, device="cpu"),
            wp.array(places.rough, dtype=wp.vec3, device="cpu"),
            wp.array(places.eyes, dtype=float, device="cpu"),
        ]

    def dress(self, slot: int, vertices: NDArray[np.float32], outfit: Outfit) -> Person:
        """Put a body into a slot; whoever was there is gone."""
        mesh, normals = self._meshes[slot], self._normals[slot]
        mesh.points.assign(vertices)
        mesh.refit()
        normals.zero_()
        wp.launch(_accumulate_normals, dim=len(self._faces), inputs=[mesh.points, self._faces, normals], device="cpu")
        return Person(mesh, normals, outfit)

    def render(
        self,
        rays: NDArray[np.float32],
        rotation: NDArray[np.float64],
        eye: NDArray[np.float64],
        room: Room,
        people: Sequence[Person],
        placement: Placement | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Cast a ray for each pixel, and more where neighbours differ.

        Args:
            rays: float32 (H, W, 2): x and y at z = 1 in the camera frame.
            rotation: (3, 3) from the camera frame to the world.
            eye: (3,) the camera in the world, metres.
            room: The room.
            people: The person looked at, whose frame is the world, and perhaps a second.
            placement: Where the second one stands.

        Returns:
            Linear RGB float32 (H, W, 3), and whose each pixel is, int8 (H, W): 0 the room's, 1 and 2 the people's,
            3 a thing's.
        """
        height, width, _ = rays.shape
        colors = wp.zeros(height * width, dtype=wp.vec3, device="cpu")
        whose = wp.zeros(height * width, dtype=wp.int8, device="cpu")
        scene = [
            wp.mat33(rotation.ravel().tolist()),
            vec(eye),
            people[0].mesh.id,
            people[0].normals,
            *_second(people, placement, with_normals=True),
            wp.array(np.stack([person.outfit.pack() for person in people]), dtype=float, device="cpu"),
            *self._attributes,
            wp.array(room.packed_things(), dtype=float, device="cpu"),
            wp.array(room.surfaces, dtype=float, device="cpu"),
            wp.vec4(float(room.middle[0]), float(room.middle[1]), room.yaw, 0.0),
            wp.vec3(float(room.half[0]), float(room.half[1]), room.height),
            vec(room.light),
            vec(room.light_color),
            vec(room.ambient[0]),
            vec(room.ambient[1]),
            room.seed,
            colors,
            whose,
        ]
        _launch(np.arange(height * width, dtype=np.int32), rays.reshape(1, -1, 2), 0.0, scene)
        picture, owners = colors.numpy().reshape(height, width, 3), whose.numpy().reshape(height, width)
        rough = np.flatnonzero(_edges(picture, owners)).astype(np.int32)
        more = np.stack([_shifted(rays, du, dv).reshape(-1, 2)[rough] for du, dv in _OFFSETS])
        _launch(rough, more, 1.0, scene)
        return picture, owners

    def probe(
        self,
        targets: NDArray[np.float64],
        eye: NDArray[np.float64],
        room: Room,
        people: Sequence[Person],
        placement: Placement | None = None,
    ) -> NDArray[np.float32]:
        """Find what lies before points in the scene.

        Args:
            targets: (N, 3) metres, world.
            eye: As for `render`.
            room: As for `render`.
            people: As for `render`.
            placement: As for `render`.

        Returns:
            float32 (N, 2) metres between the first surface on the ray and the target: of the person itself, and of
            the second person or a thing; 0 where there is none.
        """
        gaps = wp.empty((len(targets), 2), dtype=float, device="cpu")
        wp.launch(
            _probe,
            dim=len(targets),
            inputs=[
                people[0].mesh.id,
                *_second(people, placement, with_normals=False),
                wp.array(room.packed_things(), dtype=float, device="cpu"),
                vec(eye),
                wp.array(targets.astype(np.float32), dtype=wp.vec3, device="cpu"),
                gaps,
            ],
            device="cpu",
        )
        return np.asarray(gaps.numpy())


def _second(people: Sequence[Person], placement: Placement | None, *, with_normals: bool) -> list[Any]:
    """Give the kernels' arguments about the second person."""
    other = people[1] if len(people) > 1 and placement is not None else None
    yaw, offset = (placement.yaw, placement.offset) if placement is not None else (0.0, np.zeros(3))
    c, s = float(np.cos(yaw)), float(np.sin(yaw))
    away = wp.mat33(c, s, 0.0, -s, c, 0.0, 0.0, 0.0, 1.0)
    mesh = other.mesh.id if other is not None else wp.uint64(0)
    normals = [(other or people[0]).normals] if with_normals else []
    return [mesh, *normals, away, vec(offset)]
