"""The bond of an active node with a lifecycle manager, such as nav2's, which learns from it that the node has died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.lifecycle import LifecycleNode

from taihri_ros.errors import TaihriError

_TOPIC = "bond"
_PERIOD_S, _TIMEOUT_S = 0.1, 4.0
"""Period and timeout of the heartbeats, seconds; those of nav2's own nodes (nav2_util, `LifecycleNode::createBond`)."""


class BondError(TaihriError):
    """The package bondpy is not installed."""


@contextmanager
def bond_of(node: LifecycleNode) -> Iterator[None]:
    """Offer a bond with the node's name as its id inside a `with` block, and break it at the end.

    Args:
        node: The node.

    Raises:
        BondError: The package bondpy is not installed.
    """
    try:
        from bondpy import bondpy
    except ImportError as error:
        raise BondError("the parameter bond needs bondpy: apt install ros-$ROS_DISTRO-bondpy") from error
    bond = bondpy.Bond(node, _TOPIC, node.get_name())
    bond.heartbeat_period, bond.heartbeat_timeout = _PERIOD_S, _TIMEOUT_S
    bond.start()
    try:
        yield
    finally:
        bond.shutdown()
        # It destroys these without telling the node, whose executor would fail on their events.
        node.destroy_subscription(bond.sub)
        node.destroy_publisher(bond.pub)
