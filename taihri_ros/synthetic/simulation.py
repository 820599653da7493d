"""Scene of the simulated robot camera: a person who performs idle gestures and the gestures of commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import Command
from taihri_ros.commands.tasks import Tasks
from taihri_ros.errors import TaihriError
from taihri_ros.synthetic.people.body import Place
from taihri_ros.synthetic.people.motion import Actor
from taihri_ros.synthetic.people.poses import TASKS
from taihri_ros.synthetic.scene import Scene
from taihri_ros.synthetic.simulated_camera import scaled_depth, scaled_down, scaled_picture, simulated_camera

_IDLE_GESTURES = ("stand", "wave", "walk", "hand_over_both", "point", "fist_bump", "follow_elbow", "high_five")
"""Gestures that the person cycles through while no command is active."""

_IDLE_GESTURE_S = 2.5
"""Duration of each idle gesture, seconds."""

_OTHER_NAMES = {
    "hand_over": "hand_over_both",
    "take": "take_object",
    "check_posture": "stand",
    "put_on_belt": "stand",
    "hold_hand": "hand_over_both",
    "follow_pointing": "point",
}
"""Tasks of the task table whose gesture has a different name in `poses`."""

_DEFAULT_GESTURE = "look_at_face"
"""Gesture of a task that has no gesture of its own: the person looks at the robot."""

_QUESTION = "question"
"""Name that `Tasks.match` returns for a question about named joints."""

_VISIT_S = _IDLE_GESTURE_S * len(_IDLE_GESTURES)
"""How long each person stays before the next one comes, seconds."""

_CHEST_M = 1.2
"""Height above the floor of the point that the camera looks at."""

RENDER_WIDTH_PX = 256
"""Width at which the scene is rendered live; larger images are scaled up, which keeps 10 images/s on one core."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """An image and its ground truth at one moment.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        joints: (22, 3) float64 metres, camera optical frame, in the skeleton's order: of the nearest person.
        people: The joints of everybody, in the same order in all images.
        boxes: (4,) left, top, right and bottom in px of those of several people who can be seen, by their place in
            `people`.
    """

    image: NDArray[np.uint8]
    joints: NDArray[np.float64]
    people: tuple[NDArray[np.float64], ...]
    boxes: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)


class Simulation:
    """A randomly sampled person, room and camera.

    Attributes:
        camera: The camera, with a slightly distorted lens and an off-centre principal point.
    """

    people = 1

    def __init__(
        self,
        *,
        seed: int = 6,
        size: tuple[int, int] = (640, 480),
        gesture: str | None = None,
        visitors: int = 1,
        render_width: int = RENDER_WIDTH_PX,
    ) -> None:
        """Load the body model and sample the scene; the first time on a machine this takes half a minute.

        Args:
            seed: Seed of person, room and camera.
            size: Width and height of the image, px.
            gesture: Gesture while no command is active, one of `poses.TASKS`; None cycles through idle gestures.
            visitors: Number of people who come one after another, each for 20 s.
            render_width: Largest width at which the scene is rendered, px; larger images are scaled up.

        Raises:
            TaihriError: The gesture is unknown.
        """
        if gesture is not None and gesture not in TASKS:
            raise TaihriError(f"unknown gesture {gesture!r}; choose one of {', '.join(TASKS)}")
        self.camera = simulated_camera(*size)
        self._tasks = Tasks.load()
        self._default_gesture = gesture
        self._commanded: str | None = None
        self._current_gesture = gesture or _IDLE_GESTURES[0]
        self._seed, self._visitors, self._visitor = seed, visitors, 0
        self._actor = Actor(seed, self._current_gesture)
        rng = np.random.default_rng(seed)
        height, distance = rng.uniform(1.2, 1.5), rng.uniform(1.3, 1.7)
        pitch, roll = np.arctan2(height - _CHEST_M, distance) + rng.normal(0.0, 0.03), rng.normal(0.0, 0.03)
        small = scaled_down(self.camera, render_width)
        self._scene = Scene(small, seed, height=height, distance=distance, pitch=pitch, roll=roll)

    def set_command(self, command: Command | None) -> None:
        """Set the newest command; the person performs its gesture. None returns to the idle gestures."""
        self._commanded = None if command is None or command.joints else self._gesture(command.text)

    def expose(self, seconds: float) -> Snapshot:
        """Render the image at a time, in seconds since the start. Times must not decrease between calls."""
        gesture = (
            self._commanded
            or self._default_gesture
            or _IDLE_GESTURES[int(seconds / _IDLE_GESTURE_S) % len(_IDLE_GESTURES)]
        )
        visitor = int(seconds / _VISIT_S) % self._visitors
        if visitor != self._visitor:
            self._visitor, self._current_gesture = visitor, gesture
            self._actor = Actor(self._seed + visitor, gesture)
        if gesture != self._current_gesture:
            self._current_gesture = gesture
            self._actor.start_gesture(gesture, seconds)
        view = self._scene.render(self._actor.at(seconds, _place(seconds)), self._actor.outfit)
        joints = view.joints.astype(np.float64)
        return Snapshot(scaled_picture(view.image, self.camera), joints, (joints,))

    def depth(self) -> NDArray[np.float32]:
        """Measure the depth of the image that was exposed last.

        Returns:
            (height, width) float32 metres along the camera's z axis, without noise.
        """
        return scaled_depth(self._scene.depth(), self.camera)

    def _gesture(self, text: str) -> str | None:
        """Return the gesture of the task that a command names, one of `poses.TASKS`; None if it names no task."""
        task = self._tasks.match(text)
        if task is None or task.name == _QUESTION:
            return None
        plain = task.name.removesuffix("_left").removesuffix("_right")
        names = (task.name, plain, _OTHER_NAMES.get(plain))
        return next((name for name in names if name in TASKS), _DEFAULT_GESTURE)


def _place(seconds: float) -> Place:
    """Return the place of the person, who sways slowly, at a time in seconds."""
    return Place(0.1 * np.sin(0.7 * seconds), 0.08 * np.sin(0.5 * seconds), 0.2 * np.sin(0.6 * seconds))
