"""Services whose callback fails: rclpy sends no response then, so that the client would wait for ever."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode

from taihri_ros.node.limited_log import LimitedLog
from taihri_ros.node.messages import encodable

logger = logging.getLogger(__name__)

Answer = Callable[[Any, Any], Any]


def answer_after_errors(node: LifecycleNode) -> None:
    """Let each service of a node respond after an error of its callback, too, and log the error.

    That is a response without success. Those of rclpy's own services for parameters and transitions are empty: a
    request that rclpy cannot read, such as a parameter of an unknown type, is an error of their callbacks.

    Args:
        node: The node, with its services.
    """
    log = LimitedLog(logger)
    for service in node.services:
        if not inspect.iscoroutinefunction(service.callback):
            service.callback = _answering(service.callback, service.srv_name, log)


def _answering(answer: Answer, name: str, log: LimitedLog) -> Answer:
    def answer_always(request: Any, response: Any) -> Any:
        try:
            return answer(request, response)
        except Exception as error:
            log.write(logging.ERROR, "service", f"the request of {name} is not answered: {error!r}")
            if hasattr(response, "message"):
                response.message = encodable(f"internal error: {error!r}")
            return response

    return answer_always
