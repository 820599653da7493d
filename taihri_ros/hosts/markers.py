"""Results to RViz markers: joints, bones and names, which vanish after their lifetime."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.frames import Result
from taihri_ros.hosts import topics
from taihri_ros.hosts.messages import Messages, Placement
from taihri_ros.skeleton import BONES

_SPHERE_LIST, _LINE_LIST, _TEXT_VIEW_FACING = 7, 5, 9
_STYLES = {"joints": (0.06, (1.0, 0.45, 0.1)), "bones": (0.02, (0.2, 0.6, 1.0)), "names": (0.05, (1.0, 1.0, 1.0))}
"""Size in metres and colour of each namespace of markers."""

_ABOVE = np.array([0.0, -0.05, 0.0])


def marker_array(messages: Messages, result: Result, placement: Placement, lifetime_s: float) -> Any:
    """Build visualization_msgs/MarkerArray for the located joints.

    Args:
        messages: The builder.
        result: The result.
        placement: The frame of the markers.
        lifetime_s: After this many seconds RViz hides them.

    Returns:
        The message; without markers when nothing is located.
    """
    located = {keypoint.name: placement.position(keypoint) for keypoint in result.estimate.person.located}
    bones = [located[end] for bone in BONES if bone[0] in located and bone[1] in located for end in bone]
    header = messages.header(result, placement)
    markers = []
    if located:
        joints = list(located.values())
        markers.append(_marker(messages, header, lifetime_s, "joints", _SPHERE_LIST, points=joints))
    if bones:
        markers.append(_marker(messages, header, lifetime_s, "bones", _LINE_LIST, points=bones))
    for index, (joint, position) in enumerate(located.items()):
        label = _marker(
            messages, header, lifetime_s, "names", _TEXT_VIEW_FACING, index=index, text=joint, at=position + _ABOVE
        )
        markers.append(label)
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
    at: NDArray[np.float64] | None = None,
    points: list[NDArray[np.float64]] | None = None,
) -> Any:
    size, (red, green, blue) = _STYLES[namespace]
    no_bytes = messages.sequence(np.empty(0, np.uint8))
    return messages.make(
        "visualization_msgs/msg/Marker",
        header=header,
        ns=namespace,
        id=index,
        type=kind,
        action=0,
        pose=messages.pose(np.zeros(3) if at is None else at),
        scale=messages.vector("geometry_msgs/msg/Vector3", np.full(3, size)),
        color=messages.make("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=1.0),
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
