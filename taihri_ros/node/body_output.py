"""Builds the messages about the body of the person: its joints, orientations, surface and distances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from taihri_ros.body.distance import nearest_to_segment
from taihri_ros.body.kinematics import quaternions
from taihri_ros.body.recovery import Body
from taihri_ros.errors import TaihriError
from taihri_ros.node import topics
from taihri_ros.node.body_fits import Bodies
from taihri_ros.node.markers import triangle_marker
from taihri_ros.node.messages import Messages, Placement, person_prefix, tf_frame
from taihri_ros.node.outputs import Outputs
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.frames import Result
from taihri_ros.skeleton import JOINTS

_SHOWN = (0.95, 0.75, 0.6, 0.9)
_NOT_SHOWN = (0.6, 0.6, 0.6, 0.25)
"""Colour and opacity of the surface of limbs with keypoints, and of the others."""

_MAX_AGE_S = 0.5
"""Largest age of the image of a distance unless the request sets another, seconds."""


class BodyUnavailableError(TaihriError):
    """There is no body to answer a question about."""


class BodyOutput:
    """The outputs of the node about the body of the person.

    `distance` is about the body of the last `prepare`, and may be called from any thread.
    """

    def __init__(self, messages: Messages, outputs: Outputs, parameters: Parameters) -> None:
        """Start without a person.

        Args:
            messages: Builds the messages.
            outputs: Sends the messages.
            parameters: `publish_tf`, `tf_prefix` and `marker_lifetime_s` are used.
        """
        self._messages, self._outputs, self._parameters = messages, outputs, parameters
        self._last: tuple[Result, Placement, Body | None] | None = None

    def apply(self, parameters: Parameters) -> None:
        """Use new values of the parameters for the next results."""
        self._parameters = parameters

    def prepare(self, result: Result, placement: Placement, bodies: Bodies) -> list[Callable[[], None]]:
        """Build the messages about the bodies of a result.

        Args:
            result: The result.
            placement: The frame of the published poses.
            bodies: The bodies that were fitted to it.

        Returns:
            The functions that send the messages.
        """
        body = bodies.selected
        self._last = (result, placement, body)
        joints = body_joints(self._messages, result, placement, body)
        sends: list[Callable[[], None]] = [partial(self._outputs.publish, topics.BODY_JOINTS, joints)]
        if self._outputs.subscribers(topics.BODY):
            lifetime_s = self._parameters.marker_lifetime_s
            marker = body_marker(self._messages, result, placement, body, lifetime_s)
            sends.append(partial(self._outputs.publish, topics.BODY, marker))
        if self._parameters.publish_tf and tf_frame(result.frame.frame_id):
            prefix = self._parameters.tf_prefix
            shown = {} if body is None else {prefix: body}
            shown |= {person_prefix(prefix, name): each for name, each in bodies.by_id.items()}
            transforms = [
                transform
                for start, each in shown.items()
                for transform in body_transforms(self._messages, result, each, f"{start}body/")
            ]
            sends += [partial(self._outputs.broadcast, transforms)] if transforms else []
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
    colors = [_SHOWN if shown else _NOT_SHOWN for shown in body.supported_vertices[used].tolist()]
    vertices = placement.points(body.vertices[used].astype(np.float64))
    return triangle_marker(messages, header, lifetime_s, vertices, corners.reshape(-1, 3), colors)


def _poses(messages: Messages, placement: Placement, body: Body, joints: list[int]) -> list[Any]:
    positions, orientations = placement.points(body.joints), quaternions(placement.rotations(body.rotations))
    return [messages.pose(positions[joint], orientations[joint]) for joint in joints]
