"""The embedded host: a ROS 2 node on Cyclone DDS without a ROS installation. rosbags provides the types and CDR.

    with DdsNode("taihri", types=RosTypes("jazzy", interfaces)) as node:
        keypoints = node.publisher("geometry_msgs/msg/PoseArray", "~/keypoints")
        node.subscribe("sensor_msgs/msg/Image", "image", on_image, SENSOR_DATA)

Other nodes see it as `/taihri`, with its topics, types and type hashes. The layers, from the bottom:

- `names`, `qos`, `types`: ROS 2's rules for names and quality of service; message definitions, CDR and type hashes,
  with `hri_msgs` and `vision_msgs` for those that rosbags lacks; `errors`: the error of all;
- `discovery`, `domain`, `cyclone_log`: the ROS_* variables as Cyclone DDS configuration, the domains configured by it,
  and what Cyclone DDS says of it;
- `idl`, `dispatcher`, `participant`: the DDS participant, its topics with their type information, and its thread;
- `endpoints`: `Publisher` sends messages, and `Subscription` calls a callback with each received message;
- `dds_node`: the node, its names, and its entry in the ROS graph;
- `embedded_host`: the node /taihri.

Only CDR bytes pass between messages and the transport, in `Publisher.publish_cdr` and `Subscription._on_cdr`. Another
transport, such as Zenoh, would replace `participant`, the modules it uses, and the DDS calls in `endpoints`.
"""

from __future__ import annotations

from taihri_ros.errors import install_extra
from taihri_ros.node.dds_host.errors import DdsError

try:
    import cyclonedds  # noqa: F401
    import rosbags  # noqa: F401
except ImportError as error:
    raise DdsError(
        f"{error.name} is not installed: {install_extra('embedded')} "
        "(on Linux aarch64, for which cyclonedds has no wheel, run the node under ROS: ros2 launch taihri_ros)"
    ) from error

from taihri_ros.node.dds_host.dds_node import DdsNode
from taihri_ros.node.dds_host.discovery import domain_id, receive_buffer_warning
from taihri_ros.node.dds_host.endpoints import Publisher, Subscription
from taihri_ros.node.dds_host.names import Remap, node_identity, resolve
from taihri_ros.node.dds_host.qos import DEFAULT, LATCHED, SENSOR_DATA, TF, QoS
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
