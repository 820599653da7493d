"""Messages out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from taihri_ros.node.dds_host.participant import Participant
    from taihri_ros.node.dds_host.qos import QoS
    from taihri_ros.node.dds_host.types import RosTypes


class Publisher:
    """Publishes messages of one type on one topic.

    Attributes:
        topic: Absolute name.
        msg_type: Full name of the message type.
    """

    def __init__(
        self,
        participant: Participant,
        types: RosTypes,
        topic: str,
        msg_type: str,
        qos: QoS,
        on_destroy: Callable[[Publisher], None],
    ) -> None:
        """Begin to publish.

        Args:
            participant: The transport.
            types: The message types.
            topic: Absolute name.
            msg_type: Full name of the message type.
            qos: Quality of service.
            on_destroy: Told when the publisher is gone.
        """
        self.topic = topic
        self.msg_type = msg_type
        self._types = types
        self._on_destroy = on_destroy
        self._destroyed = False
        self._writer = participant.writer(topic, msg_type, qos)

    @property
    def gid(self) -> bytes:
        """16 bytes of identity."""
        return self._writer.gid

    @property
    def matched(self) -> int:
        """How many subscriptions listen."""
        return self._writer.matched

    @property
    def incompatible_qos(self) -> str | None:
        """The policy by which a subscription last refused this publisher; None when none did."""
        return self._writer.incompatible_qos

    @property
    def timeouts(self) -> int:
        """How many messages were given up because a reliable subscription did not keep up."""
        return self._writer.timeouts

    def publish(self, message: object) -> None:
        """Publish a message; may be called from any thread.

        Args:
            message: A message of the publisher's type.

        Raises:
            DdsError: The message cannot be serialised, the publisher is destroyed, or DDS fails.
        """
        self._writer.write(self._types.serialize(message, self.msg_type))

    def destroy(self) -> None:
        """No longer publish. A second call does nothing."""
        if not self._destroyed:
            self._destroyed = True
            self._writer.close()
            self._on_destroy(self)
