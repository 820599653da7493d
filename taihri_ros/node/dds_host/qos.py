"""Quality of service, as far as ROS 2 nodes set it."""

from __future__ import annotations

from dataclasses import dataclass

from taihri_ros.node.dds_host.errors import DdsError


@dataclass(frozen=True)
class QoS:
    """Quality of service of a publisher or a subscription; history is always "keep last".

    Attributes:
        reliable: Lost samples are sent again (RELIABLE) or not (BEST_EFFORT).
        depth: How many samples the history keeps.
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
"""What rclpy gives to a publisher that asks for a depth of 10."""

SENSOR_DATA = QoS(reliable=False, depth=1)
"""For camera images: the newest only, and a lost one stays lost."""

TF = QoS(depth=100)
"""What tf2_ros uses on /tf."""

LATCHED = QoS(depth=1, transient_local=True)
"""The last sample waits for whoever comes late."""
