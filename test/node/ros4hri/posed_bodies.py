"""Bodies in known poses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.kinematics import Kinematics, Posture, exponential
from taihri_ros.body.mesh import Surface
from taihri_ros.body.recovery import Body
from taihri_ros.body.template import shipped_template
from taihri_ros.node.ros4hri.human_model import ROOT, HumanSize, human_joints, link_transforms
from taihri_ros.node.ros4hri.joint_angles import body_frame, joint_angles
from taihri_ros.skeleton import INDEX

TEMPLATE = shipped_template()
KINEMATICS, SURFACE = Kinematics(TEMPLATE), Surface(TEMPLATE)


def posed(
    angles: NDArray[np.float64] | None = None,
    *,
    shape: NDArray[np.float64] | None = None,
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    unseen: tuple[str, ...] = (),
) -> Body:
    """Return a body 2 m in front of the camera, in the usual pose unless angles are given, turned by a vector."""
    angles = TEMPLATE.angle_means if angles is None else angles
    shape = np.zeros(len(TEMPLATE.shape_joints)) if shape is None else shape
    posture = Posture(np.array([0.0, 0.0, 2.0]), exponential(np.array([turn]))[0], angles, shape)
    influences = np.ones(22)
    influences[[INDEX[name] for name in unseen]] = np.nan
    size = 6 + len(angles) + len(shape)
    return Body(posture, KINEMATICS.place(posture), influences, np.eye(size), KINEMATICS, SURFACE)


def bent(bone: str, vector: tuple[float, float, float]) -> Body:
    """Return a body in the usual pose with a vector, radians, added to the angles of one bone."""
    angles = TEMPLATE.angle_means.copy()
    for index in np.flatnonzero(TEMPLATE.angle_bones == INDEX[bone]):
        angles[index] += TEMPLATE.angle_axes[index] @ np.array(vector)
    return posed(angles)


def random_body(rng: np.random.Generator) -> Body:
    """Return a body in a pose that people take, of any shape and orientation."""
    angles = rng.multivariate_normal(TEMPLATE.angle_means, TEMPLATE.angle_covariance)
    shape = rng.normal(size=len(TEMPLATE.shape_joints))
    turn = tuple(rng.normal(size=3))
    return posed(np.clip(angles, *TEMPLATE.angle_limits.T), shape=shape, turn=turn)


def placed_links(body: Body) -> dict[str, Any]:
    """Return the place (3,) of each link of the model of a body, at its angles, in the camera's frame."""
    size = HumanSize.of(body)
    joints = human_joints(size)
    links, frames = link_transforms(joints, joint_angles(body, size)), {ROOT: body_frame(body)}
    for joint in joints:
        if joint.child in links:
            (place, axes), (offset, turn) = frames[joint.parent], links[joint.child]
            frames[joint.child] = place + axes @ offset, axes @ turn
    return {link: place for link, (place, _) in frames.items()}
