"""A ROS 2 node on DDS, without a ROS installation."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from taihri_ros.node.dds_host import discovery, names
from taihri_ros.node.dds_host.graph import Graph
from taihri_ros.node.dds_host.participant import Participant
from taihri_ros.node.dds_host.publisher import Publisher
from taihri_ros.node.dds_host.qos import DEFAULT, QoS
from taihri_ros.node.dds_host.subscription import Subscription
from taihri_ros.node.dds_host.types import RosTypes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any


class DdsNode:
    """A node with publishers and subscriptions, visible to every other node of its domain.

    Use it as a context manager, or call `close`. Callbacks run one after the other in a thread of the node's own.

    Attributes:
        name: The node's name, after remapping.
        namespace: Its absolute namespace, after remapping.
        types: The message types that it speaks.
        domain_id: The DDS domain that it is in.
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
            distro: ROS 2 distribution of the robot; not looked at where `types` are given.
            domain_id: DDS domain; None for the one that ROS_DOMAIN_ID names.
            types: Message types; None for those of the distribution, without our own.
            remaps: Rules `[node:]from:=to`, `__node` and `__ns` among them.

        Raises:
            DdsError: A name, a rule, the distribution or an environment variable is not valid, or DDS cannot start.
        """
        self.name, self.namespace = names.node_identity(name, namespace, remaps)
        self.types = types or RosTypes(distro)
        self.domain_id = discovery.domain_id() if domain_id is None else domain_id
        self._remaps = tuple(remaps)
        self._lock = threading.RLock()
        self._publishers: list[Publisher] = []
        self._subscriptions: list[Subscription] = []
        self._closed = False
        self._participant = Participant(self.domain_id, self.types)
        self._graph = Graph(self._participant, self.types, self.name, self.namespace)
        self._announce()

    def resolve(self, name: str) -> str:
        """The absolute name of a topic, by the rules of ROS 2.

        Args:
            name: Absolute, relative or private name.

        Returns:
            The absolute name, remapped.

        Raises:
            DdsError: The name is not valid.
        """
        return names.resolve(name, self.name, self.namespace, self._remaps)

    def publisher(self, msg_type: str, topic: str, qos: QoS = DEFAULT) -> Publisher:
        """Publish on a topic.

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
            publisher = Publisher(self._participant, self.types, name, msg_type, qos, self._forget)
            self._publishers.append(publisher)
            self._announce()
        return publisher

    def subscribe(
        self, msg_type: str, topic: str, callback: Callable[[Any], object], qos: QoS = DEFAULT
    ) -> Subscription:
        """Subscribe to a topic.

        Args:
            msg_type: Full name of the message type.
            topic: Absolute, relative or private name.
            callback: Called in the node's thread with every message; what it raises is logged.
            qos: Quality of service. With a depth of one, only the newest message is delivered.

        Returns:
            The subscription, which lasts until it is destroyed.

        Raises:
            DdsError: The type is unknown, the name is not valid, or DDS fails.
        """
        self.types.check(msg_type)
        name = self.resolve(topic)
        with self._lock:
            subscription = Subscription(self._participant, self.types, name, msg_type, qos, callback, self._forget)
            self._subscriptions.append(subscription)
            self._announce()
        return subscription

    def close(self) -> None:
        """Leave the graph: destroy every endpoint and stop the thread. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.destroy()
        for publisher in tuple(self._publishers):
            publisher.destroy()
        self._graph.close()
        self._participant.close()

    def __enter__(self) -> DdsNode:
        """Return the node itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the node."""
        self.close()

    def _forget(self, endpoint: Publisher | Subscription) -> None:
        with self._lock:
            if isinstance(endpoint, Publisher):
                self._publishers.remove(endpoint)
            else:
                self._subscriptions.remove(endpoint)
            if not self._closed:
                self._announce()

    def _announce(self) -> None:
        readers = [subscription.gid for subscription in self._subscriptions]
        self._graph.announce(readers, [publisher.gid for publisher in self._publishers])
