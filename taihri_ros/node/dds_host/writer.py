"""The sending end of a topic."""

from __future__ import annotations

import ctypes
import logging
from typing import TYPE_CHECKING, Any

from cyclonedds.core import DDSException, DDSStatus
from cyclonedds.internal import DDS
from cyclonedds.pub import DataWriter

from taihri_ros.node.dds_host.endpoint import Endpoint
from taihri_ros.node.dds_host.errors import DdsError

if TYPE_CHECKING:
    from cyclonedds.core import Qos
    from cyclonedds.domain import DomainParticipant
    from cyclonedds.topic import Topic

    from taihri_ros.node.dds_host.dispatcher import Dispatcher

_logger = logging.getLogger(__name__)


class _Sample(ctypes.Structure):
    """How the binding's C layer takes a serialised sample."""

    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Writer(Endpoint):
    """Sends CDR on one topic.

    Attributes:
        timeouts: How often a sample was given up because a reliable reader did not keep up.
    """

    _incompatible_qos_message = "a subscriber of %s asks for another %s than is offered: it will receive nothing"

    def __init__(
        self, participant: DomainParticipant, topic: str, dds_topic: Topic, qos: Qos, dispatcher: Dispatcher
    ) -> None:
        """Begin to offer the topic.

        Args:
            participant: The participant.
            topic: Name of the topic for messages.
            dds_topic: The topic.
            qos: Policies.
            dispatcher: Waits for readers with which this writer cannot talk.
        """
        self.timeouts = 0
        self._writer = DataWriter(participant, dds_topic, qos)
        self._writer.set_status_mask(DDSStatus.OfferedIncompatibleQos)
        super().__init__(topic, (self._writer,), dispatcher)

    def write(self, cdr: bytearray) -> None:
        """Send one sample; other Python threads run meanwhile.

        Args:
            cdr: CDR with its header, padded to a multiple of four bytes.

        Raises:
            DdsError: The writer is closed, or DDS fails.
        """
        sample = _Sample(ctypes.addressof(ctypes.c_char.from_buffer(cdr)), len(cdr))
        code = DDS._dll_handle.dds_write(self._writer._ref, ctypes.byref(sample))
        if self._closed:
            raise DdsError(f"the publisher of {self.topic} is destroyed")
        if code == DDSException.DDS_RETCODE_TIMEOUT:
            if not self.timeouts:
                _logger.warning("a reliable subscriber of %s does not keep up: samples are given up", self.topic)
            self.timeouts += 1
        elif code:
            raise DdsError(f"cannot send {len(cdr)} bytes on {self.topic}: {DDSException(code)}")

    def _matched_status(self) -> Any:
        return self._writer.get_publication_matched_status()

    def _incompatible_qos_status(self) -> Any:
        return self._writer.get_offered_incompatible_qos_status()
