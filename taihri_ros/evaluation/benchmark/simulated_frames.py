"""Simulated camera images of a moving person with labels, the same in every run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 10.0


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """An image with the true joint positions.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        joints: (22, 3) metres, camera optical frame, in the order of the skeleton.
        stamp_ns: Time of the image, nanoseconds.
    """

    image: NDArray[np.uint8]
    joints: NDArray[np.float64]
    stamp_ns: int


class SimulatedFrames:
    """A simulated camera with 10 images per second of a moving person.

    Attributes:
        camera: Calibration of the camera.
    """

    def __init__(self, size: tuple[int, int], *, seed: int = 6, gesture: str | None = None) -> None:
        """Create the person, the room and the camera.

        Args:
            size: Width and height of the images, px.
            seed: Seed of the simulation.
            gesture: Gesture of the person; None for alternating gestures.

        Raises:
            TaihriError: The package of the synthetic people is not installed, or the gesture is unknown.
        """
        from taihri_ros.synthetic.simulation import Simulation

        self._simulation = Simulation(seed=seed, size=size, gesture=gesture)
        self.camera = self._simulation.camera

    def take(self, count: int) -> Iterator[LabelledFrame]:
        """Take images from the start of the simulation.

        Args:
            count: Number of images.

        Yields:
            The images.
        """
        for number in range(count):
            seconds = number / RATE_HZ
            snapshot = self._simulation.expose(seconds)
            yield LabelledFrame(snapshot.image, snapshot.joints, round(1e9 * (1.0 + seconds)))
