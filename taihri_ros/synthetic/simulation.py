"""What the simulated robot camera sees: a person who does this and that, and the gesture that it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command
from taihri_ros.commands.tasks import Tasks
from taihri_ros.errors import TaihriError
from taihri_ros.synthetic.people.body import Place
from taihri_ros.synthetic.people.motion import Actor
from taihri_ros.synthetic.people.poses import TASKS
from taihri_ros.synthetic.scene import Scene

_PASTIMES = ("stand", "wave", "walk", "hand_over_both", "point", "fist_bump", "follow_elbow", "high_five")
"""What the person does in turn while nobody asks for a gesture."""

_PASTIME_S = 2.5
_OTHER_NAMES = {"hand_over": "hand_over_both", "take": "take_object", "check_posture": "stand", "put_on_belt": "stand"}
"""Tasks of the task table whose gesture has another name in `poses`."""

_FACING = "look_at_face"
_QUESTION = "question"
"""What `Tasks.match` calls a sentence about named joints."""

_FOCAL_SHARE = 0.8
_CHEST_M = 1.2
"""Height above the floor of what the camera looks at."""

_CAST_WIDTH = 256
"""Rays in a row; a larger image is scaled up from them, which keeps 10 images/s on one core."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What the camera sees at one moment.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        joints: (22, 3) float64 metres, camera optical frame, in the skeleton's order.
    """

    image: NDArray[np.uint8]
    joints: NDArray[np.float64]


class Simulation:
    """A person, a room and a camera that are drawn by chance.

    Attributes:
        camera: The camera, with the small faults of a real one.
    """

    def __init__(self, *, seed: int = 6, size: tuple[int, int] = (640, 480), gesture: str | None = None) -> None:
        """Load the body model and draw the scene. The first time on a machine this takes half a minute.

        Args:
            seed: Source of chance.
            size: Width and height of the image in px.
            gesture: What the person does while no command asks for a gesture, one of `poses.TASKS`; None for this and
                that in turn.

        Raises:
            TaihriError: The gesture is unknown.
        """
        if gesture is not None and gesture not in TASKS:
            raise TaihriError(f"{gesture!r} is no gesture; there are {', '.join(TASKS)}")
        self.camera = _camera(*size)
        self._tasks = Tasks.load()
        self._by_itself = gesture
        self._asked: str | None = None
        self._doing = gesture or _PASTIMES[0]
        self._actor = Actor(seed, self._doing)
        rng = np.random.default_rng(seed)
        height, distance = rng.uniform(1.2, 1.5), rng.uniform(1.3, 1.7)
        pitch, roll = np.arctan2(height - _CHEST_M, distance) + rng.normal(0.0, 0.03), rng.normal(0.0, 0.03)
        small = _smaller(self.camera, _CAST_WIDTH)
        self._scene = Scene(small, seed, height=height, distance=distance, pitch=pitch, roll=roll)

    def hear(self, command: Command | None) -> None:
        """Make the gesture that goes with a command, if there is one; None to do this and that again."""
        self._asked = None if command is None or command.joints else self._gesture(command.text)

    def expose(self, seconds: float) -> Snapshot:
        """Take the image at a time, in seconds since the beginning; times never run back."""
        gesture = self._asked or self._by_itself or _PASTIMES[int(seconds / _PASTIME_S) % len(_PASTIMES)]
        if gesture != self._doing:
            self._doing = gesture
            self._actor.turn_to(gesture, seconds)
        view = self._scene.render(self._actor.at(seconds, _place(seconds)), self._actor.outfit)
        size = (self.camera.width, self.camera.height)
        image = np.asarray(cv2.resize(view.image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        return Snapshot(image, view.joints.astype(np.float64))

    def _gesture(self, text: str) -> str | None:
        """Find the gesture of a task, one of `poses.TASKS`; a task without one wants the person's attention."""
        task = self._tasks.match(text)
        if task is None or task.name == _QUESTION:
            return None
        plain = task.name.removesuffix("_left").removesuffix("_right")
        names = (task.name, plain, _OTHER_NAMES.get(plain))
        return next((name for name in names if name in TASKS), _FACING)


def _place(seconds: float) -> Place:
    """Shift from foot to foot, and turn a little."""
    return Place(0.1 * np.sin(0.7 * seconds), 0.08 * np.sin(0.5 * seconds), 0.2 * np.sin(0.6 * seconds))


def _camera(width: int, height: int) -> Camera:
    focal = _FOCAL_SHARE * width
    matrix = np.array([[focal, 0.0, 0.51 * width], [0.0, 1.003 * focal, 0.49 * height], [0.0, 0.0, 1.0]])
    return Camera(width, height, matrix, np.array([-0.08, 0.02, 5e-4, -5e-4, 0.0]), DistortionModel.PLUMB_BOB)


def _smaller(camera: Camera, width: int) -> Camera:
    """Give the camera of an image that is scaled down to a width, if it is wider."""
    scale = min(1.0, width / camera.width)
    matrix = camera.K.copy()
    matrix[:2] *= scale
    matrix[:2, 2] += 0.5 * scale - 0.5  # the centre of the first pixel is 0
    return Camera(round(camera.width * scale), round(camera.height * scale), matrix, camera.D, camera.model)
