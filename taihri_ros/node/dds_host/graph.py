"""The ROS graph: every participant tells which nodes it holds, and which endpoints belong to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from taihri_ros.node.dds_host.qos import QoS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from taihri_ros.node.dds_host.participant import Participant
    from taihri_ros.node.dds_host.types import RosTypes

TOPIC = "ros_discovery_info"
INFO = "rmw_dds_common/msg/ParticipantEntitiesInfo"
NODE_INFO = "rmw_dds_common/msg/NodeEntitiesInfo"
GID = "rmw_dds_common/msg/Gid"


class Graph:
    """Makes one node visible to `ros2 node list`, `ros2 node info` and `ros2 topic info`."""

    def __init__(self, participant: Participant, types: RosTypes, node_name: str, namespace: str) -> None:
        """Offer the topic on which participants describe themselves.

        Args:
            participant: The participant that holds the node.
            types: Types of the robot's distribution, which decide the form of the description.
            node_name: The node's name.
            namespace: The node's absolute namespace.
        """
        self._types = types
        self._participant = participant
        self._node_name = node_name
        self._namespace = namespace
        self._writer = participant.writer(TOPIC, INFO, QoS(depth=1, transient_local=True))

    def announce(self, readers: Iterable[bytes], writers: Iterable[bytes]) -> None:
        """Tell which endpoints the node has now.

        Args:
            readers: Gids of its readers.
            writers: Gids of its writers.

        Raises:
            DdsError: DDS fails.
        """
        node = self._types.message(NODE_INFO)(
            node_namespace=self._namespace,
            node_name=self._node_name,
            reader_gid_seq=[self._gid(gid) for gid in readers],
            writer_gid_seq=[self._gid(gid) for gid in writers],
        )
        info = self._types.message(INFO)(gid=self._gid(self._participant.gid), node_entities_info_seq=[node])
        self._writer.write(self._types.serialize(info, INFO))

    def close(self) -> None:
        """Withdraw the description."""
        self._writer.close()

    def _gid(self, gid: bytes) -> Any:
        padded = gid.ljust(self._types.gid_size, b"\0")
        return self._types.message(GID)(data=np.frombuffer(padded, np.uint8))
