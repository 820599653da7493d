"""Renderer of dressed people in a room through any lens, by ray casting (warp on the CPU)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.synthetic.owners import Owner
from taihri_ros.synthetic.people import hair
from taihri_ros.synthetic.people.clothing import Outfit
from taihri_ros.synthetic.people.garments import Surface
from taihri_ros.synthetic.rendering.casting import People, accumulate_normals, cast, probe
from taihri_ros.synthetic.rendering.geometry import ShadowMap, Surroundings
from taihri_ros.synthetic.rendering.raster import candidates, depth_map
from taihri_ros.synthetic.room import Room
from taihri_ros.synthetic.viewpoints import Viewpoint

_SHADOW_MAP_SIZE = 240
"""Side of the shadow map, texels."""

_SUBPIXEL_OFFSET = 0.4
"""Offset of the second ray of an edge pixel from its centre, px, alternating between upper left and lower right."""

_NEAR_M = 0.01
"""Depth at which the ray of every pixel is inside the room, metres."""

_FAR_AWAY_M = 1000.0
"""Coordinates of an absent person's vertices, far from the room (metres)."""


class Renderer:
    """Renderer of one or more people.

    The mesh is kept, and its bounding volume hierarchy is refitted for new people, since building it is slow.
    """

    def __init__(self, places: Surface, most: int = 2) -> None:
        """Build the mesh.

        Args:
            places: Surface coordinates that all bodies share.
            most: Largest number of people in a picture.
        """
        count = len(places.rest)
        # Apart, so that no node of the hierarchy holds triangles of two people.
        everyone = np.concatenate([places.rest + np.float32(number * _FAR_AWAY_M) for number in range(most)])
        faces = np.concatenate([places.faces + number * count for number in range(most)])
        self._faces = _array(faces, int)
        self._mesh = wp.Mesh(_array(everyone, wp.vec3), _array(faces.ravel(), int))
        self._points = self._mesh.points.numpy()
        people = People()
        people.mesh = self._mesh.id
        people.normals = wp.zeros(len(everyone), dtype=wp.vec3, device="cpu")
        people.faces, people.vertices = len(places.faces), count
        people.rest, people.head, people.rough = (_array(a, wp.vec3) for a in (places.rest, places.head, places.rough))
        people.coords = _array(np.column_stack([places.arm, places.leg, places.neck]), wp.vec3)
        people.eyes, people.occlusion = _array(places.eyes, float), _array(places.occlusion, float)
        people.face = _array(places.face, wp.vec3)
        self._people, self._count = people, 0
        self._standing: list[NDArray[np.float32]] = []

    def set_people(self, people: Sequence[tuple[NDArray[np.float32], Outfit]]) -> None:
        """Set the people of the next pictures.

        Args:
            people: Vertices (V, 3), metres, world frame, and outfit of each person, the labelled one first.
        """
        self._people.outfits = _array(np.stack([outfit.pack() for _, outfit in people]), float)
        standing = [points for points, _ in people]
        if len(standing) == self._count and all(a is b for a, b in zip(standing, self._standing, strict=True)):
            return
        self._standing, self._count = standing, len(standing)
        vertices = self._people.vertices
        self._points[vertices:] = _FAR_AWAY_M
        for number, points in enumerate(standing):
            self._points[number * vertices : (number + 1) * vertices] = points
        self._mesh.refit()
        self._people.normals.zero_()
        inputs = [self._mesh.points, self._faces, self._people.normals]
        wp.launch(accumulate_normals, dim=self._count * self._people.faces, inputs=inputs, device="cpu")

    def render(
        self,
        camera: Camera,
        rays: NDArray[np.float32],
        viewpoint: Viewpoint,
        room: Room,
        *,
        reuse: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Render a picture: one ray for each pixel, and a second one at edges.

        Args:
            camera: The camera.
            rays: float32 (H, W, 2) x and y at z = 1, camera optical frame, from `lenses.ray_grid`.
            viewpoint: Pose of the camera.
            room: The room.
            reuse: A picture of the same room from this function, float32 (H, W, 3), and a mask (H, W) of the pixels to
                render again; the others are copied from it. None renders all pixels.

        Returns:
            Linear RGB float32 (H, W, 3), and the owner of each pixel, int8 (H, W): an `Owner`, or
            `owner_of` one of the people.
        """
        height, width, _ = rays.shape
        chosen = np.arange(height * width, dtype=np.int32)
        colors = wp.zeros(height * width, dtype=wp.vec3, device="cpu")
        hits = wp.zeros(height * width, dtype=wp.int8, device="cpu")
        if reuse is not None:
            colors.assign(reuse[0].reshape(-1, 3))
            chosen = np.flatnonzero(reuse[1]).astype(np.int32)
        points = self._points[: self._count * self._people.vertices]
        seen = (points - viewpoint.eye.astype(np.float32)) @ viewpoint.rotation.astype(np.float32)
        found = candidates(camera, seen, self._faces, self._count * self._people.faces)
        turn, eye = wp.mat33(*viewpoint.rotation.ravel().tolist()), wp.vec3(*viewpoint.eye.tolist())
        surroundings = _surroundings(room, self._shadow_map(room))

        def launch(pixels: NDArray[np.int32], directions: NDArray[np.float32], ray_count: float) -> None:
            at, through = _array(pixels, int), _array(directions, wp.vec2)
            inputs = [at, found, through, ray_count, turn, eye, self._people, surroundings, colors, hits]
            wp.launch(cast, dim=len(pixels), inputs=inputs, device="cpu")

        launch(chosen, rays.reshape(1, -1, 2)[:, chosen], 0.0)
        picture, owners = colors.numpy().reshape(height, width, 3), hits.numpy().reshape(height, width)
        edges = _edges(picture, owners)
        rough = np.flatnonzero(edges if reuse is None else edges & reuse[1]).astype(np.int32)
        launch(rough, _second_rays(rays, rough), 1.0)
        return picture, owners

    def _shadow_map(self, room: Room) -> Any:
        """Render the shadow map of the people."""
        points = self._points[: self._count * self._people.vertices]
        without_hair = points.reshape(self._count, -1, 3)[:, : -hair.POINTS].reshape(-1, 3)[::9]
        low, high = without_hair.min(axis=0), without_hair.max(axis=0)
        middle, radius = 0.5 * (low + high), 0.52 * float(np.linalg.norm(high - low))
        toward = middle - room.light
        distance = float(np.linalg.norm(toward))
        forward = toward / distance
        right = np.cross(forward, [0.0, 1.0, 0.0] if abs(forward[1]) < 0.9 else [1.0, 0.0, 0.0])
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(forward, right), forward])
        shadow_map = ShadowMap()
        shadow_map.turn, shadow_map.size = wp.mat33(*turn.ravel().tolist()), _SHADOW_MAP_SIZE
        shadow_map.focal = 0.49 * _SHADOW_MAP_SIZE * max(distance / radius, 1.0)
        seen = (points - room.light.astype(np.float32)) @ turn.T.astype(np.float32)
        shadow_map.inverse_depth = depth_map(
            seen, self._faces, self._count * self._people.faces, shadow_map.focal, _SHADOW_MAP_SIZE
        )
        return shadow_map

    def probe(
        self, targets: NDArray[np.float64], viewpoint: Viewpoint, room: Room, person: int = 0
    ) -> NDArray[np.float32]:
        """Measure the distance from the first surface on the ray to a point, for several points.

        Args:
            targets: (N, 3) metres, world frame.
            viewpoint: Pose of the camera.
            room: The room.
            person: Number of the person whom the points belong to, counted from 0.

        Returns:
            float32 (N, 2) distance along the ray from the first surface to the target, metres: column 0 for that
            person, column 1 for another person or an object; 0 without such a surface.
        """
        gaps = wp.empty((len(targets), 2), dtype=float, device="cpu")
        eye, primitives = wp.vec3(*viewpoint.eye.tolist()), _array(room.packed_primitives(), float)
        inputs = [eye, self._people, person, primitives, _array(targets, wp.vec3), gaps]
        wp.launch(probe, dim=len(targets), inputs=inputs, device="cpu")
        return np.asarray(gaps.numpy())

    def depth(self, rays: NDArray[np.float32], viewpoint: Viewpoint, room: Room) -> NDArray[np.float32]:
        """Measure the depth of the first surface at every pixel.

        Args:
            rays: float32 (H, W, 2) x and y at z = 1, camera optical frame.
            viewpoint: Pose of the camera.
            room: The room.

        Returns:
            float32 (H, W) metres along the camera's z axis, without noise.
        """
        directions = np.dstack([rays, np.ones(rays.shape[:2])]).reshape(-1, 3)
        lengths = np.linalg.norm(directions, axis=1)
        near = viewpoint.eye + _NEAR_M * directions @ viewpoint.rotation.T
        walls = room.project(near, viewpoint.eye)
        gaps = self.probe(walls, viewpoint, room).max(axis=1)
        depths = (np.linalg.norm(walls - viewpoint.eye, axis=1) - gaps) / lengths
        return np.asarray(depths.reshape(rays.shape[:2]), dtype=np.float32)


def _array(values: NDArray[Any], dtype: Any) -> Any:
    """Convert an array to a warp array of 32-bit numbers."""
    kind = np.int32 if dtype is int else np.float32
    return wp.array(np.ascontiguousarray(values, dtype=kind), dtype=dtype, device="cpu")


def _surroundings(room: Room, shadow_map: Any) -> Any:
    surroundings = Surroundings()
    surroundings.shadow_map = shadow_map
    surroundings.middle = wp.vec2(*room.middle.tolist())
    surroundings.cosine, surroundings.sine = float(np.cos(room.yaw)), float(np.sin(room.yaw))
    surroundings.size = wp.vec3(*room.half.tolist(), room.height)
    surroundings.surfaces = _array(room.surfaces, float)
    surroundings.primitives = _array(room.packed_primitives(), float)
    surroundings.light = wp.vec3(*room.light.tolist())
    surroundings.light_color = wp.vec3(*room.light_color.tolist())
    surroundings.above, surroundings.below = (wp.vec3(*color) for color in room.ambient.tolist())
    surroundings.seed, surroundings.own = room.seed, room.own
    return surroundings


def _second_rays(rays: NDArray[np.float32], pixels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return a second ray of some pixels, extrapolated from the rays of their neighbours."""
    height, width, _ = rays.shape
    row, column = np.divmod(pixels, width)
    left, right = np.maximum(column - 1, 0), np.minimum(column + 1, width - 1)
    upper, lower = np.maximum(row - 1, 0), np.minimum(row + 1, height - 1)
    across = (rays[row, right] - rays[row, left]) / (right - left)[:, None].astype(np.float32)
    down = (rays[lower, column] - rays[upper, column]) / (lower - upper)[:, None].astype(np.float32)
    alternating = np.where((row + column) % 2, np.float32(_SUBPIXEL_OFFSET), np.float32(-_SUBPIXEL_OFFSET))[:, None]
    return np.asarray((rays[row, column] + alternating * (across + down))[None], dtype=np.float32)


def _edges(picture: NDArray[np.float32], owners: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return the pixels that differ from a neighbour in brightness or owner."""
    tone, owners = np.sqrt(picture.mean(axis=2)), np.where(owners == Owner.FURNITURE, Owner.OBJECT, owners)
    edges = np.zeros(tone.shape, dtype=bool)
    across = (np.abs(np.diff(tone, axis=1)) > 0.1) | (np.diff(owners, axis=1) != 0)
    down = (np.abs(np.diff(tone, axis=0)) > 0.1) | (np.diff(owners, axis=0) != 0)
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges
