"""Requests of lifecycle transitions that are not possible in the node's state."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode

from taihri_ros.inference.printable import printable
from taihri_ros.node.limited_log import LimitedLog
from taihri_ros.node.ros_host.rcl_errors import rcl_reason

logger = logging.getLogger(__name__)


def refuse_impossible_transitions(node: LifecycleNode) -> None:
    """Answer requests of impossible transitions with a failure; rclpy lets their error end the executor.

    Args:
        node: The node, with its lifecycle services.
    """
    for service in node.services:
        if service.srv_name.endswith("/change_state"):
            service.callback = _refusing(service.callback, node.get_fully_qualified_name())


def _refusing(answer: Callable[[Any, Any], Any], full_name: str) -> Callable[[Any, Any], Any]:
    log = LimitedLog(logger)

    def answer_or_refuse(request: Any, response: Any) -> Any:
        try:
            return answer(request, response)
        except RuntimeError as error:  # rclpy's RCLError, which it does not export
            transition = printable(request.transition.label, 100) or f"number {request.transition.id}"
            log.write(
                logging.WARNING,
                "refused",
                f"refused the transition {transition}, which is not possible now: ros2 lifecycle list {full_name} "
                f"shows which are ({rcl_reason(error)})",
            )
            response.success = False
            return response

    return answer_or_refuse
