"""The DDS participant of a node, with its domain, its topics and its thread."""

from __future__ import annotations

import os
from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING

from cyclonedds.core import DDSException, Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.topic import Topic

from taihri_ros.node.dds_host import domain
from taihri_ros.node.dds_host.dispatcher import Dispatcher
from taihri_ros.node.dds_host.domain import delete
from taihri_ros.node.dds_host.errors import DdsError
from taihri_ros.node.dds_host.idl import IdlTypes
from taihri_ros.node.dds_host.qos import cyclone_qos

if TYPE_CHECKING:
    from collections.abc import Mapping

    from taihri_ros.node.dds_host.qos import QoS
    from taihri_ros.node.dds_host.types import RosTypes


class Participant:
    """A DDS participant that other ROS 2 nodes see as a ROS context.

    Attributes:
        types: The message types.
        dds: The participant of the cyclonedds binding.
        dispatcher: The thread in which its endpoints receive.
        gid: 16 bytes that identify it in the ROS graph.
    """

    def __init__(self, domain_id: int, types: RosTypes, environ: Mapping[str, str] = os.environ) -> None:
        """Join a domain.

        Args:
            domain_id: The domain.
            types: The message types.
            environ: Environment variables that configure discovery.

        Raises:
            DdsError: The domain cannot be joined.
        """
        self.types = types
        self._idl = IdlTypes(types)
        self._domain_id = domain_id
        self._topics: dict[tuple[str, str], Topic] = {}
        self._users: Counter[tuple[str, str]] = Counter()
        """Number of endpoints of each topic."""
        self._lock = Lock()
        domain.acquire(domain_id, environ)
        try:
            self.dds = DomainParticipant(domain_id, Qos(Policy.Userdata(b"enclave=/;")))
        except DDSException as error:
            domain.release(domain_id)
            raise DdsError(
                f"cannot join DDS domain {domain_id}: {error} A domain holds at most 33 participants per machine"
            ) from error
        self.dispatcher = Dispatcher(self.dds)
        self.gid: bytes = self.dds.guid.bytes

    def topic_and_qos(self, topic: str, msg_type: str, qos: QoS) -> tuple[Topic, Qos]:
        """Return the DDS topic and the QoS policies of an endpoint, which must call `release_topic` at its end.

        Args:
            topic: Absolute ROS name, or a DDS topic name without a leading slash, which is used as it is.
            msg_type: Full name of the ROS 2 type.
            qos: Quality of service.

        Returns:
            The topic, and the policies with the type hash as user data.
        """
        key = (topic, msg_type)
        with self._lock:
            if key not in self._topics:
                dds_name = "rt" + topic if topic.startswith("/") else topic
                self._topics[key] = Topic(self.dds, dds_name, self._idl.cdr(msg_type))
            self._users[key] += 1
            return self._topics[key], cyclone_qos(qos, f"typehash={self.types.type_hash(msg_type)};".encode())

    def release_topic(self, topic: str, msg_type: str) -> None:
        """Delete the DDS topic of an endpoint that was destroyed, unless another one uses it.

        Args:
            topic: As for `topic_and_qos`.
            msg_type: As for `topic_and_qos`.
        """
        key = (topic, msg_type)
        with self._lock:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                delete(self._topics.pop(key))

    def close(self) -> None:
        """Leave the domain. No callback runs afterwards, unless this is called from one."""
        self.dispatcher.close()
        delete(*self._topics.values(), self.dds)
        domain.release(self._domain_id)
