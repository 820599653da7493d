"""Quality of service of ROS 2 nodes, and the Cyclone DDS policies that express it."""

from __future__ import annotations

from dataclasses import dataclass

from cyclonedds.core import Policy, Qos
from cyclonedds.util import duration

from taihri_ros.node.dds_host.errors import DdsError

MAX_BLOCKING_MS = 100
"""Longest time that a reliable publisher waits for a subscription that does not keep up."""

TYPE = "type"
"""What differs where a publisher and a subscription of one topic have different message types."""

_POLICIES = {
    2: "durability",
    3: "presentation",
    4: "deadline",
    5: "latency budget",
    6: "ownership",
    8: "liveliness",
    10: "partition",
    11: "reliability",
    12: "destination order",
    23: "data representation",
    24: TYPE,
}


@dataclass(frozen=True)
class QoS:
    """Quality of service of a publisher or a subscription. The history is always "keep last".

    Attributes:
        reliable: Lost samples are sent again (RELIABLE) or not (BEST_EFFORT).
        depth: Number of samples that the history keeps.
        transient_local: A late subscriber gets the publisher's history (TRANSIENT_LOCAL) or not (VOLATILE).

    Raises:
        DdsError: The depth is less than one.
    """

    reliable: bool = True
    depth: int = 10
    transient_local: bool = False

    def __post_init__(self) -> None:
        """Check the depth."""
        if self.depth < 1:
            raise DdsError(f"QoS depth {self.depth} is not valid: keep at least one sample")


DEFAULT = QoS()
"""The QoS of an rclpy publisher with a depth of 10."""

SENSOR_DATA = QoS(reliable=False, depth=1)
"""For camera images: the newest only, best effort."""

TF = QoS(depth=100)
"""The QoS of tf2_ros on /tf."""

LATCHED = QoS(depth=1, transient_local=True)
"""A late subscriber receives the last sample."""


def cyclone_qos(qos: QoS, user_data: bytes) -> Qos:
    """Convert a quality of service to Cyclone DDS policies, the ones that rmw_cyclonedds_cpp sets.

    Args:
        qos: Quality of service.
        user_data: What discovery announces about the endpoint, such as its type hash.

    Returns:
        Policies for a reader or a writer; the data representation is XCDR1.
    """
    history = Policy.History.KeepLast(qos.depth)
    policies = [
        Policy.Reliability.Reliable(duration(milliseconds=MAX_BLOCKING_MS))
        if qos.reliable
        else Policy.Reliability.BestEffort,
        history,
        Policy.Durability.TransientLocal if qos.transient_local else Policy.Durability.Volatile,
        Policy.DataRepresentation(use_cdrv0_representation=True),
        Policy.Userdata(user_data),
    ]
    if qos.transient_local:
        policies.append(Policy.DurabilityService(0, history, -1, -1, -1))
    return Qos(*policies)


def policy_name(policy_id: int) -> str:
    """Return the name of a policy.

    Args:
        policy_id: Number of the policy in the DDS specification.

    Returns:
        Its name in words.
    """
    return _POLICIES.get(policy_id, f"policy {policy_id}")
