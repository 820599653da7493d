"""A process with a robot camera of a fake scene: `python fake_camera.py DURATION_S RATE_HZ EXPOSE_S`."""

from __future__ import annotations

import sys
import time
from threading import Event
from types import SimpleNamespace

import numpy as np

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command
from taihri_ros.skeleton import JOINTS
from taihri_ros.synthetic.robot_camera import RobotCamera

CAMERA_MATRIX = [[300.0, 0, 158.0], [0, 310.0, 121.0], [0, 0, 1]]
CAMERA = Camera(320, 240, CAMERA_MATRIX, [0.1, 0, 0, 0], DistortionModel.EQUIDISTANT)


class FakeScene:
    """A black scene whose first pixel encodes the number of commands and whose joints encode the time."""

    camera = CAMERA

    def __init__(self, expose_s: float) -> None:
        self._expose_s = expose_s
        self._commands: list[Command | None] = []

    def set_command(self, command: Command | None) -> None:
        self._commands.append(command)

    def expose(self, seconds: float) -> SimpleNamespace:
        time.sleep(self._expose_s)
        image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
        image[0, 0] = [len(self._commands), self._commands.count(None), CAMERA.width // 2]
        joints = np.column_stack([np.arange(len(JOINTS)), np.full(len(JOINTS), seconds), np.ones(len(JOINTS))])
        return SimpleNamespace(image=image, joints=joints)


if __name__ == "__main__":
    duration, rate, expose = map(float, sys.argv[1:])
    with RobotCamera(FakeScene(expose), rate_hz=rate) as robot_camera:
        robot_camera.run(Event(), duration)
    print(robot_camera.frames)
