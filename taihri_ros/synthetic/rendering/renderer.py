"""Ray casting of dressed people in a room, through any lens (warp on the CPU)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.synthetic.people.clothing import Outfit
from taihri_ros.synthetic.people.garments import Surface
from taihri_ros.synthetic.rendering.casting import People, accumulate_normals, cast, probe
from taihri_ros.synthetic.rendering.geometry import Lamp, Surroundings
from taihri_ros.synthetic.rendering.raster import candidates, depth_map
from taihri_ros.synthetic.room import Room
from taihri_ros.synthetic.viewpoints import Viewpoint

_LAMP_SIZE = 240
"""Side of the depth map that is drawn from the light, texels."""

_FURTHER = 0.4
"""How far further rays of a pixel are from its middle, pixels, to the upper left and the lower right by turns."""

_NOWHERE = 1000.0
"""Where a second person is that is not there (metres)."""


class Renderer:
    """Casts rays at one or two people.

    Their mesh is kept and its tree refitted, since building it is slow.
    """

    def __init__(self, places: Surface) -> None:
        """Build the mesh.

        Args:
            places: The surface of all bodies.
        """
        count = len(places.rest)
        both = np.concatenate([places.rest, places.rest + np.float32(_NOWHERE)])
        faces = np.concatenate([places.faces, places.faces + count])
        self._faces = _array(faces, int)
        self._mesh = wp.Mesh(_array(both, wp.vec3), _array(faces.ravel(), int))
        self._points = self._mesh.points.numpy()
        people = People()
        people.mesh = self._mesh.id
        people.normals = wp.zeros(len(both), dtype=wp.vec3, device="cpu")
        people.faces, people.vertices = len(places.faces), count
        people.rest, people.head, people.rough = (_array(a, wp.vec3) for a in (places.rest, places.head, places.rough))
        people.coords = _array(np.column_stack([places.arm, places.leg, places.neck]), wp.vec3)
        people.eyes = _array(places.eyes, float)
        self._people, self._count = people, 0
        self._standing: list[NDArray[np.float32]] = []

    def stand(self, people: Sequence[tuple[NDArray[np.float32], Outfit]]) -> None:
        """Say who is there.

        Args:
            people: Vertices (V, 3), metres, world, and clothes of the person looked at and perhaps of a second one.
        """
        self._people.outfits = _array(np.stack([outfit.pack() for _, outfit in people]), float)
        standing = [points for points, _ in people]
        if len(standing) == self._count and all(a is b for a, b in zip(standing, self._standing, strict=True)):
            return
        self._standing, self._count = standing, len(standing)
        vertices = self._people.vertices
        self._points[vertices:] = _NOWHERE
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
        within: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Cast a ray for each pixel, and more where neighbours differ.

        Args:
            camera: The camera.
            rays: float32 (H, W, 2): x and y at z = 1 in the camera frame, of `lenses.ray_grid`.
            viewpoint: Where the camera is.
            room: The room.
            within: A picture of the same room as this function gives it, float32 (H, W, 3), and which pixels may
                differ from it, (H, W); the others are taken from it. None to cast them all.

        Returns:
            Linear RGB float32 (H, W, 3), and whose each pixel is, int8 (H, W): 0 the room's, 1 and 2 the people's,
            3 a thing's.
        """
        height, width, _ = rays.shape
        chosen = np.arange(height * width, dtype=np.int32)
        colors = wp.zeros(height * width, dtype=wp.vec3, device="cpu")
        whose = wp.zeros(height * width, dtype=wp.int8, device="cpu")
        if within is not None:
            colors.assign(within[0].reshape(-1, 3))
            chosen = np.flatnonzero(within[1]).astype(np.int32)
        points = self._points[: self._count * self._people.vertices]
        seen = (points - viewpoint.eye.astype(np.float32)) @ viewpoint.rotation.astype(np.float32)
        found = candidates(camera, seen, self._faces, self._count * self._people.faces)
        turn, eye = wp.mat33(*viewpoint.rotation.ravel().tolist()), wp.vec3(*viewpoint.eye.tolist())
        surroundings = _surroundings(room, self._lamp(room))

        def launch(pixels: NDArray[np.int32], directions: NDArray[np.float32], done: float) -> None:
            at, through = _array(pixels, int), _array(directions, wp.vec2)
            inputs = [at, found, through, done, turn, eye, self._people, surroundings, colors, whose]
            wp.launch(cast, dim=len(pixels), inputs=inputs, device="cpu")

        launch(chosen, rays.reshape(1, -1, 2)[:, chosen], 0.0)
        picture, owners = colors.numpy().reshape(height, width, 3), whose.numpy().reshape(height, width)
        edges = _edges(picture, owners)
        rough = np.flatnonzero(edges if within is None else edges & within[1]).astype(np.int32)
        launch(rough, _more_rays(rays, rough), 1.0)
        return picture, owners

    def _lamp(self, room: Room) -> Any:
        """Draw the people as the light sees them."""
        points = self._points[: self._count * self._people.vertices]
        low, high = points[::9].min(axis=0), points[::9].max(axis=0)
        middle, radius = 0.5 * (low + high), 0.52 * float(np.linalg.norm(high - low))
        toward = middle - room.light
        distance = float(np.linalg.norm(toward))
        forward = toward / distance
        right = np.cross(forward, [0.0, 1.0, 0.0] if abs(forward[1]) < 0.9 else [1.0, 0.0, 0.0])
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(forward, right), forward])
        lamp = Lamp()
        lamp.turn, lamp.size = wp.mat33(*turn.ravel().tolist()), _LAMP_SIZE
        lamp.focal = 0.49 * _LAMP_SIZE * max(distance / radius, 1.0)
        seen = (points - room.light.astype(np.float32)) @ turn.T.astype(np.float32)
        lamp.nearness = depth_map(seen, self._faces, self._count * self._people.faces, lamp.focal, _LAMP_SIZE)
        return lamp

    def probe(self, targets: NDArray[np.float64], viewpoint: Viewpoint, room: Room) -> NDArray[np.float32]:
        """Find what lies before points in the scene.

        Args:
            targets: (N, 3) metres, world.
            viewpoint: Where the camera is.
            room: The room.

        Returns:
            float32 (N, 2) metres between the first surface on the ray and the target: of the person looked at, and of
            the second person or a thing; 0 where there is none.
        """
        gaps = wp.empty((len(targets), 2), dtype=float, device="cpu")
        eye, things = wp.vec3(*viewpoint.eye.tolist()), _array(room.packed_things(), float)
        inputs = [eye, self._people, things, _array(targets, wp.vec3), gaps]
        wp.launch(probe, dim=len(targets), inputs=inputs, device="cpu")
        return np.asarray(gaps.numpy())


