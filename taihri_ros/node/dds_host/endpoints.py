"""Publishers and subscriptions on Cyclone DDS.

Only CDR bytes pass between the message types and DDS: `Publisher.publish_cdr` sends them, and `Subscription._on_cdr`
receives them. Another transport would replace only the DDS calls behind these two methods.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from cyclonedds._clayer import ddspy_take
from cyclonedds.core import DDSException, DDSStatus, InstanceState, Policy, ReadCondition, SampleState, ViewState
from cyclonedds.internal import DDS
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader

from taihri_ros.node.dds_host.domain import delete
from taihri_ros.node.dds_host.errors import DdsError
from taihri_ros.node.dds_host.qos import DEFAULT, TYPE, QoS, policy_name
from taihri_ros.pipeline.problem_log import ProblemLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclonedds.core import Entity

    from taihri_ros.node.dds_host.participant import Participant

_logger = logging.getLogger(__name__)

_VOLATILE = Policy.Durability.Volatile
_ANY = SampleState.Any | ViewState.Any | InstanceState.Any
_NEW = SampleState.NotRead | ViewState.Any | InstanceState.Any


class Endpoint:
    """Base class of publishers and subscriptions.

    Attributes:
        topic: Absolute name.
        msg_type: Full name of the message type.
        gid: 16 bytes that identify the endpoint in the ROS graph.
        triggers: The entities that the dispatcher waits for: the DDS endpoint, then its conditions.
        incompatible_qos: The QoS policy that was incompatible with the last refused peer, `qos.TYPE` if it has another
            type; None if no peer was refused.
    """

    _dds_class: ClassVar[type[Entity]]
    _incompatible_qos_event: ClassVar[int]
    _purpose: ClassVar[str]
    """Start of the error message when DDS refuses the endpoint."""
    _incompatible_qos_warning: ClassVar[str]
    """Log message with a placeholder for the topic and one for the policy."""

    def __init__(
        self,
        participant: Participant,
        msg_type: str,
        topic: str,
        qos: QoS,
        on_destroy: Callable[[Endpoint], None] | None,
        *,
        warn_incompatible: bool = True,
    ) -> None:
        """Create the DDS endpoint. The dispatcher calls `dispatch` from here on."""
        self._warn_incompatible = warn_incompatible
        self._problems = ProblemLog(_logger)
        self.topic = topic
        self.msg_type = msg_type
        self.incompatible_qos: str | None = None
        self._types = participant.types
        self._dispatcher = participant.dispatcher
        self._release_topic = participant.release_topic
        self._on_destroy = on_destroy
        self._lock = threading.Lock()
        self._destroyed = False
        try:
            self._dds: Any = self._dds_class(participant.dds, *participant.topic_and_qos(topic, msg_type, qos))
            self._dds.set_status_mask(self._incompatible_qos_event)
            self.triggers: tuple[Entity, ...] = (self._dds, *self._conditions())
        except DDSException as error:
            raise DdsError(f"{self._purpose} {msg_type} on {topic!r}: {error}") from error
        self.gid: bytes = self._dds.guid.bytes
        self._dispatcher.add(self)

    @property
    def matched(self) -> int:
        """Number of matched peers."""
        with self._lock:
            return 0 if self._destroyed else int(self._matched_status().current_count)

    def dispatch(self) -> None:
        """Log a peer whose QoS is incompatible with this endpoint's."""
        with self._lock:
            status = None if self._destroyed else self._incompatible_qos_status()
        if status and status.total_count_change:
            self.incompatible_qos = policy_name(status.last_policy_id)
            if self._warn_incompatible:
                wanted = f" ({self.msg_type} is wanted)" if self.incompatible_qos == TYPE else ""
                warning = self._incompatible_qos_warning % (self.topic, f"{self.incompatible_qos}{wanted}")
                self._problems.report(f"incompatible {self.incompatible_qos}", warning)

    def destroy(self) -> None:
        """Leave the topic. A callback that is running finishes; a second call does nothing."""
        with self._lock:
            if self._destroyed:
                return
            self._destroyed = True
            self._dispatcher.remove(self)
            delete(*reversed(self.triggers))
            self._release_topic(self.topic, self.msg_type)
        if self._on_destroy is not None:
            self._on_destroy(self)

    def _conditions(self) -> tuple[Entity, ...]:
        return ()

    def _matched_status(self) -> Any:
        raise NotImplementedError

    def _incompatible_qos_status(self) -> Any:
        raise NotImplementedError


