"""Reads the node's own messages again, for programs that show or judge what it publishes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.keypoints import DepthUse, Keypoint, Person, State
from taihri_ros.skeleton import INDEX, JOINTS


def read_person(message: Any) -> Person:
    """Return the person of a taihri_ros/HumanKeypoints, in the frame of its header."""
    keypoints = tuple(
        Keypoint(
            each.name,
            State(each.state),
            each.reason,
            position=_vector(each.position),
            covariance=np.reshape(each.covariance, (3, 3)),
            confidence=each.confidence,
            pixel=np.array([each.u, each.v]),
            depth=DepthUse(each.depth),
        )
        for each in message.keypoints
    )
    return Person(keypoints, np.array(message.box) if message.has_box else None, message.presence)


def read_stages_ms(message: Any) -> dict[str, float]:
    """Return the stage times of a taihri_ros/HumanKeypoints, milliseconds by stage."""
    return dict(zip(message.stages, (1e3 * np.asarray(message.durations)).tolist(), strict=True))


def read_body_joints(message: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the joints of a taihri_ros/BodyJoints.

    Args:
        message: The message.

    Returns:
        (22, 3) metres in the frame of its header, and (22,) standard deviations, metres; NaN for joints that it does
        not have.
    """
    points, deviations_m = np.full((len(JOINTS), 3), np.nan), np.full(len(JOINTS), np.nan)
    joints = [INDEX[name] for name in message.names]
    points[joints] = np.reshape([_vector(pose.position) for pose in message.poses], (-1, 3))
    deviations_m[joints] = message.standard_deviations
    return points, deviations_m


def read_poses(message: Any) -> NDArray[np.float64]:
    """Return the positions of a geometry_msgs/PoseArray, (N, 3) metres in the frame of its header."""
    return np.reshape([_vector(pose.position) for pose in message.poses], (-1, 3))


def _vector(message: Any) -> NDArray[np.float64]:
    return np.array([message.x, message.y, message.z])