def _array(values: NDArray[Any], dtype: Any) -> Any:
    """Give an array to warp; 32 bits a number."""
    kind = np.int32 if dtype is int else np.float32
    return wp.array(np.ascontiguousarray(values, dtype=kind), dtype=dtype, device="cpu")


def _surroundings(room: Room, lamp: Any) -> Any:
    surroundings = Surroundings()
    surroundings.lamp = lamp
    surroundings.middle = wp.vec2(*room.middle.tolist())
    surroundings.cosine, surroundings.sine = float(np.cos(room.yaw)), float(np.sin(room.yaw))
    surroundings.size = wp.vec3(*room.half.tolist(), room.height)
    surroundings.surfaces = _array(room.surfaces, float)
    surroundings.things = _array(room.packed_things(), float)
    surroundings.light = wp.vec3(*room.light.tolist())
    surroundings.light_color = wp.vec3(*room.light_color.tolist())
    surroundings.above, surroundings.below = (wp.vec3(*color) for color in room.ambient.tolist())
    surroundings.seed = room.seed
    return surroundings


def _more_rays(rays: NDArray[np.float32], pixels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Make one further ray of some pixels, by the differences between the rays of their neighbours."""
    height, width, _ = rays.shape
    row, column = np.divmod(pixels, width)
    left, right = np.maximum(column - 1, 0), np.minimum(column + 1, width - 1)
    upper, lower = np.maximum(row - 1, 0), np.minimum(row + 1, height - 1)
    across = (rays[row, right] - rays[row, left]) / (right - left)[:, None].astype(np.float32)
    down = (rays[lower, column] - rays[upper, column]) / (lower - upper)[:, None].astype(np.float32)
    by_turns = np.where((row + column) % 2, np.float32(_FURTHER), np.float32(-_FURTHER))[:, None]
    return np.asarray((rays[row, column] + by_turns * (across + down))[None], dtype=np.float32)


def _edges(picture: NDArray[np.float32], owners: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Tell which pixels differ much from a neighbour."""
    tone = np.sqrt(picture.mean(axis=2))
    edges = np.zeros(tone.shape, dtype=bool)
    across = (np.abs(np.diff(tone, axis=1)) > 0.1) | (np.diff(owners, axis=1) != 0)
    down = (np.abs(np.diff(tone, axis=0)) > 0.1) | (np.diff(owners, axis=0) != 0)
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges
