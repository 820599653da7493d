"""A ROS 2 node on DDS, without a ROS installation."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from taihri_ros.node.dds_host import discovery, names
from taihri_ros.node.dds_host.endpoints import Publisher, Subscription
from taihri_ros.node.dds_host.participant import Participant
from taihri_ros.node.dds_host.qos import DEFAULT, LATCHED, QoS
from taihri_ros.node.dds_host.types import RosTypes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any

    from taihri_ros.node.dds_host.endpoints import Endpoint

GRAPH_TOPIC = "ros_discovery_info"
"""DDS topic on which every participant lists its nodes and their endpoints."""

_EVERYBODY = QoS(depth=100, transient_local=True)
"""Quality of service for the lists of all participants."""

_GRAPH_INFO = "rmw_dds_common/msg/ParticipantEntitiesInfo"
_GRAPH_NODE = "rmw_dds_common/msg/NodeEntitiesInfo"
_GRAPH_GID = "rmw_dds_common/msg/Gid"


class DdsNode:
    """A node with publishers and subscriptions, visible to every other ROS 2 node of its domain.

    Use it as a context manager, or call `close`. Callbacks run one after the other in the node's own thread.

    Attributes:
        name: The node's name, after remapping.
        namespace: Its absolute namespace, after remapping.
        types: The message types.
        domain_id: The DDS domain.
    """

    def __init__(
        self,
        name: str,
        namespace: str = "/",
        *,
        distro: str = "jazzy",
        domain_id: int | None = None,
        types: RosTypes | None = None,
        remaps: Sequence[str] = (),
    ) -> None:
        """Join the ROS 2 graph.

        Args:
            name: Node name.
            namespace: Namespace of the node and of its relative names.
            distro: ROS 2 distribution of the robot; ignored when `types` is given.
            domain_id: DDS domain; None for the one in ROS_DOMAIN_ID.
            types: Message types; None for those of the distribution, without this package's own.
            remaps: Rules `[node:]from:=to`, `__node` and `__ns` among them.

        Raises:
            DdsError: A name, a rule, the distribution or an environment variable is not valid, or DDS cannot start.
        """
        self.name, self.namespace = names.node_identity(name, namespace, remaps)
        self.types = types or RosTypes(distro)
        self.domain_id = discovery.domain_id() if domain_id is None else domain_id
        self._remaps = tuple(remaps)
        self._lock = threading.RLock()
        self._endpoints: list[Endpoint] = []
        self._closed = False
        self._participant = Participant(self.domain_id, self.types)
        self._nodes: dict[bytes, list[tuple[str, str]]] = {}
        self._graph = Publisher(self._participant, _GRAPH_INFO, GRAPH_TOPIC, LATCHED)
        self._graph_reader = Subscription(self._participant, _GRAPH_INFO, GRAPH_TOPIC, self._on_graph, _EVERYBODY)
        self._announce()

    @property
    def namesakes(self) -> int:
        """Number of nodes of this node's name in the graph, itself included.

        A process that was killed is counted until its lease ends, after 10 s.
        """
        present = self._graph_reader.publishing_participants
        with self._lock:
            self._nodes = {gid: nodes for gid, nodes in self._nodes.items() if gid in present}
            return 1 + sum(nodes.count((self.namespace, self.name)) for nodes in self._nodes.values())

    def resolve(self, name: str) -> str:
        """Return the absolute name of a topic, by the rules of ROS 2.

        Args:
            name: Absolute, relative or private name.

        Returns:
            The absolute name, remapped.

        Raises:
            DdsError: The name is not valid.
        """
        return names.resolve(name, self.name, self.namespace, self._remaps)

    def publisher(self, msg_type: str, topic: str, qos: QoS = DEFAULT) -> Publisher:
        """Create a publisher.

        Args:
            msg_type: Full name of the message type, such as `sensor_msgs/msg/Image`.
            topic: Absolute, relative or private name.
            qos: Quality of service.

        Returns:
            The publisher.

        Raises:
            DdsError: The type is unknown, the name is not valid, or DDS fails.
        """
        self.types.check(msg_type)
        name = self.resolve(topic)
        with self._lock:
            publisher = Publisher(self._participant, msg_type, name, qos, self._forget)
            self._endpoints.append(publisher)
            self._announce()
        return publisher

    def subscribe(
        self,
        msg_type: str,
        topic: str,
        callback: Callable[[Any], object],
        qos: QoS = DEFAULT,
        *,
        warn_incompatible: bool = True,
    ) -> Subscription:
        """Create a subscription.

        Args:
            msg_type: Full name of the message type.
            topic: Absolute, relative or private name.
            callback: Called in the node's thread with every message; its exceptions are logged.
            qos: Quality of service. With a depth of one, only the newest message is delivered.
            warn_incompatible: Log a publisher whose QoS is incompatible.

        Returns:
            The subscription, which lasts until it is destroyed.

        Raises:
            DdsError: The type is unknown, the name is not valid, or DDS fails.
        """
        self.types.check(msg_type)
        name = self.resolve(topic)
        with self._lock:
            subscription = Subscription(
                self._participant, msg_type, name, callback, qos, self._forget, warn_incompatible=warn_incompatible
            )
            self._endpoints.append(subscription)
            self._announce()
        return subscription

    def close(self) -> None:
        """Leave the graph: destroy every endpoint and stop the thread. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for endpoint in tuple(self._endpoints):
            endpoint.destroy()
        self._graph_reader.destroy()
        self._graph.destroy()
        self._participant.close()

    def __enter__(self) -> DdsNode:
        """Return the node itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the node."""
        self.close()

    def _forget(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._endpoints.remove(endpoint)
            if not self._closed:
                self._announce()

    def _on_graph(self, message: Any) -> None:
        """Note the nodes of another participant."""
        gid = bytes(message.gid.data)[: len(self._participant.gid)]
        with self._lock:
            if gid != self._participant.gid:
                self._nodes[gid] = [(node.node_namespace, node.node_name) for node in message.node_entities_info_seq]

    def _announce(self) -> None:
        """Publish which endpoints belong to the node, for `ros2 node list`, `ros2 node info` and `ros2 topic info`."""
        node = self.types.message(_GRAPH_NODE)(
            node_namespace=self.namespace,
            node_name=self.name,
            reader_gid_seq=[self._gid(each.gid) for each in self._endpoints if isinstance(each, Subscription)],
            writer_gid_seq=[self._gid(each.gid) for each in self._endpoints if isinstance(each, Publisher)],
        )
        gid = self._gid(self._participant.gid)
        self._graph.publish(self.types.message(_GRAPH_INFO)(gid=gid, node_entities_info_seq=[node]))

    def _gid(self, gid: bytes) -> Any:
        padded = gid.ljust(self.types.gid_size, b"\0")
        return self.types.message(_GRAPH_GID)(data=np.frombuffer(padded, np.uint8))
