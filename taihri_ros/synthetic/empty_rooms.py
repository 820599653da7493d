"""Pictures of rooms without people, as backgrounds for training and to measure false alarms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.synthetic.dataset import DatasetError
from taihri_ros.synthetic.decor import mute
from taihri_ros.synthetic.lenses import sample_camera
from taihri_ros.synthetic.people.body import body_model
from taihri_ros.synthetic.people.clothing import sample_outfit
from taihri_ros.synthetic.people.garments import surface
from taihri_ros.synthetic.people.kinematics import euler
from taihri_ros.synthetic.rendering.photograph import photograph
from taihri_ros.synthetic.rendering.renderer import Renderer
from taihri_ros.synthetic.room import sample_room
from taihri_ros.synthetic.viewpoints import Viewpoint

_MUTED_SHARE = 0.8
_FAULTS = 0.4
_AWAY_M = 1000.0


class EmptyRooms:
    """Generator of pictures of rooms without people; picture i depends only on the seed and i."""

    def __init__(self, seed: int, size: int = 320) -> None:
        """Load the renderer.

        Args:
            seed: Seed of the pictures.
            size: Longer side of the pictures, px.
        """
        self._seed, self._size = seed, size
        places = surface(body_model().template)
        self._renderer = Renderer(places)
        outfit = sample_outfit(np.random.default_rng(0))
        self._renderer.set_people([(places.rest - np.float32(_AWAY_M), outfit)])

    def picture(self, number: int) -> NDArray[np.uint8]:
        """Render a picture.

        Args:
            number: Number of the picture.

        Returns:
            uint8 (H, W, 3) RGB.
        """
        return self.view(number)[0]

    def view(self, number: int) -> tuple[NDArray[np.uint8], Camera]:
        """Render a picture and return its camera too.

        Args:
            number: Number of the picture.

        Returns:
            The picture, uint8 (H, W, 3) RGB, and the camera that took it.
        """
        rng = np.random.default_rng([self._seed, number])
        camera, rays = sample_camera(rng, self._size)
        eye = np.array([*rng.uniform(-1.5, 1.5, 2), rng.uniform(0.75, 1.75)])
        room = sample_room(rng, eye, ())
        if rng.random() < _MUTED_SHARE:
            room = mute(rng, room)
        straight = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # columns: right, down, forward
        pitch, roll, yaw = rng.normal(-0.15, 0.25), rng.normal(0.0, 0.1), rng.uniform(-np.pi, np.pi)
        turn = euler(0.0, 0.0, yaw) @ straight @ euler(pitch, 0.0, roll)
        light, _ = self._renderer.render(camera, rays, Viewpoint(eye, turn), room)
        return photograph(rng, light, _FAULTS), camera


def write_empty_rooms(directory: Path, seed: int, count: int, size: int) -> Iterator[Path]:
    """Write pictures of rooms without people; existing files are kept.

    Args:
        directory: Output directory.
        seed: Seed of the pictures.
        count: Number of pictures.
        size: Longer side of the pictures, px.

    Yields:
        The path of each JPEG file.

    Raises:
        DatasetError: The directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"cannot write to {directory}: {error}") from error
    rooms = EmptyRooms(seed, size)
    for number in range(count):
        path = directory / f"room-{seed}-{number:06d}.jpg"
        if not path.exists():
            picture = cv2.cvtColor(rooms.picture(number), cv2.COLOR_RGB2BGR)
            if not cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92]):
                raise DatasetError(f"cannot write {path}")
        yield path
