"""Builds RViz markers of results: joints, bones, names and confidence ellipsoids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.node import topics
from taihri_ros.node.ellipsoids import Ellipsoid
from taihri_ros.node.messages import Messages, Placement
from taihri_ros.pipeline.frames import Result
from taihri_ros.skeleton import BONES

_SPHERE, _SPHERE_LIST, _LINE_LIST, _TEXT_VIEW_FACING = 2, 7, 5, 9
_SIZES = {"joints": 0.06, "bones": 0.02, "names": 0.05}
"""Size of the markers by namespace, metres; ellipsoids have their own sizes."""

_COLOURS = {
    "joints": (1.0, 0.45, 0.1, 1.0),
    "bones": (0.2, 0.6, 1.0, 1.0),
    "names": (1.0, 1.0, 1.0, 1.0),
    "ellipsoids": (1.0, 0.35, 0.9, 0.25),
}
"""Colour and opacity of the markers by namespace."""

_MIN_DIAMETER = 1e-3
"""Smallest diameter of an ellipsoid, metres: RViz warns about flat markers."""

_LABEL_OFFSET = np.array([0.0, -0.05, 0.0])
"""Offset of a name from its joint, metres."""


def marker_array(messages: Messages, result: Result, placement: Placement, lifetime_s: float) -> Any:
    """Return visualization_msgs/MarkerArray of the located joints, with a 95 % confidence ellipsoid if it is known.

    Args:
        messages: The message builder.
        result: The result.
        placement: The frame of the markers.
        lifetime_s: Time after which RViz removes the markers, seconds.

    Returns:
        The message; without markers if no joint is located.
    """
    keypoints = result.estimate.person.located
    located = {keypoint.name: placement.position(keypoint) for keypoint in keypoints}
    bones = [located[end] for bone in BONES if bone[0] in located and bone[1] in located for end in bone]
    header = messages.header(result, placement)
    markers = []
    if located:
        joints = list(located.values())
        markers.append(_marker(messages, header, lifetime_s, "joints", _SPHERE_LIST, points=joints))
    if bones:
        markers.append(_marker(messages, header, lifetime_s, "bones", _LINE_LIST, points=bones))
    for index, (joint, position) in enumerate(located.items()):
        pose = messages.pose(position + _LABEL_OFFSET)
        label = _marker(messages, header, lifetime_s, "names", _TEXT_VIEW_FACING, index=index, text=joint, pose=pose)
        markers.append(label)
    for index, keypoint in enumerate(keypoints):
        ellipsoid = Ellipsoid.from_covariance(placement.covariance(keypoint))
        if ellipsoid is not None:
            pose = _pose(messages, placement.position(keypoint), ellipsoid.quaternion)
            size = np.maximum(2.0 * ellipsoid.semi_axes, _MIN_DIAMETER)
            markers.append(
                _marker(messages, header, lifetime_s, "ellipsoids", _SPHERE, index=index, pose=pose, size=size)
            )
    return messages.make(topics.MARKERS.type, markers=markers)


def _marker(
    messages: Messages,
    header: Any,
    lifetime_s: float,
    namespace: str,
    kind: int,
    *,
    index: int = 0,
    text: str = "",
    pose: Any = None,
    size: NDArray[np.float64] | None = None,
    points: list[NDArray[np.float64]] | None = None,
) -> Any:
    red, green, blue, opacity = _COLOURS[namespace]
    scale = np.full(3, _SIZES[namespace]) if size is None else size
    no_bytes = messages.sequence(np.empty(0, np.uint8))
    return messages.make(
        "visualization_msgs/msg/Marker",
        header=header,
        ns=namespace,
        id=index,
        type=kind,
        action=0,
        pose=messages.pose(np.zeros(3)) if pose is None else pose,
        scale=messages.vector("geometry_msgs/msg/Vector3", scale),
        color=messages.make("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=opacity),
        lifetime=messages.duration(lifetime_s),
        frame_locked=False,
        points=[messages.vector("geometry_msgs/msg/Point", point) for point in points or []],
        colors=[],
        texture_resource="",
        texture=messages.make("sensor_msgs/msg/CompressedImage", header=header, format="", data=no_bytes),
        uv_coordinates=[],
        text=text,
        mesh_resource="",
        mesh_file=messages.make("visualization_msgs/msg/MeshFile", filename="", data=no_bytes),
        mesh_use_embedded_materials=False,
    )


def _pose(messages: Messages, position: NDArray[np.float64], quaternion: NDArray[np.float64]) -> Any:
    """Return geometry_msgs/Pose from a position (3,) and a quaternion (4,) x, y, z, w."""
    x, y, z, w = map(float, quaternion)
    return messages.make(
        "geometry_msgs/msg/Pose",
        position=messages.vector("geometry_msgs/msg/Point", position),
        orientation=messages.make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
    )