class _Sample(ctypes.Structure):
    """A serialized sample in the layout that the binding's C layer expects."""

    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Publisher(Endpoint):
    """Publisher of messages of one type on one topic.

    Attributes:
        timeouts: Number of messages dropped because a reliable subscription did not keep up.
    """

    _dds_class = DataWriter
    _incompatible_qos_event = DDSStatus.OfferedIncompatibleQos
    _purpose = "cannot publish"
    _incompatible_qos_warning = (
        "a subscription to %s requests a %s that this publisher does not offer: it will receive nothing"
    )

    def __init__(
        self,
        participant: Participant,
        msg_type: str,
        topic: str,
        qos: QoS = DEFAULT,
        on_destroy: Callable[[Endpoint], None] | None = None,
    ) -> None:
        """Advertise the topic.

        Args:
            participant: The DDS participant.
            msg_type: Full name of the message type.
            topic: Absolute name, or a DDS topic name without a leading slash.
            qos: Quality of service.
            on_destroy: Called with the publisher after it is destroyed.

        Raises:
            DdsError: DDS refuses it.
        """
        self.timeouts = 0
        super().__init__(participant, msg_type, topic, qos, on_destroy)

    def publish(self, message: object) -> None:
        """Publish a message; may be called from any thread.

        Args:
            message: A message of the publisher's type.

        Raises:
            DdsError: The message cannot be serialized, the publisher is destroyed, or DDS fails.
        """
        self.publish_cdr(self._types.serialize(message, self.msg_type))

    def publish_cdr(self, cdr: bytearray) -> None:
        """Publish a serialized message. The GIL is released while DDS sends it.

        Args:
            cdr: CDR with its header, padded to a multiple of four bytes.

        Raises:
            DdsError: The publisher is destroyed, or DDS fails.
        """
        sample = _Sample(ctypes.addressof(ctypes.c_char.from_buffer(cdr)), len(cdr))
        code = DDS._dll_handle.dds_write(self._dds._ref, ctypes.byref(sample))
        if code and self._destroyed:
            raise DdsError(f"the publisher of {self.topic} is destroyed")
        if code == DDSException.DDS_RETCODE_TIMEOUT:
            if not self.timeouts:
                _logger.warning("a reliable subscription to %s does not keep up: messages are dropped", self.topic)
            self.timeouts += 1
        elif code:
            raise DdsError(f"cannot send {len(cdr)} bytes on {self.topic}: {DDSException(code)}")

    def _matched_status(self) -> Any:
        return self._dds.get_publication_matched_status()

    def _incompatible_qos_status(self) -> Any:
        return self._dds.get_offered_incompatible_qos_status()


class Subscription(Endpoint):
    """Subscription to messages of one type on one topic.

    DDS keeps the last `qos.depth` samples. It overwrites older ones, even if the callback has not received them.

    Attributes:
        received: Number of messages received.
        malformed: Number of samples dropped because their bytes are not a message of the type.
    """

    _dds_class = DataReader
    _incompatible_qos_event = DDSStatus.RequestedIncompatibleQos
    _purpose = "cannot subscribe to"
    _incompatible_qos_warning = (
        "a publisher of %s offers another %s than this subscription requests: nothing will be received from it"
    )

    def __init__(
        self,
        participant: Participant,
        msg_type: str,
        topic: str,
        callback: Callable[[Any], object],
        qos: QoS = DEFAULT,
        on_destroy: Callable[[Endpoint], None] | None = None,
        *,
        warn_incompatible: bool = True,
    ) -> None:
        """Subscribe to the topic.

        Args:
            participant: The DDS participant.
            msg_type: Full name of the message type.
            topic: Absolute name, or a DDS topic name without a leading slash.
            callback: Called in the dispatcher's thread with every message; its exceptions are logged.
            qos: Quality of service.
            on_destroy: Called with the subscription after it is destroyed.
            warn_incompatible: Log a publisher whose QoS is incompatible.

        Raises:
            DdsError: DDS refuses it.
        """
        self.received = 0
        self.malformed = 0
        self._callback = callback
        self._depth = qos.depth
        super().__init__(participant, msg_type, topic, qos, on_destroy, warn_incompatible=warn_incompatible)

    @property
    def has_latched_publisher(self) -> bool:
        """Whether a matched publisher keeps its last messages for late subscriptions (TRANSIENT_LOCAL)."""
        with self._lock, suppress(DDSException, IndexError):  # raised if publishers come and go meanwhile
            handles = [] if self._destroyed else self._dds.get_matched_publications()
            publishers = [self._dds.get_matched_publication_data(handle) for handle in handles]
            return any(each is not None and each.qos[Policy.Durability] != _VOLATILE for each in publishers)
        return False

    @property
    def publishing_participants(self) -> set[bytes]:
        """The 16 bytes that identify the participant of each matched publisher."""
        with self._lock, suppress(DDSException, IndexError):  # raised if publishers come and go meanwhile
            handles = [] if self._destroyed else self._dds.get_matched_publications()
            publishers = [self._dds.get_matched_publication_data(handle) for handle in handles]
            return {each.participant_key.bytes for each in publishers if each is not None}
        return set()

    def dispatch(self) -> None:
        """Call the callback with the received samples, oldest first, and log a peer whose QoS is incompatible."""
        taken = ddspy_take(self._dds._ref, _ANY, self._depth)
        for cdr, info in [] if isinstance(taken, int) else taken:  # an error code when the reader has been deleted
            if info.valid_data and not self._destroyed:
                self._on_cdr(cdr)
        super().dispatch()

    def _on_cdr(self, cdr: bytes) -> None:
        try:
            message = self._types.deserialize(cdr, self.msg_type)
        except DdsError as error:
            if not self.malformed:
                _logger.warning("dropped a sample of %s (later ones are only counted): %s", self.topic, error)
            self.malformed += 1
            return
        self.received += 1
        try:
            self._callback(message)
        except Exception as error:
            summary = f"the callback of {self.topic} failed: {type(error).__name__}: {error}"
            self._problems.report("callback", summary, error)

    def _conditions(self) -> tuple[Entity, ...]:
        return (ReadCondition(self._dds, _NEW),)

    def _matched_status(self) -> Any:
        return self._dds.get_subscription_matched_status()

    def _incompatible_qos_status(self) -> Any:
        return self._dds.get_requested_incompatible_qos_status()
