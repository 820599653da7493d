"""Warnings about the ROS graph: two publishers on one input, and a second node of the same name."""

from __future__ import annotations

import logging
from collections.abc import Mapping

logger = logging.getLogger(__name__)

SETTLED_S = 15.0
"""Time in seconds for which a fault of the graph lasts before it is logged. A process that was killed stays in the
graph for 10 s (the lease of its DDS participant), so that a restarted one has a double meanwhile."""


class GraphWarnings:
    """Logs what is wrong in the graph, once for each fault that lasts."""

    def __init__(self, full_name: str) -> None:
        """Start without faults.

        Args:
            full_name: Namespace and name of the node, such as `/taihri`.
        """
        self._full_name = full_name
        self._since_s: dict[str, float] = {}
        self._logged: set[str] = set()

    def check(self, publishers: Mapping[str, int], namesakes: int, now_s: float) -> None:
        """Look at the graph. Call this every few seconds.

        Args:
            publishers: Number of publishers by input topic.
            namesakes: Number of nodes of this node's name, itself included.
            now_s: Time of a steady clock, seconds.
        """
        faults = {
            topic: (
                f"{count} publishers on {topic}: their messages are mixed up. Stop all but one, or remap the topic to "
                "that of one camera (ros2 topic info -v names the publishers)"
            )
            for topic, count in publishers.items()
            if count > 1
        }
        if namesakes > 1:
            faults[self._full_name] = (
                f"{namesakes} nodes are named {self._full_name}: every result is published {namesakes} times. Stop all "
                "but one, or start each with its own name (name:=, or -r __node:=) or namespace"
            )
        self._since_s = {subject: self._since_s.get(subject, now_s) for subject in faults}
        self._logged &= faults.keys()
        for subject, text in faults.items():
            if subject not in self._logged and now_s - self._since_s[subject] >= SETTLED_S:
                self._logged.add(subject)
                logger.warning("%s", text)
