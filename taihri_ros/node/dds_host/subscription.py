"""Messages in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from taihri_ros.node.dds_host.errors import DdsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from taihri_ros.node.dds_host.participant import Participant
    from taihri_ros.node.dds_host.qos import QoS
    from taihri_ros.node.dds_host.types import RosTypes

_logger = logging.getLogger(__name__)


class Subscription:
    """Receives messages of one type on one topic.

    Attributes:
        topic: Absolute name.
        msg_type: Full name of the message type.
        received: How many messages came in.
        malformed: How many samples were dropped because their bytes are not a message of the type.
    """

    def __init__(
        self,
        participant: Participant,
        types: RosTypes,
        topic: str,
        msg_type: str,
        qos: QoS,
        callback: Callable[[Any], object],
        on_destroy: Callable[[Subscription], None],
    ) -> None:
        """Begin to receive.

        Args:
            participant: The transport.
            types: The message types.
            topic: Absolute name.
            msg_type: Full name of the message type.
            qos: Quality of service.
            callback: Called in the participant's thread with every message.
            on_destroy: Told when the subscription is gone.
        """
        self.topic = topic
        self.msg_type = msg_type
        self.received = 0
        self.malformed = 0
        self._types = types
        self._callback = callback
        self._on_destroy = on_destroy
        self._destroyed = False
        self._reader = participant.reader(topic, msg_type, qos, self._receive)

    @property
    def gid(self) -> bytes:
        """16 bytes of identity."""
        return self._reader.gid

    @property
    def matched(self) -> int:
        """How many publishers are heard."""
        return self._reader.matched

    @property
    def incompatible_qos(self) -> str | None:
        """The policy by which a publisher was last refused; None when none was."""
        return self._reader.incompatible_qos

    def destroy(self) -> None:
        """No longer receive; a callback that already runs ends by itself. A second call does nothing."""
        if not self._destroyed:
            self._destroyed = True
            self._reader.close()
            self._on_destroy(self)

    def _receive(self, cdr: bytes) -> None:
        try:
            message = self._types.deserialize(cdr, self.msg_type)
        except DdsError as error:
            if not self.malformed:
                _logger.warning("dropped a sample of %s, further ones only counted: %s", self.topic, error)
            self.malformed += 1
            return
        self.received += 1
        try:
            self._callback(message)
        except Exception:
            _logger.exception("the callback of %s failed", self.topic)
