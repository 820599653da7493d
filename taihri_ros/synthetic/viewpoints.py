"""Random camera poses of a robot's head that looks at a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.people.body import Body
from taihri_ros.synthetic.people.kinematics import cross, rotation, unit
from taihri_ros.synthetic.people.poses import focus

Rng = np.random.Generator
Array = NDArray[np.float64]

NEAREST_SURFACE = 0.16
"""Smallest distance between the camera and the person's surface (metres)."""


@dataclass(frozen=True)
class Viewpoint:
    """Pose of a camera in the world frame: x to the person's left, y to its back, z up, metres.

    Attributes:
        eye: (3,) position, metres.
        rotation: (3, 3) rotation from the camera optical frame to the world frame.
    """

    eye: Array
    rotation: Array

    def to_camera(self, points: Array) -> Array:
        """Transform points (N, 3) from the world frame to the camera optical frame."""
        return np.asarray((points - self.eye) @ self.rotation)


def sample_viewpoint(rng: Rng, body: Body, task: str, camera: Camera, far: bool = False) -> Viewpoint | None:
    """Sample a camera pose from which a robot sees a person.

    Args:
        rng: Random number generator.
        body: The person.
        task: Task of the person, which determines the joints looked at.
        camera: The camera.
        far: Whether the camera looks at trunk or head from 1.3 to 3.9 m, so that most of the person is in the picture.

    Returns:
        The viewpoint; None if the sampled one is too near to the person or too far away.
    """
    names = focus(task)
    choice = 0.6 if far else rng.random()
    if choice < 0.5:
        target = body.joints[INDEX[names[int(rng.integers(len(names)))]]]
    elif choice < 0.8:
        target = body.joints[INDEX[("pelvis", "spine2", "spine3", "neck", "head")[int(rng.integers(5))]]]
    else:
        target = body.joints[int(rng.integers(len(body.joints)))]
    near = rng.random()
    low, high = (0.35, 0.7) if near < 0.16 else (0.6, 2.2) if near < 0.8 else (1.8, 3.9)
    if far:
        low, high = 1.3, 3.9
    distance = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    height = float(np.clip(rng.normal(1.25, 0.25), 0.75, 1.75))
    level = np.sqrt(max(distance**2 - (height - target[2]) ** 2, (0.35 * distance) ** 2))
    broad = rng.random()
    spread = 0.45 if broad < 0.62 else 1.1
    angle = rng.normal(0.0, spread) if broad < 0.86 else rng.uniform(-np.pi, np.pi)
    eye = np.array([target[0] + level * np.sin(angle), target[1] - level * np.cos(angle), height])
    gap = np.linalg.norm(body.vertices[::7] - eye, axis=1).min()
    if gap < NEAREST_SURFACE or np.linalg.norm(eye - body.joints[0]) > 3.95:
        return None
    orientation = _look(rng, target - eye, camera)
    return Viewpoint(eye, orientation)


def _look(rng: Rng, direction: Array, camera: Camera) -> Array:
    """Return a camera rotation that projects a direction to a random pixel of the inner image."""
    centred = rng.random() < 0.75
    share = np.clip(rng.normal(0.5, 0.15, 2), 0.05, 0.95) if centred else rng.uniform(0.08, 0.92, 2)
    ray = unit(camera.unproject([share * (camera.width - 1, camera.height - 1)])[0])
    forward = unit(direction)
    right = unit(cross(forward, np.array([0.0, 0.0, 1.0])))
    upright = np.column_stack([right, cross(forward, right), forward])
    pitch, yaw = np.arctan2(ray[1], np.hypot(ray[0], ray[2])), np.arctan2(ray[0], ray[2])
    turn = rotation([1, 0, 0], pitch) @ rotation([0, 1, 0], -yaw)  # rotates the ray to the optical axis
    roll = float(np.clip(rng.normal(0.0, 0.09 if rng.random() < 0.8 else 0.25), -0.6, 0.6))
    return upright @ turn @ rotation(ray, roll)
