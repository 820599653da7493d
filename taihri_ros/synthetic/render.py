"""Ray casting of dressed people in a room, through any lens (warp on the CPU)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from taihri_ros.camera import Camera
from taihri_ros.synthetic.casting import People, accumulate_normals, cast, probe
from taihri_ros.synthetic.clothing import Outfit
from taihri_ros.synthetic.garments import Surface
from taihri_ros.synthetic.geometry import Surroundings
from taihri_ros.synthetic.raster import candidates
from taihri_ros.synthetic.room import Room
from taihri_ros.synthetic.viewpoints import Viewpoint

_OFFSETS = ((0.3, -0.3), (-0.3, 0.3))
"""Further rays of a pixel, in pixels from its middle."""

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

    def stand(self, people: Sequence[tuple[NDArray[np.float32], Outfit]]) -> None:
        """Say who is there.

        Args:
            people: Vertices (V, 3), metres, world, and clothes of the person looked at and perhaps of a second one.
        """
        vertices = self._people.vertices
        self._count = len(people)
        self._points[vertices:] = _NOWHERE
        for number, (points, _) in enumerate(people):
            self._points[number * vertices : (number + 1) * vertices] = points
        self._mesh.refit()
        self._people.normals.zero_()
        inputs = [self._mesh.points, self._faces, self._people.normals]
        wp.launch(accumulate_normals, dim=self._count * self._people.faces, inputs=inputs, device="cpu")
        self._people.outfits = _array(np.stack([outfit.pack() for _, outfit in people]), float)

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
        surroundings = _surroundings(room)

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


def _surroundings(room: Room) -> Any:
    surroundings = Surroundings()
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
    """Make further rays of some pixels, by the differences between the rays of their neighbours."""
    height, width, _ = rays.shape
    row, column = np.divmod(pixels, width)
    left, right = np.maximum(column - 1, 0), np.minimum(column + 1, width - 1)
    upper, lower = np.maximum(row - 1, 0), np.minimum(row + 1, height - 1)
    across = (rays[row, right] - rays[row, left]) / (right - left)[:, None].astype(np.float32)
    down = (rays[lower, column] - rays[upper, column]) / (lower - upper)[:, None].astype(np.float32)
    return np.stack([rays[row, column] + np.float32(du) * across + np.float32(dv) * down for du, dv in _OFFSETS])


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
