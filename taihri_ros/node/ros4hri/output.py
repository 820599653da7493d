"""The node's part of ROS4HRI: who is tracked, and what is published about them."""

from __future__ import annotations

from collections.abc import Callable

from taihri_ros.node.body_fits import Bodies
from taihri_ros.node.messages import Messages
from taihri_ros.node.outputs import Outputs
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.ros4hri.humans import Humans
from taihri_ros.node.ros4hri.tracked_humans import TrackedHumans
from taihri_ros.pipeline.frames import Result


class Ros4hri:
    """The outputs of the node for ROS4HRI (REP-155). `prepare` must be called in the order of the frames."""

    def __init__(self, messages: Messages, outputs: Outputs, parameters: Parameters) -> None:
        """Start without people.

        Args:
            messages: Builds the messages.
            outputs: Sends the messages.
            parameters: `publish_tf` and `people.enabled` are used.
        """
        self._tracked = TrackedHumans(several=parameters.people_enabled)
        self._humans = Humans(messages, outputs, publish_tf=parameters.publish_tf)

    def apply(self, parameters: Parameters) -> None:
        """Use new values of the parameters for the next results; `publish_tf` is used."""
        self._humans.publish_tf = parameters.publish_tf

    def prepare(self, result: Result, bodies: Bodies) -> list[Callable[[], None]]:
        """Build the messages about the people of a result.

        Args:
            result: The result.
            bodies: The bodies that were fitted to it.

        Returns:
            The functions that send the messages.
        """
        return self._humans.prepare(self._tracked.update(result, bodies), result)

    def close(self) -> None:
        """Publish that nobody is tracked, and end everybody's topics. No message may be sent at the same time."""
        self._humans.close()
