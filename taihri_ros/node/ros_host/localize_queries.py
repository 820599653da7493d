"""The service and the action ~/localize: one command, one answer, while the running command continues."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future

from taihri_ros.action import Localize as LocalizeAction
from taihri_ros.commands.command import refuse_stop
from taihri_ros.errors import TaihriError
from taihri_ros.node.application import Application
from taihri_ros.node.messages import encodable
from taihri_ros.node.ros_host.timers import steady_timer
from taihri_ros.pipeline.jobs import Query
from taihri_ros.pipeline.scheduler import MAX_QUERIES
from taihri_ros.srv import Localize

logger = logging.getLogger(__name__)

_FEEDBACK_S = 0.2
"""Period of the feedback of a goal, seconds."""

_REQUESTS = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
"""Quality of service of the requests. ROS's default drops all but the last 10 of a burst, and their clients wait for
ever; those that come too many are refused in words instead."""


class LocalizeQueries:
    """The servers of `~/localize`. Calls and goals wait in other threads, so that the executor keeps receiving images.

    Use it as a context manager, or call `close`.
    """

    def __init__(
        self, node: LifecycleNode, active: Callable[[], Application], default_timeout_s: Callable[[], float]
    ) -> None:
        """Create the service and the action.

        Args:
            node: The node.
            active: Returns the application; raises `TaihriError` while the node is not active.
            default_timeout_s: Returns the timeout of a request that sets none, seconds.
        """
        self._node = node
        self._active = active
        self._default_timeout_s = default_timeout_s
        # One thread more than calls may wait: it refuses the next one.
        self._threads = ThreadPoolExecutor(MAX_QUERIES + 1, "taihri-localize")
        self._goals: dict[bytes, tuple[Application, Query]] = {}
        # In their own group, so that a waiting query does not block the other callbacks.
        group = ReentrantCallbackGroup()
        node.create_service(Localize, "~/localize", self._on_call, qos_profile=_REQUESTS, callback_group=group)
        self._server = ActionServer(
            node,
            LocalizeAction,
            "~/localize",
            execute_callback=self._on_goal,
            cancel_callback=self._on_cancel,
            goal_service_qos_profile=_REQUESTS,
            result_service_qos_profile=_REQUESTS,
            cancel_service_qos_profile=_REQUESTS,
            callback_group=group,
        )

    def close(self) -> None:
        """End the action; the node destroys the service. Perception must have been stopped, so that no call waits."""
        self._server.destroy()
        self._threads.shutdown()

    def __enter__(self) -> LocalizeQueries:
        """Return the servers themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the servers."""
        self.close()

    async def _on_call(self, request: Any, response: Any) -> Any:
        await self._in_thread(lambda: self._answer(request, response, Query()))
        return response

    async def _on_goal(self, goal: Any) -> Any:
        result, query = LocalizeAction.Result(), Query()
        key = bytes(goal.goal_id.uuid)
        with suppress(TaihriError):  # the answer says it
            self._goals[key] = self._active(), query
        if goal.is_cancel_requested:
            self._cancel(key)
        try:
            with steady_timer(self._node, _FEEDBACK_S, lambda: self._give_feedback(goal, key)):
                await self._in_thread(lambda: self._answer(goal.request, result, query))
        finally:
            self._goals.pop(key, None)
        if result.success:
            goal.succeed()
        elif goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return result

    def _on_cancel(self, goal: Any) -> CancelResponse:
        self._cancel(bytes(goal.goal_id.uuid))
        return CancelResponse.ACCEPT

    def _cancel(self, key: bytes) -> None:
        if key in self._goals:
            application, query = self._goals[key]
            application.scheduler.cancel(query)

    def _give_feedback(self, goal: Any, key: bytes) -> None:
        if key in self._goals and goal.is_active:
            application, query = self._goals[key]
            if progress := application.scheduler.progress(query):
                goal.publish_feedback(LocalizeAction.Feedback(progress=progress))

    def _in_thread(self, work: Callable[[], None]) -> Any:
        """Run work in another thread, and return a future of the executor that is done afterwards."""
        done: Any = Future()
        executor = self._node.executor

        def run() -> None:
            work()
            executor.create_task(done.set_result, None)

        self._threads.submit(run)
        return done

    def _answer(self, request: Any, response: Any, query: Query) -> None:
        """Fill in a response or a result."""
        try:
            application = self._active()
            command = refuse_stop(application.read_command(request.command))
            timeout_s = request.timeout or self._default_timeout_s()
            result = application.scheduler.localize(command, timeout_s, query)
            response.person = application.person(result)
        except TaihriError as error:
            response.message = encodable(str(error))
        except Exception as error:
            logger.exception("internal error in a localize call")
            response.message = encodable(f"internal error: {error!r}")
        else:
            response.success = True
