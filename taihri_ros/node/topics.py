"""The name and the topics of the node for both hosts, with their types and quality of service."""

from __future__ import annotations

from dataclasses import dataclass

NODE_NAME = "taihri"
"""Name of the node unless it is remapped; private topics (`~/`) begin with it."""


@dataclass(frozen=True)
class Topic:
    """A topic of the node.

    Attributes:
        name: Relative, private (`~/`) or absolute ROS name.
        type: Full name of the message type.
        reliable: RELIABLE if true, else BEST_EFFORT.
        depth: Depth of the history (queue size).
        latched: A late subscriber receives the history (TRANSIENT_LOCAL), or not (VOLATILE).
    """

    name: str
    type: str
    reliable: bool = True
    depth: int = 10
    latched: bool = False


IMAGE = Topic("image", "sensor_msgs/msg/Image", reliable=False, depth=1)
COMPRESSED_IMAGE = Topic("image/compressed", "sensor_msgs/msg/CompressedImage", reliable=False, depth=1)
DEPTH = Topic("depth", "sensor_msgs/msg/Image", reliable=False, depth=1)
COMPRESSED_DEPTH = Topic("depth/compressedDepth", "sensor_msgs/msg/CompressedImage", reliable=False, depth=1)
DETECTIONS = Topic("detections", "vision_msgs/msg/Detection2DArray", reliable=False, depth=5)
CAMERA_INFO = Topic("camera_info", "sensor_msgs/msg/CameraInfo", reliable=False)
LATCHED_CAMERA_INFO = Topic("camera_info", "sensor_msgs/msg/CameraInfo", latched=True)
"""Second subscription to `camera_info`, for a publisher that keeps it for late subscribers: only a latched subscription
receives what was published before it, but it matches no other publishers."""
COMMAND = Topic("~/command", "std_msgs/msg/String")

KEYPOINTS = Topic("~/keypoints", "geometry_msgs/msg/PoseArray")
PERSON = Topic("~/person", "taihri_ros/msg/HumanKeypoints")
PEOPLE = Topic("~/people", "taihri_ros/msg/People")
MARKERS = Topic("~/markers", "visualization_msgs/msg/MarkerArray")
ACTIVE_COMMAND = Topic("~/active_command", "taihri_ros/msg/ActiveCommand", depth=1, latched=True)
BODY = Topic("~/body", "visualization_msgs/msg/Marker", depth=1)
BODY_JOINTS = Topic("~/body_joints", "taihri_ros/msg/BodyJoints")
OVERLAY = Topic("~/overlay/compressed", "sensor_msgs/msg/CompressedImage", depth=1)
TRANSFORMS = Topic("/tf", "tf2_msgs/msg/TFMessage", depth=100)
DIAGNOSTICS = Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray")

OUTPUTS = (KEYPOINTS, PERSON, PEOPLE, MARKERS, ACTIVE_COMMAND, BODY, BODY_JOINTS, OVERLAY, TRANSFORMS, DIAGNOSTICS)


def image_input(transport: str) -> Topic:
    """Return the topic of the images.

    Args:
        transport: Value of the parameter image_transport, raw or compressed.

    Returns:
        The topic.
    """
    return COMPRESSED_IMAGE if transport == "compressed" else IMAGE


def depth_input(transport: str) -> Topic:
    """Return the topic of depth images.

    Args:
        transport: Value of the parameter depth.transport, raw or compressedDepth.

    Returns:
        The topic.
    """
    return COMPRESSED_DEPTH if transport == "compressedDepth" else DEPTH
