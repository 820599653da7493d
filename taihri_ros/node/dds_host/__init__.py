"""ROS 2 on the wire without a ROS installation: a participant on Cyclone DDS, with rosbags' types and CDR.

    with DdsNode("taihri", types=RosTypes("jazzy", interfaces)) as node:
        keypoints = node.publisher("geometry_msgs/msg/PoseArray", "~/keypoints")
        node.subscribe("sensor_msgs/msg/Image", "image", on_image, SENSOR_DATA)

Other nodes see it as `/taihri`, with its topics, types and type hashes. The layers, from the bottom:

- `types`: message definitions, CDR and type hashes; `names`, `qos`: the rules of ROS 2 for both;
- `discovery`, `domain`: the ROS_* variables, and a domain that follows them;
- `idl`, `dispatcher`, `endpoint`, `reader`, `writer`, `participant`: CDR bytes in and out, per topic, by Cyclone DDS;
- `graph`, `publisher`, `subscription`, `node`: messages, and a node that others see.
"""

from __future__ import annotations

from taihri_ros.node.dds_host.errors import DdsError

try:
    import cyclonedds  # noqa: F401
    import rosbags  # noqa: F401
except ImportError as error:
    raise DdsError(
        f"{error.name} is not installed: pip install 'taihri_ros[embedded]' "
        "(on Linux aarch64, for which cyclonedds has no wheel, run the node under ROS: ros2 launch taihri_ros)"
    ) from error

from taihri_ros.node.dds_host.dds_node import DdsNode
from taihri_ros.node.dds_host.discovery import domain_id, receive_buffer_warning
from taihri_ros.node.dds_host.names import Remap, node_identity, resolve
from taihri_ros.node.dds_host.publisher import Publisher
from taihri_ros.node.dds_host.qos import DEFAULT, LATCHED, SENSOR_DATA, TF, QoS
from taihri_ros.node.dds_host.subscription import Subscription
from taihri_ros.node.dds_host.types import DISTROS, RosTypes

__all__ = [
    "DEFAULT",
    "DISTROS",
    "LATCHED",
    "SENSOR_DATA",
    "TF",
    "DdsError",
    "DdsNode",
    "Publisher",
    "QoS",
    "Remap",
    "RosTypes",
    "Subscription",
    "domain_id",
    "node_identity",
    "receive_buffer_warning",
    "resolve",
]
