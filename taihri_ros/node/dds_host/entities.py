"""Small tools around the entities of the cyclonedds binding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclonedds.core import Policy, Qos
from cyclonedds.util import duration

if TYPE_CHECKING:
    from cyclonedds.core import Entity

    from taihri_ros.node.dds_host.qos import QoS

MAX_BLOCKING_MS = 100
"""How long a reliable writer waits for a reader that does not keep up."""

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
}


def delete(*entities: Entity) -> None:
    """Delete entities now, and not when Python finds them unused.

    Args:
        entities: In this order; an entity that was deleted before is left alone.
    """
    for entity in entities:
        entity.__del__()  # the binding's only way to delete, which remembers that it did


def cyclone_qos(qos: QoS, user_data: bytes) -> Qos:
    """The Cyclone DDS form of a quality of service, as rmw_cyclonedds_cpp sets it.

    Args:
        qos: Quality of service.
        user_data: What discovery tells about the endpoint, such as its type hash.

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
    """The name of a policy.

    Args:
        policy_id: Number of the policy in the DDS specification.

    Returns:
        Its name in words.
    """
    return _POLICIES.get(policy_id, f"policy {policy_id}")
