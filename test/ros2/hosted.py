"""The lifecycle node in the test's own process, with its own context and executor thread."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event, Thread
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from robot import Robot
from taihri_ros.srv import Localize

from taihri_ros.node.ros_host.lifecycle_node import TaihriNode

CONFIGURE = Transition.TRANSITION_CONFIGURE
ACTIVATE = Transition.TRANSITION_ACTIVATE
DEACTIVATE = Transition.TRANSITION_DEACTIVATE
CLEANUP = Transition.TRANSITION_CLEANUP


class Hosted:
    """A running node. Use it as a context manager."""

    def __init__(self, domain: int, parameters: Mapping[str, Any]) -> None:
        self._context = Context()
        self._context.init(domain_id=domain)
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        try:
            self.node = TaihriNode(context=self._context, parameter_overrides=overrides)
        except BaseException:
            self._context.try_shutdown()
            raise
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._stop = Event()
        self._thread = Thread(target=self._spin)
        self._thread.start()

    def __enter__(self) -> Hosted:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.node.destroy_node()
        self._executor.shutdown()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.1)


def change(robot: Robot, transition: int) -> bool:
    """Request a transition of the node, and return whether it succeeded."""
    answer = robot.call(ChangeState, "/taihri/change_state", transition=Transition(id=transition))
    return bool(answer.success)


def state(robot: Robot) -> str:
    """Return the node's lifecycle state."""
    return str(robot.call(GetState, "/taihri/get_state").current_state.label)


def localize(robot: Robot, command: str = "head", timeout: float = 20.0) -> Localize.Response:
    """Call the service ~/localize, and return its response."""
    return robot.call(Localize, "/taihri/localize", timeout_s=40.0, command=command, timeout=timeout)
