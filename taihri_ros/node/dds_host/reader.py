"""The receiving end of a topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cyclonedds._clayer import ddspy_take
from cyclonedds.core import DDSStatus, InstanceState, ReadCondition, SampleState, ViewState
from cyclonedds.sub import DataReader

from taihri_ros.node.dds_host.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclonedds.core import Qos
    from cyclonedds.domain import DomainParticipant
    from cyclonedds.topic import Topic

    from taihri_ros.node.dds_host.dispatcher import Dispatcher

_ANY = SampleState.Any | ViewState.Any | InstanceState.Any
_NEW = SampleState.NotRead | ViewState.Any | InstanceState.Any


class Reader(Endpoint):
    """Receives CDR on one topic.

    DDS keeps the last `depth` samples. An older one that nobody took yet is overwritten there and costs Python nothing.
    """

    _incompatible_qos_message = (
        "a publisher of %s offers another %s than is asked for: nothing will be received from it"
    )

    def __init__(
        self,
        participant: DomainParticipant,
        topic: str,
        dds_topic: Topic,
        qos: Qos,
        depth: int,
        on_cdr: Callable[[bytes], None],
        dispatcher: Dispatcher,
    ) -> None:
        """Begin to receive.

        Args:
            participant: The participant.
            topic: Name of the topic for messages.
            dds_topic: The topic.
            qos: Policies.
            depth: How many samples DDS keeps.
            on_cdr: Called in the dispatcher's thread with every sample taken; does not raise.
            dispatcher: Waits for samples, and for writers to which this reader cannot listen.
        """
        self._depth = depth
        self._on_cdr = on_cdr
        self._reader = DataReader(participant, dds_topic, qos)
        self._reader.set_status_mask(DDSStatus.RequestedIncompatibleQos)
        super().__init__(topic, (self._reader, ReadCondition(self._reader, _NEW)), dispatcher)

    def dispatch(self) -> None:
        """Hand out what has arrived, oldest first, and note a writer whose QoS offers too little."""
        taken = ddspy_take(self._reader._ref, _ANY, self._depth)
        for cdr, info in [] if isinstance(taken, int) else taken:  # a number: the reader was closed meanwhile
            if info.valid_data and not self._closed:
                self._on_cdr(cdr)
        super().dispatch()

    def _matched_status(self) -> Any:
        return self._reader.get_subscription_matched_status()

    def _incompatible_qos_status(self) -> Any:
        return self._reader.get_requested_incompatible_qos_status()
