"""People whose true bodies are known: the template's own, in the poses and shapes that it has for adults."""

from __future__ import annotations

import numpy as np
import pytest
from someone import Someone

from taihri_ros.body.kinematics import Kinematics, Posture, exponential
from taihri_ros.body.mesh import Surface
from taihri_ros.body.start import FACING_CAMERA
from taihri_ros.body.template import BodyTemplate, shipped_template


@pytest.fixture(scope="session")
def template() -> BodyTemplate:
    return shipped_template()


@pytest.fixture(scope="session")
def kinematics(template: BodyTemplate) -> Kinematics:
    return Kinematics(template)


@pytest.fixture(scope="session")
def people(template: BodyTemplate, kinematics: Kinematics) -> list[Someone]:
    """People within the limits of human joints, 2 m before the camera, turned to it within a right angle."""
    rng, surface = np.random.default_rng(0), Surface(template)
    low, high = template.angle_limits.T
    made = []
    for _ in range(25):
        angles = rng.multivariate_normal(template.angle_means, template.angle_covariance / 4.0)
        turn = exponential(rng.uniform([-0.2, -1.5, -0.2], [0.2, 1.5, 0.2])[None])[0]
        shape = rng.normal(size=len(template.shape_joints))
        posture = Posture(np.array([0.1, 0.2, 2.0]), turn @ FACING_CAMERA, np.clip(angles, low + 0.05, high), shape)
        placement = kinematics.place(posture)
        made.append(Someone(posture, placement, surface.vertices(placement, shape)))
    return made
