"""A fixed camera in a room that renders a moving person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.synthetic import labels
from taihri_ros.synthetic.lenses import ray_grid
from taihri_ros.synthetic.people.body import Body, body_model
from taihri_ros.synthetic.people.clothing import Outfit, sample_outfit
from taihri_ros.synthetic.people.garments import surface
from taihri_ros.synthetic.people.kinematics import euler
from taihri_ros.synthetic.rendering.photograph import brightness, develop
from taihri_ros.synthetic.rendering.renderer import Renderer
from taihri_ros.synthetic.room import cleared, sample_room
from taihri_ros.synthetic.viewpoints import Viewpoint

_MARGIN_M = 1.8
"""Smallest distance of the person and the camera to the walls, metres."""


@dataclass(frozen=True)
class View:
    """One picture of a scene and its ground truth.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        joints: float32 (22, 3) metres, camera optical frame.
        pixels: float32 (22, 2) px; outside the valid range of the lens model, the pinhole projection.
        visibility: int8 (22,): 0 visible, 1 occluded, 2 out of the image.
    """

    image: NDArray[np.uint8]
    joints: NDArray[np.float32]
    pixels: NDArray[np.float32]
    visibility: NDArray[np.int8]


def level_viewpoint(height: float, distance: float, pitch: float, roll: float = 0.0) -> Viewpoint:
    """Return the pose of a camera at (0, -distance, height) that looks along +y.

    Args:
        height: Height above the floor, metres.
        distance: Horizontal distance from the origin, metres.
        pitch: Downward tilt, radians.
        roll: Clockwise roll, radians.

    Returns:
        The viewpoint.
    """
    upright = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # columns: right, down, forward
    return Viewpoint(np.array([0.0, -distance, height]), upright @ euler(-pitch, 0.0, roll))


class Scene:
    """A room with one camera at (0, -distance, height) that looks along +y at a person near the origin."""

    def __init__(
        self,
        camera: Camera,
        seed: int,
        *,
        height: float = 1.35,
        distance: float = 1.6,
        pitch: float = 0.15,
        roll: float = 0.0,
        stage_m: float = 0.0,
        most: int = 2,
    ) -> None:
        """Sample the room and compute the rays.

        Args:
            camera: The camera; its lens model must be valid over the whole image.
            seed: Seed of room, light and noise.
            height: Height of the camera above the floor, metres.
            distance: Horizontal distance of the camera from the origin, where the person stands, metres.
            pitch: Downward tilt of the camera, radians.
            roll: Clockwise roll of the camera, radians.
            stage_m: Distance from the origin within which people may walk, metres: there are no walls and objects.
            most: Largest number of people.
        """
        self.camera = camera
        self.viewpoint = level_viewpoint(height, distance, pitch, roll)
        rng = np.random.default_rng([seed, 2])
        self._room = sample_room(rng, self.viewpoint.eye, (), margin=max(_MARGIN_M, stage_m))
        if stage_m > 0.0:
            self._room = cleared(self._room, stage_m)
        self._noise = np.random.default_rng([seed, 3])
        self._rays = ray_grid(camera)
        places = surface(body_model().template)
        self._renderer = Renderer(places, most)
        self._renderer.set_people([(places.rest - np.float32(1000.0), sample_outfit(rng))])
        self._empty, _ = self._renderer.render(camera, self._rays, self.viewpoint, self._room)
        self._exposure = 0.2 / brightness(self._empty)

    def render(self, body: Body, outfit: Outfit) -> View:
        """Render a picture.

        Args:
            body: The person in the room's frame, from `Actor.at`.
            outfit: Clothes of the person, `Actor.outfit`.

        Returns:
            The picture and its labels.
        """
        image = self.picture([(body, outfit)])
        gaps = self._renderer.probe(body.joints, self.viewpoint, self._room)
        joints = self.viewpoint.to_camera(body.joints)
        pixels, inside = labels.project(self.camera, joints)
        return View(
            image=image,
            joints=joints.astype(np.float32),
            pixels=pixels,
            visibility=labels.visibility(inside, gaps),
        )

    def picture(self, people: Sequence[tuple[Body, Outfit]]) -> NDArray[np.uint8]:
        """Render a picture of several people, without labels.

        Args:
            people: Each person in the room's frame, and their clothes.

        Returns:
            uint8 (H, W, 3) RGB.
        """
        self._renderer.set_people([(body.vertices, outfit) for body, outfit in people])
        affected = np.any([self._affected_pixels(body) for body, _ in people], axis=0)
        reuse = (self._empty, affected)
        light, _ = self._renderer.render(self.camera, self._rays, self.viewpoint, self._room, reuse=reuse)
        return develop(self._noise, light * np.float32(self._exposure))

    def depth(self) -> NDArray[np.float32]:
        """Measure the depth of every pixel of the picture that was rendered last.

        Returns:
            float32 (H, W) metres along the camera's z axis, without noise.
        """
        return self._renderer.depth(self._rays, self.viewpoint, self._room)

    def _affected_pixels(self, body: Body) -> NDArray[np.bool_]:
        """Return a mask of the pixels that the person or their shadow may change: the convex hull of both."""
        points = body.vertices[::5].astype(np.float64)
        shadow = self._room.shadow(points)
        pixels, _ = labels.project(self.camera, self.viewpoint.to_camera(np.concatenate([points, shadow])))
        size = max(self.camera.width, self.camera.height)
        hull = cv2.convexHull(np.clip(pixels, -size, 2 * size).astype(np.int32))
        mask = np.zeros((self.camera.height, self.camera.width), dtype=np.uint8)
        cv2.fillConvexPoly(mask, hull, 1)
        return np.asarray(cv2.dilate(mask, np.ones((9, 9), np.uint8)), dtype=bool)
