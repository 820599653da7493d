"""The images that are measured: a simulated person in front of a simulated camera, the same in every run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 10.0


@dataclass(frozen=True, eq=False)
class Moment:
    """One image with what is true.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        joints: (22, 3) metres, camera optical frame, in the skeleton's order.
        stamp_ns: When it was taken, nanoseconds.
    """

    image: NDArray[np.uint8]
    joints: NDArray[np.float64]
    stamp_ns: int


class Footage:
    """Images at 10 Hz of a person who moves.

    Attributes:
        camera: The camera.
    """

    def __init__(self, size: tuple[int, int], *, seed: int = 6, gesture: str | None = None) -> None:
        """Make person, room and camera.

        Args:
            size: Width and height of the images, px.
            seed: Source of chance.
            gesture: What the person does; None for this and that in turn.

        Raises:
            TaihriError: The package of the synthetic people is not installed, or there is no such gesture.
        """
        from taihri_ros.synthetic.simulation import Simulation

        self._simulation = Simulation(seed=seed, size=size, gesture=gesture)
        self.camera = self._simulation.camera

    def moments(self, count: int) -> Iterator[Moment]:
        """Take images.

        Args:
            count: How many.

        Yields:
            The images.
        """
        for number in range(count):
            seconds = number / RATE_HZ
            snapshot = self._simulation.expose(seconds)
            yield Moment(snapshot.image, snapshot.joints, round(1e9 * (1.0 + seconds)))
