"""Scene of the simulated robot camera with several people who cross each other's way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import Command
from taihri_ros.synthetic.crossings import CrossingScene
from taihri_ros.synthetic.simulated_camera import scaled_depth, scaled_down, scaled_picture, simulated_camera
from taihri_ros.synthetic.simulation import RENDER_WIDTH_PX, Snapshot

LEAST_SHOWN = 0.3
"""Somebody of whom others leave a smaller share visible has no box: a detector would not see them."""


class CrossingSimulation:
    """Several people who walk to and fro, and do not react to commands.

    Attributes:
        camera: The camera.
        people: Number of people.
    """

    def __init__(
        self,
        *,
        people: int,
        seed: int = 6,
        size: tuple[int, int] = (640, 480),
        render_width: int = RENDER_WIDTH_PX,
    ) -> None:
        """Load the body model and sample the scene; the first time on a machine this takes half a minute.

        Args:
            people: Number of people, from 2.
            seed: Seed of people, walks and room.
            size: Width and height of the image, px.
            render_width: Largest width at which the scene is rendered, px; larger images are scaled up.
        """
        self.camera, self.people = simulated_camera(*size), people
        small = scaled_down(self.camera, render_width)
        self._box_scale = self.camera.width / small.width
        self._scene = CrossingScene(small, seed, people=people)

    def set_command(self, command: Command | None) -> None:
        """Ignore a command."""

    def expose(self, seconds: float) -> Snapshot:
        """Render the image at a time, in seconds since the start. Times must not decrease between calls."""
        frame = self._scene.frame(seconds, render=True)
        assert frame.image is not None
        people = tuple(person.joints for person in frame.people)
        shown = [person.joints for person in frame.people if person.box is not None] or people
        nearest = min(shown, key=lambda joints: float(np.linalg.norm(joints[0])))
        boxes = {
            number: (person.box.astype(np.float64) + 0.5) * self._box_scale - 0.5
            for number, person in enumerate(frame.people)
            if person.box is not None and person.shown >= LEAST_SHOWN
        }
        return Snapshot(scaled_picture(frame.image, self.camera), nearest, people, boxes)

    def depth(self) -> NDArray[np.float32]:
        """Measure the depth of the image that was exposed last.

        Returns:
            (height, width) float32 metres along the camera's z axis, without noise.
        """
        return scaled_depth(self._scene.depth(), self.camera)
