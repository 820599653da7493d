"""Scenes of several people who walk across and past each other in front of a camera, and hide each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import warp as wp
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.synthetic import labels
from taihri_ros.synthetic.people.body import Body, body_model
from taihri_ros.synthetic.people.clothing import Outfit
from taihri_ros.synthetic.people.garments import surface
from taihri_ros.synthetic.people.motion import Actor
from taihri_ros.synthetic.rendering.raster import inverse_depths
from taihri_ros.synthetic.scene import Scene, level_viewpoint
from taihri_ros.synthetic.simulated_camera import simulated_camera
from taihri_ros.synthetic.walks import sample_walks

_HEIGHT_M, _DISTANCE_M, _PITCH = 1.3, 2.6, 0.12
"""Height of the camera, its distance from the middle of the stage, and its tilt downwards (radians)."""

_STAGE_M = 3.0
"""Radius around the middle of the stage without furniture, metres, and its distance to the walls."""

_WALKING_M_S = 0.25
"""Speed from which on people move their legs, m/s."""


@dataclass(frozen=True, eq=False)
class PersonTruth:
    """The truth about one person in a frame.

    Attributes:
        joints: (22, 3) float64 metres, camera optical frame; exact for hidden and out-of-image joints too.
        pixels: (22, 2) float32 px.
        visibility: (22,) int8: 0 visible, 1 occluded, 2 out of the image.
        box: (4,) float32 x0, y0, x1, y1 of the visible part, px; None if nothing of the person is visible.
        shown: Share of the person's part in the picture that nobody hides, in [0, 1]; 0 if they are out of it.
    """

    joints: NDArray[np.float64]
    pixels: NDArray[np.float32]
    visibility: NDArray[np.int8]
    box: NDArray[np.float32] | None
    shown: float


@dataclass(frozen=True, eq=False)
class CrossingFrame:
    """One frame of a scene.

    Attributes:
        seconds: Time since the start, seconds.
        people: Everybody, in the same order in all frames of a scene.
        image: (height, width, 3) uint8 RGB; None if it was not rendered.
    """

    seconds: float
    people: tuple[PersonTruth, ...]
    image: NDArray[np.uint8] | None = None


class CrossingScene:
    """Several people who walk in front of a camera. At the end of their walks they walk back, and so on.

    Attributes:
        camera: The camera.
    """

    def __init__(self, camera: Camera, seed: int, *, people: int = 3, seconds: float = 8.0) -> None:
        """Sample people and walks; the room only when the first picture is rendered.

        Args:
            camera: The camera; its lens model must be valid over the whole image.
            seed: Seed of people, walks and room.
            people: Number of people, from 2.
            seconds: Duration of the walks, seconds.

        Raises:
            WalksError: The people do not cross in so short a time.
        """
        self.camera, self._seed, self._seconds = camera, seed, seconds
        rng = np.random.default_rng([seed, 4])
        half_view = 0.5 * camera.width / float(camera.K[0, 0])
        self._walks = sample_walks(rng, people, seconds=seconds, distance_m=_DISTANCE_M, half_view=half_view)
        self._gestures = ["stand"] * people
        self._actors = [Actor(1000 * seed + number, "stand") for number in range(people)]
        self._viewpoint = level_viewpoint(_HEIGHT_M, _DISTANCE_M, _PITCH)
        faces = np.ascontiguousarray(surface(body_model().template).faces, np.int32)
        self._faces = wp.array(faces, dtype=wp.int32, device="cpu")
        self._scene: Scene | None = None

    def frame(self, seconds: float, *, render: bool = False) -> CrossingFrame:
        """Return the frame at a time.

        Args:
            seconds: Time since the start, seconds. Times must not decrease between calls.
            render: Whether to render the picture.

        Returns:
            The frame.
        """
        bodies = [self._body(number, seconds) for number in range(len(self._actors))]
        image = self._scene_or_new().picture(self._dressed(bodies)) if render else None
        return CrossingFrame(seconds, self._truths(bodies), image)

    def depth(self) -> NDArray[np.float32]:
        """Measure the depth of the picture that was rendered last.

        Returns:
            (height, width) float32 metres along the camera's z axis, without noise.
        """
        return self._scene_or_new().depth()

    def _dressed(self, bodies: list[Body]) -> list[tuple[Body, Outfit]]:
        return [(body, actor.outfit) for body, actor in zip(bodies, self._actors, strict=True)]

    def _scene_or_new(self) -> Scene:
        if self._scene is None:
            self._scene = Scene(
                self.camera,
                self._seed,
                height=_HEIGHT_M,
                distance=_DISTANCE_M,
                pitch=_PITCH,
                stage_m=_STAGE_M,
                most=len(self._actors),
            )
        return self._scene

    def _body(self, number: int, seconds: float) -> Body:
        """Return a person who walks to and fro."""
        cycle = seconds % (2.0 * self._seconds)
        on_the_walk = min(cycle, 2.0 * self._seconds - cycle)
        walk, actor = self._walks[number], self._actors[number]
        velocity = walk.velocity(on_the_walk)
        gesture = "walk" if np.linalg.norm(velocity) > _WALKING_M_S else "stand"
        if gesture != self._gestures[number]:
            self._gestures[number] = gesture
            actor.start_gesture(gesture, seconds)
        return actor.at(seconds, walk.place(on_the_walk, is_backwards=cycle > self._seconds))

    def _truths(self, bodies: list[Body]) -> tuple[PersonTruth, ...]:
        camera = self.camera
        seen = [self._viewpoint.to_camera(body.vertices.astype(np.float64)).astype(np.float32) for body in bodies]
        depths = np.stack([inverse_depths(camera, points, self._faces, len(self._faces)) for points in seen])
        front = depths.max(axis=0)
        found = []
        for number, body in enumerate(bodies):
            joints = self._viewpoint.to_camera(body.joints)
            pixels, inside = labels.project(camera, joints)
            own = depths[number]
            others = np.delete(depths, number, axis=0).max(axis=0)
            visible = (own > 0.0) & (own >= front)
            found.append(
                PersonTruth(
                    joints=joints,
                    pixels=pixels,
                    visibility=labels.visibility(inside, _gaps(joints, pixels, inside, own, others)),
                    box=labels.box(visible) if visible.any() else None,
                    shown=float(visible.sum() / max((own > 0.0).sum(), 1)),
                )
            )
        return tuple(found)


def crossing_scene(
    seed: int,
    people: int = 3,
    seconds: float = 8.0,
    rate_hz: float = 10.0,
    *,
    camera: Camera | None = None,
    render: bool = False,
) -> Iterator[CrossingFrame]:
    """Generate the frames of a scene.

    Args:
        seed: Seed of people, walks and room.
        people: Number of people, from 2.
        seconds: Duration, seconds.
        rate_hz: Frames per second.
        camera: The camera; None for the simulated robot's, 320 x 240 px.
        render: Whether to render the pictures.

    Yields:
        The frames.

    Raises:
        WalksError: The people do not cross in so short a time.
    """
    scene = CrossingScene(camera or simulated_camera(320, 240), seed, people=people, seconds=seconds)
    for number in range(round(seconds * rate_hz)):
        yield scene.frame(number / rate_hz, render=render)


def _gaps(
    joints: NDArray[np.float64],
    pixels: NDArray[np.float32],
    inside: NDArray[np.bool_],
    own: NDArray[np.float32],
    others: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the distances along the ray from the own surface and from others' to each joint, as for `labels`."""
    gaps = np.zeros((len(joints), 2), np.float32)
    for index in np.flatnonzero(inside):
        column, row = np.rint(pixels[index]).astype(int).tolist()
        length = np.linalg.norm(joints[index]) / joints[index, 2]
        for place, inverse in enumerate((own[row, column], others[row, column])):
            if inverse > 0.0:
                gaps[index, place] = max((joints[index, 2] - 1.0 / inverse) * length, 0.0)
    return gaps
