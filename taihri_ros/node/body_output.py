"""Fits a body to the joints of each result, and builds the messages with its joints, orientations and surface."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.distance import nearest_to_segment
from taihri_ros.body.kinematics import quaternions
from taihri_ros.body.recovery import Body, BodyRecovery
from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Person
from taihri_ros.node import topics
from taihri_ros.node.markers import triangle_marker
from taihri_ros.node.messages import Messages, Placement, tf_frame
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.frames import Result
from taihri_ros.skeleton import INDEX, JOINTS

if TYPE_CHECKING:
    from taihri_ros.node.application import Outputs

Array = NDArray[np.float64]

_SHOWN = (0.95, 0.75, 0.6, 0.9)
_NOT_SHOWN = (0.6, 0.6, 0.6, 0.25)
"""Colour and opacity of the surface of limbs with keypoints, and of the others."""

_MAX_AGE_S = 0.5
"""Largest age of the image of a distance unless the request sets another, seconds."""


def fit_body(recovery: BodyRecovery, person: Person, stamp_ns: int) -> Body | None:
    """Fit the body of a person.

    Args:
        recovery: Keeps the pose and shape of the frames before.
        person: The person, with as many joints of the skeleton as possible.
        stamp_ns: Time stamp of the image, nanoseconds.

    Returns:
        The body, in the camera's optical frame; None if too few joints are located.
    """
    return recovery.update(*keypoint_arrays(person), stamp_ns=stamp_ns)


def keypoint_arrays(person: Person) -> tuple[Array, Array]:
    """Return the joints of a person (22, 3), metres, NaN where missing, and their covariances (22, 3, 3), m²."""
    points, covariances = np.full((len(JOINTS), 3), np.nan), np.full((len(JOINTS), 3, 3), np.nan)
    for keypoint in person.located:
        points[INDEX[keypoint.name]] = keypoint.position
        covariances[INDEX[keypoint.name]] = keypoint.covariance
    return points, covariances


class BodyUnavailableError(TaihriError):
    """There is no body to answer a question about."""


class BodyOutput:
    """The outputs of the node about the body of the person.

    `prepare` must be called in the order of the frames; `distance` may be called from any thread.
    """

    def __init__(self, messages: Messages, outputs: Outputs, parameters: Parameters) -> None:
        """Start without a person.

        Args:
            messages: Builds the messages.
            outputs: Sends the messages.
            parameters: `publish_tf`, `tf_prefix` and `marker_lifetime_s` are used.
        """
        self._messages, self._outputs, self._parameters = messages, outputs, parameters
        self._recovery, self._person_id = BodyRecovery(), ""
        self._last: tuple[Result, Placement, Body | None] | None = None

    @property
    def body(self) -> Body | None:
        """The body of the last result; None if none could be fitted."""
        return None if self._last is None else self._last[2]

    def prepare(self, result: Result, placement: Placement) -> list[Callable[[], None]]:
        """Fit the body of a result and build its messages.

        Args:
            result: The result; without all joints (`Estimate.whole`) no body is fitted.
            placement: The frame of the published poses.

        Returns:
            The functions that send the messages.
        """
        if result.estimate.person_id != self._person_id:
            self._person_id = result.estimate.person_id
            self._recovery.reset()
        whole = result.estimate.whole
        body = None if whole is None else fit_body(self._recovery, whole, result.frame.stamp_ns)
        self._last = (result, placement, body)
        joints = body_joints(self._messages, result, placement, body)
        sends: list[Callable[[], None]] = [partial(self._outputs.publish, topics.BODY_JOINTS, joints)]
        if self._outputs.subscribers(topics.BODY):
            lifetime_s = self._parameters.marker_lifetime_s
            marker = body_marker(self._messages, result, placement, body, lifetime_s)
            sends.append(partial(self._outputs.publish, topics.BODY, marker))
        if self._parameters.publish_tf and body is not None and tf_frame(result.frame.frame_id):
            prefix = f"{self._parameters.tf_prefix}body/"
            sends.append(partial(self._outputs.broadcast, body_transforms(self._messages, result, body, prefix)))
        return sends

    def distance(self, request: Any, now_ns: int) -> dict[str, Any]:
        """Return the distance of the body of the last result from a segment.

        Args:
            request: Request of taihri_ros/Distance.
            now_ns: Current time on the clock of the image stamps, nanoseconds.

        Returns:
            The fields of the response, without `success` and `message`.

        Raises:
            BodyUnavailableError: No body was fitted to the last image, or it is too old.
            BodyError: A point is not finite.
            TaihriError: The points are in another frame than that of the published poses.
        """
        result, placement, body = self._last or (None, None, None)
        if result is None or placement is None or body is None:
            raise BodyUnavailableError("no body: there is no person in the last image, or too little of them was found")
        age_s, longest_s = (now_ns - result.frame.stamp_ns) / 1e9, request.max_age or _MAX_AGE_S
        if age_s > longest_s:
            raise BodyUnavailableError(f"the last image is {age_s:.1f} s old, more than {longest_s:g} s")
        if tf_frame(request.frame_id) not in ("", tf_frame(placement.frame_id)):
            raise TaihriError(
                f"the points are in {request.frame_id!r}, but this node answers in {placement.frame_id!r}: transform "
                "them, or set target_frame"
            )
        ends = np.array([[point.x, point.y, point.z] for point in (request.start, request.end)])
        nearest = nearest_to_segment(body, *placement.points_to_camera(ends))
        on_body, on_segment = placement.points(np.array([nearest.on_body, nearest.on_query]))
        return {
            "header": self._messages.header(result, placement),
            "distance": nearest.distance_m,
            "standard_deviation": nearest.doubt_m,
            "on_body": self._messages.vector("geometry_msgs/msg/Point", on_body),
            "on_segment": self._messages.vector("geometry_msgs/msg/Point", on_segment),
            "joint": nearest.joint,
            "supported": nearest.supported,
        }


def body_joints(messages: Messages, result: Result, placement: Placement, body: Body | None) -> Any:
    """Return taihri_ros/BodyJoints of the joints that are supported by keypoints; of none without a body."""
    joints = [] if body is None else np.flatnonzero(body.supported).tolist()
    return messages.make(
        topics.BODY_JOINTS.type,
        header=messages.header(result, placement),
        names=[JOINTS[joint] for joint in joints],
        poses=[] if body is None else _poses(messages, placement, body, joints),
        standard_deviations=messages.sequence(np.empty(0) if body is None else body.doubts_m[joints]),
    )


def body_transforms(messages: Messages, result: Result, body: Body, prefix: str) -> list[Any]:
    """Return geometry_msgs/TransformStamped from the camera's optical frame to each joint that keypoints support."""
    camera = Placement(tf_frame(result.frame.frame_id))
    header, joints = messages.header(result, camera), np.flatnonzero(body.supported).tolist()
    return [
        messages.transform(header, f"{prefix}{JOINTS[joint]}", body.joints[joint], body.quaternions[joint])
        for joint in joints
    ]


def body_marker(messages: Messages, result: Result, placement: Placement, body: Body | None, lifetime_s: float) -> Any:
    """Return a visualization_msgs/Marker of the coarse surface, which deletes the one before where there is no body.

    Limbs of which no keypoint was found are grey and nearly transparent.
    """
    header = messages.header(result, placement)
    if body is None:
        return triangle_marker(messages, header, lifetime_s, np.empty((0, 3)), np.empty((0, 3), int), [])
    used, corners = np.unique(body.surface.template.display_triangles, return_inverse=True)
    colours = [_SHOWN if shown else _NOT_SHOWN for shown in body.supported_vertices[used].tolist()]
    vertices = placement.points(body.vertices[used].astype(np.float64))
    return triangle_marker(messages, header, lifetime_s, vertices, corners.reshape(-1, 3), colours)


def _poses(messages: Messages, placement: Placement, body: Body, joints: list[int]) -> list[Any]:
    positions, orientations = placement.points(body.joints), quaternions(placement.rotations(body.rotations))
    return [messages.pose(positions[joint], orientations[joint]) for joint in joints]
