"""Places for further people beside and behind the labelled one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from taihri_ros.camera.camera import Camera
from taihri_ros.synthetic import labels
from taihri_ros.synthetic.people.body import Body, Place, moved
from taihri_ros.synthetic.viewpoints import NEAREST_SURFACE, Viewpoint

Rng = np.random.Generator

_TRIES = 25
"""Places that are tried for each person before the viewpoint is given up."""

_APART_M = 0.65
"""Smallest horizontal distance between the middles of two people, metres."""

_FARTHEST_M = 3.95
"""Largest distance between the camera and a pelvis, metres: that of the labelled person, too."""

_FEWEST_JOINTS = 2
"""Smallest number of joints of each person in the picture."""


def sample_place_nearby(rng: Rng, viewpoint: Viewpoint) -> Place:
    """Sample a place behind or beside the labelled person, who stands at the origin.

    Args:
        rng: Random number generator.
        viewpoint: Pose of the camera.

    Returns:
        The place of another person.
    """
    away = np.arctan2(-viewpoint.eye[1], -viewpoint.eye[0])
    angle, distance = away + np.clip(rng.normal(0.0, 0.6), -1.4, 1.4), rng.uniform(0.75, 3.0)
    x, y = distance * np.cos(angle), distance * np.sin(angle)
    return Place(float(x), float(y), float(rng.uniform(-np.pi, np.pi)))


def place_company(
    rng: Rng, viewpoint: Viewpoint, camera: Camera, body: Body, others: Sequence[Body]
) -> list[Body] | None:
    """Place further people so that nobody stands in another one, and each is in the picture, perhaps hidden.

    Args:
        rng: Random number generator.
        viewpoint: Pose of the camera.
        camera: The camera.
        body: The labelled person, at the origin.
        others: The further people, each at the origin.

    Returns:
        The further people at their places; None if there is no room for one of them in this view.
    """
    placed = [body]
    for other in others:
        for _ in range(_TRIES):
            there = moved(other, sample_place_nearby(rng, viewpoint))
            if _fits(there, placed, viewpoint, camera):
                placed.append(there)
                break
        else:
            return None
    return placed[1:]


def _fits(body: Body, placed: Sequence[Body], viewpoint: Viewpoint, camera: Camera) -> bool:
    if any(np.linalg.norm((body.joints[0] - other.joints[0])[:2]) < _APART_M for other in placed):
        return False
    if np.linalg.norm(body.joints[0] - viewpoint.eye) > _FARTHEST_M:
        return False
    if np.linalg.norm(body.vertices[::7] - viewpoint.eye, axis=1).min() < NEAREST_SURFACE:
        return False
    _, inside = labels.project(camera, viewpoint.to_camera(body.joints))
    return bool(inside.sum() >= _FEWEST_JOINTS)
