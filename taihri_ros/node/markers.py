"""Builds RViz markers of results: joints, bones, names and confidence ellipsoids, and several people with their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.node import topics
from taihri_ros.node.colors import BONE, ELLIPSE, JOINT, Color, person_color
from taihri_ros.node.ellipsoids import Ellipsoid
from taihri_ros.node.messages import Messages, Placement
from taihri_ros.pipeline.estimate import PersonInFrame
from taihri_ros.pipeline.frames import Result
from taihri_ros.pipeline.people.person_track import TrackState
from taihri_ros.skeleton import BONES

_SPHERE, _SPHERE_LIST, _LINE_LIST, _TEXT_VIEW_FACING, _TRIANGLE_LIST = 2, 7, 5, 9, 11
_ADD, _DELETE = 0, 2
_SIZES = {"joints": 0.06, "bones": 0.02, "names": 0.05, "id": 0.12, "pelvis": 0.1}
"""Size of the markers by namespace, metres; ellipsoids have their own sizes."""

Rgba = tuple[float, float, float, float]
"""Red, green, blue and opacity, from 0 to 1, as std_msgs/ColorRGBA has them."""


def _rgba(color: Color, opacity: float = 1.0) -> Rgba:
    red, green, blue = (value / 255 for value in color)
    return red, green, blue, opacity


_WHITE = (255, 255, 255)
_COLORS = {
    "joints": _rgba(JOINT),
    "bones": _rgba(BONE),
    "names": _rgba(_WHITE),
    "ellipsoids": _rgba(ELLIPSE, 0.25),
    "body": _rgba(_WHITE),
}
"""Colour and opacity of the markers by namespace."""

_MIN_DIAMETER = 1e-3
"""Smallest diameter of an ellipsoid, metres: RViz warns about flat markers."""

_LABEL_OFFSET = np.array([0.0, -0.05, 0.0])
"""Offset of a name from its joint, metres."""

_ID_OFFSET = np.array([0.0, -0.2, 0.0])
"""Offset of an id from the pelvis, metres."""

_LOST_OPACITY = 0.3
"""Opacity of the markers of somebody who is not seen, whose place is predicted."""


def marker_array(messages: Messages, result: Result, placement: Placement, lifetime_s: float) -> Any:
    """Return visualization_msgs/MarkerArray of the located joints, with a 95 % confidence ellipsoid if it is known.

    Of several people, each has the pelvis and the id in the colour of the id, and all but the selected one also their
    joints and bones in it, in namespaces such as `kamul/joints`.

    Args:
        messages: The message builder.
        result: The result.
        placement: The frame of the markers.
        lifetime_s: Time after which RViz removes the markers, seconds.

    Returns:
        The message; without markers if no joint is located and nobody is tracked.
    """
    keypoints = result.estimate.person.located
    located = {keypoint.name: placement.position(keypoint) for keypoint in keypoints}
    header = messages.header(result, placement)
    markers = _skeleton(messages, header, lifetime_s, located)
    for index, (joint, position) in enumerate(located.items()):
        pose = messages.pose(position + _LABEL_OFFSET)
        label = _marker(messages, header, lifetime_s, "names", _TEXT_VIEW_FACING, index=index, text=joint, pose=pose)
        markers.append(label)
    for index, keypoint in enumerate(keypoints):
        ellipsoid = Ellipsoid.from_covariance(placement.covariance(keypoint))
        if ellipsoid is not None:
            pose = messages.pose(placement.position(keypoint), ellipsoid.quaternion)
            size = np.maximum(2.0 * ellipsoid.semi_axes, _MIN_DIAMETER)
            markers.append(
                _marker(messages, header, lifetime_s, "ellipsoids", _SPHERE, index=index, pose=pose, size=size)
            )
    for person in result.estimate.people:
        if person.track.state is not TrackState.ENDED:
            is_drawn = person.track.id == result.estimate.person_id
            markers += _person_markers(messages, header, lifetime_s, person, placement, with_joints=not is_drawn)
    return messages.make(topics.MARKERS.type, markers=markers)


def _skeleton(
    messages: Messages,
    header: Any,
    lifetime_s: float,
    located: Mapping[str, NDArray[np.float64]],
    prefix: str = "",
    color: Rgba | None = None,
) -> list[Any]:
    """Return the markers of joints, by name (3,) metres in the frame of the header, and of the bones between them."""
    bones = [located[end] for bone in BONES if bone[0] in located and bone[1] in located for end in bone]
    parts = (("joints", _SPHERE_LIST, list(located.values())), ("bones", _LINE_LIST, bones))
    return [
        _marker(
            messages,
            header,
            lifetime_s,
            f"{prefix}{name}",
            kind,
            points=_points(messages, places),
            size=np.full(3, _SIZES[name]),
            color=color or _COLORS[name],
        )
        for name, kind, places in parts
        if places
    ]


def _person_markers(
    messages: Messages,
    header: Any,
    lifetime_s: float,
    person: PersonInFrame,
    placement: Placement,
    *,
    with_joints: bool,
) -> list[Any]:
    """Return the markers of one of several people: the pelvis where they are tracked, the id above it, the joints."""
    track, prefix = person.track, f"{person.track.id}/"
    color = _rgba(person_color(track.id), _LOST_OPACITY if track.detection is None else 1.0)
    markers = []
    if not np.isnan(track.root).any():
        pelvis, above = (messages.pose(placement.points(at)) for at in (track.root, track.root + _ID_OFFSET))
        sizes = {name: np.full(3, _SIZES[name]) for name in ("pelvis", "id")}
        markers = [
            _marker(
                messages, header, lifetime_s, f"{prefix}pelvis", _SPHERE, pose=pelvis, size=sizes["pelvis"], color=color
            ),
            _marker(
                messages,
                header,
                lifetime_s,
                f"{prefix}id",
                _TEXT_VIEW_FACING,
                text=track.id,
                pose=above,
                size=sizes["id"],
                color=color,
            ),
        ]
    if with_joints and person.person is not None:
        located = {keypoint.name: placement.position(keypoint) for keypoint in person.person.located}
        markers += _skeleton(messages, header, lifetime_s, located, prefix, color)
    return markers


def triangle_marker(
    messages: Messages,
    header: Any,
    lifetime_s: float,
    vertices: NDArray[np.float64],
    triangles: NDArray[np.integer],
    colors: Sequence[Rgba],
) -> Any:
    """Return a visualization_msgs/Marker of a surface, or one that deletes it if there are no triangles.

    Args:
        messages: The message builder.
        header: The frame and stamp of the surface.
        lifetime_s: Time after which RViz removes the surface, seconds.
        vertices: (V, 3) metres.
        triangles: (T, 3) indices of vertices.
        colors: (V,) red, green, blue and opacity of each vertex, from 0 to 1.

    Returns:
        The message. Triangles that share a vertex share its objects, and a surface of one colour has no list of
        colours: building and serializing it takes half the time.
    """
    points = _points(messages, vertices)
    shades = {color: _color(messages, color) for color in set(colors)}
    corners = triangles.ravel().tolist()
    one_color = len(shades) == 1
    return _marker(
        messages,
        header,
        lifetime_s,
        "body",
        _TRIANGLE_LIST,
        action=_ADD if corners else _DELETE,
        size=np.ones(3),
        points=[points[corner] for corner in corners],
        color=colors[0] if one_color else None,
        colors=[] if one_color else [shades[colors[corner]] for corner in corners],
    )


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
    points: Sequence[Any] = (),
    color: Rgba | None = None,
    colors: Sequence[Any] = (),
    action: int = _ADD,
) -> Any:
    scale = np.full(3, _SIZES[namespace]) if size is None else size
    no_bytes = messages.sequence(np.empty(0, np.uint8))
    return messages.make(
        "visualization_msgs/msg/Marker",
        header=header,
        ns=namespace,
        id=index,
        type=kind,
        action=action,
        pose=messages.pose(np.zeros(3)) if pose is None else pose,
        scale=messages.vector("geometry_msgs/msg/Vector3", scale),
        color=_color(messages, color or _COLORS[namespace]),
        lifetime=messages.duration(lifetime_s),
        frame_locked=False,
        points=list(points),
        colors=list(colors),
        texture_resource="",
        texture=messages.make("sensor_msgs/msg/CompressedImage", header=header, format="", data=no_bytes),
        uv_coordinates=[],
        text=text,
        mesh_resource="",
        mesh_file=messages.make("visualization_msgs/msg/MeshFile", filename="", data=no_bytes),
        mesh_use_embedded_materials=False,
    )


def _points(messages: Messages, positions: ArrayLike) -> list[Any]:
    return [messages.make("geometry_msgs/msg/Point", x=x, y=y, z=z) for x, y, z in np.asarray(positions).tolist()]


def _color(messages: Messages, color: Rgba) -> Any:
    red, green, blue, opacity = color
    return messages.make("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=opacity)
