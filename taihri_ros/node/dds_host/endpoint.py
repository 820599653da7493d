"""What the two ends of a topic have in common."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from taihri_ros.node.dds_host.entities import delete, policy_name

if TYPE_CHECKING:
    from cyclonedds.core import Entity

    from taihri_ros.node.dds_host.dispatcher import Dispatcher

_logger = logging.getLogger(__name__)


class Endpoint:
    """A reader or a writer of one topic.

    Attributes:
        topic: Name of the topic.
        gid: 16 bytes of identity.
        triggers: The entities that the dispatcher waits for.
        incompatible_qos: The policy over which a peer was last refused; None when none was.
    """

    def __init__(self, topic: str, triggers: tuple[Entity, ...], dispatcher: Dispatcher) -> None:
        """Begin to wait for news; to be called when everything that `dispatch` needs is there.

        Args:
            topic: Name of the topic.
            triggers: The DDS reader or writer, with a mask of the status to wait for, and then its conditions.
            dispatcher: Waits for the triggers.
        """
        self.topic = topic
        self.triggers = triggers
        self.incompatible_qos: str | None = None
        self.gid: bytes = triggers[0].guid.bytes
        self._dispatcher = dispatcher
        self._lock = threading.Lock()
        self._closed = False
        dispatcher.add(self)

    @property
    def matched(self) -> int:
        """How many peers are at the other end."""
        with self._lock:
            return 0 if self._closed else int(self._matched_status().current_count)

    def dispatch(self) -> None:
        """Note a peer whose QoS does not go with this one's."""
        with self._lock:
            status = None if self._closed else self._incompatible_qos_status()
        if status and status.total_count_change:
            self.incompatible_qos = policy_name(status.last_policy_id)
            _logger.warning(self._incompatible_qos_message, self.topic, self.incompatible_qos)

    def close(self) -> None:
        """Leave the topic; what already runs in another thread ends by itself. A second call does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._dispatcher.remove(self)
                delete(*reversed(self.triggers))

    _incompatible_qos_message: str
    """For the log, with a place for the topic and one for the policy."""

    def _matched_status(self) -> Any:
        raise NotImplementedError

    def _incompatible_qos_status(self) -> Any:
        raise NotImplementedError
