"""CDR bytes in and out, per topic: all that the node needs from a transport, here by Cyclone DDS.

Nothing in this file knows of messages, names or nodes, so that another transport of ROS 2 can stand in its place.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cyclonedds.core import DDSException, Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.topic import Topic

from taihri_ros.node.dds_host import domain
from taihri_ros.node.dds_host.dispatcher import Dispatcher
from taihri_ros.node.dds_host.entities import cyclone_qos, delete
from taihri_ros.node.dds_host.errors import DdsError
from taihri_ros.node.dds_host.idl import IdlTypes
from taihri_ros.node.dds_host.reader import Reader
from taihri_ros.node.dds_host.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from taihri_ros.node.dds_host.qos import QoS
    from taihri_ros.node.dds_host.types import RosTypes


class Participant:
    """A DDS participant that looks like a ROS 2 context to others.

    Attributes:
        gid: Its 16 bytes of identity.
    """

    def __init__(self, domain_id: int, types: RosTypes, environ: Mapping[str, str] = os.environ) -> None:
        """Join a domain.

        Args:
            domain_id: The domain.
            types: Definitions of the types that will pass.
            environ: Environment variables that configure discovery.

        Raises:
            DdsError: The domain cannot be joined.
        """
        self._types = types
        self._idl = IdlTypes(types)
        self._domain_id = domain_id
        self._topics: dict[tuple[str, str], Topic] = {}
        domain.acquire(domain_id, environ)
        try:
            self._participant = DomainParticipant(domain_id, Qos(Policy.Userdata(b"enclave=/;")))
        except DDSException as error:
            domain.release(domain_id)
            raise DdsError(
                f"cannot join DDS domain {domain_id}: {error} At most 33 participants of one host fit in a domain"
            ) from error
        self._dispatcher = Dispatcher(self._participant)
        self.gid: bytes = self._participant.guid.bytes

    def writer(self, topic: str, msg_type: str, qos: QoS) -> Writer:
        """Make an endpoint that sends.

        Args:
            topic: Absolute name in ROS, or a name without a leading slash that DDS takes as it is.
            msg_type: Full name of the ROS 2 type.
            qos: Quality of service.

        Returns:
            The writer.

        Raises:
            DdsError: DDS refuses it.
        """
        try:
            dds_topic, dds_qos = self._topic(topic, msg_type), self._qos(msg_type, qos)
            return Writer(self._participant, topic, dds_topic, dds_qos, self._dispatcher)
        except DDSException as error:
            raise DdsError(f"cannot publish {msg_type} on {topic!r}: {error}") from error

    def reader(self, topic: str, msg_type: str, qos: QoS, on_cdr: Callable[[bytes], None]) -> Reader:
        """Make an endpoint that receives.

        Args:
            topic: Absolute name in ROS, or a name without a leading slash that DDS takes as it is.
            msg_type: Full name of the ROS 2 type.
            qos: Quality of service.
            on_cdr: Called in the participant's thread with every sample that was not overwritten; does not raise.

        Returns:
            The reader.

        Raises:
            DdsError: DDS refuses it.
        """
        try:
            dds_topic, dds_qos = self._topic(topic, msg_type), self._qos(msg_type, qos)
            return Reader(self._participant, topic, dds_topic, dds_qos, qos.depth, on_cdr, self._dispatcher)
        except DDSException as error:
            raise DdsError(f"cannot subscribe to {msg_type} on {topic!r}: {error}") from error

    def close(self) -> None:
        """Leave the domain: no callback runs afterwards, unless this is called from one."""
        self._dispatcher.close()
        delete(*self._topics.values(), self._participant)
        domain.release(self._domain_id)

    def _topic(self, topic: str, msg_type: str) -> Topic:
        key = (topic, msg_type)
        if key not in self._topics:
            dds_name = "rt" + topic if topic.startswith("/") else topic
            self._topics[key] = Topic(self._participant, dds_name, self._idl.cdr(msg_type))
        return self._topics[key]

    def _qos(self, msg_type: str, qos: QoS) -> Qos:
        return cyclone_qos(qos, f"typehash={self._types.type_hash(msg_type)};".encode())
