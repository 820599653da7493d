"""The node /taihri as a lifecycle node: the engine runs from configure to cleanup, perception while active."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from time import monotonic
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool

from taihri_ros.commands.command import CommandError
from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine_health import EngineState
from taihri_ros.inference.supervised_engine import SupervisedEngine
from taihri_ros.node import topics
from taihri_ros.node.application import Application
from taihri_ros.node.configured_engine import open_engine_for
from taihri_ros.node.diagnostics import engine_tasks, scheduler_tasks
from taihri_ros.node.graph_warnings import GraphWarnings
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Messages, encodable
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.ros_host.bond import bond_of
from taihri_ros.node.ros_host.diagnostic_tasks import published_tasks, steady_updater
from taihri_ros.node.ros_host.inputs import RosInputs
from taihri_ros.node.ros_host.localize_queries import LocalizeQueries
from taihri_ros.node.ros_host.log import RosLogHandler
from taihri_ros.node.ros_host.message_classes import message_class, sequence
from taihri_ros.node.ros_host.node_task import CHECK_S, NodeTask, failure, refuse_failed
from taihri_ros.node.ros_host.outputs import RosOutputs
from taihri_ros.node.ros_host.ros_parameters import RosParameters
from taihri_ros.node.ros_host.service_errors import answer_after_errors
from taihri_ros.node.ros_host.target_frame import TargetFrame
from taihri_ros.node.ros_host.timers import steady_timer
from taihri_ros.node.ros_host.transitions import refuse_impossible_transitions
from taihri_ros.node.running_command import RunningCommand
from taihri_ros.node.topics import NODE_NAME
from taihri_ros.srv import Distance

logger = logging.getLogger(__name__)

_ENGINE_CHECK_S = 0.5
"""Period in which the node looks whether the engine has failed for good, seconds."""

_GRAPH_CHECK_S = 2.0
"""Period in which the node looks at the graph, seconds."""


class TaihriNode(LifecycleNode):  # type: ignore[misc]  # rclpy is not typed
    """The lifecycle node, which passes messages between ROS and the application.

    Its executor has one thread; the perception loop runs in another.
    """

    def __init__(self, **options: Any) -> None:
        """Create the node, unconfigured unless the parameter `autostart` is set.

        Args:
            options: Options of `rclpy.node.Node`, such as `context` or `parameter_overrides`.

        Raises:
            ParameterError: A parameter is not valid.
        """
        super().__init__(NODE_NAME, **options)
        self._application: Application | None = None
        full_name = self.get_fully_qualified_name()
        self._lifetime = ExitStack()
        self._lifetime.enter_context(RosLogHandler(self.get_logger()))
        refuse_impossible_transitions(self)
        self._settings = RosParameters(self, self._apply, lambda: self._application is not None)
        self._inputs, self._outputs = RosInputs(self), RosOutputs(self)
        self._messages = Messages(message_class, sequence)
        self._node_task = NodeTask(lambda: None if self._engine is None else self._engine.health.state)
        self._updater = self._lifetime.enter_context(steady_updater(self, self._settings.read()))
        self._lifetime.enter_context(published_tasks(self._updater, [self._node_task]))
        self._configured = ExitStack()
        self._activated = ExitStack()
        self._engine: SupervisedEngine | None = None
        self._running_command: RunningCommand | None = None
        self._lifetime.enter_context(
            LocalizeQueries(self, self._active_application, lambda: self._settings.read().engine_request_timeout_s)
        )
        self.create_service(Distance, "~/distance", self._on_distance)
        self.create_service(SetBool, "~/enable", self._on_enable)
        answer_after_errors(self)
        self._settings.warn_of_unknown()
        self._graph = GraphWarnings(full_name)
        self._lifetime.enter_context(steady_timer(self, _GRAPH_CHECK_S, self._check_graph))
        if self._settings.read().autostart and self.trigger_configure() is TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Start the engine process, which loads the model in the background; it fails if it cannot be started."""
        return self._transition("configure", "inactive", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Subscribe to the images and start perception, with the command that ran before a deactivation.

        The engine may still be loading; /diagnostics says so. An engine that has failed for good refuses it.
        """
        return self._transition("activate", "active", self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop perception and destroy the subscriptions to images; engine and running command are kept."""
        return self._transition("deactivate", "inactive", self._release_active)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop the engine."""
        return self._transition("clean up", "unconfigured", self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop perception and engine, from any state."""
        return self._transition("shut down", "finalized", self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop perception and engine after an internal error, so that the node can be configured again."""
        problem = self._node_task.problem
        result = self._transition("recover", "unconfigured", self._release)
        self._node_task.problem = self._node_task.problem or problem
        return result

    def destroy_node(self) -> None:
        """Stop perception and engine, and leave the graph."""
        self._release()
        self._lifetime.close()
        super().destroy_node()
        # rclpy leaves it to the garbage collector, and it keeps the node in the graph. A node that ends so late ends
        # the /rosout of another one of its name in this process, too.
        self._state_machine.destroy_when_not_in_use()

    def _release(self) -> None:
        """Stop perception, subscriptions and engine if they run."""
        try:
            self._activated.close()
        finally:
            self._configured.close()

    def _release_active(self) -> None:
        """Stop perception and its subscriptions."""
        self._activated.close()

    def _transition(self, verb: str, goal: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        """Run a transition and log its errors, which rclpy does not report."""
        try:
            action()
        except TaihriError as error:
            logger.error("cannot %s: %s", verb, error)
            self._node_task.problem = f"cannot {verb}: {error}"
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            logger.exception("internal error: cannot %s", verb)
            self._node_task.problem = f"cannot {verb}: {error!r}"
            return TransitionCallbackReturn.ERROR
        self._node_task.state, self._node_task.problem = goal, ""
        logger.info("%s", goal)
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        parameters = self._settings.read()
        if parameters.ros4hri_enabled:
            message_class("hri_msgs/msg/IdsList")  # a missing package is an error now, not with the first person
        with ExitStack() as stack:
            engine = open_engine_for(parameters)
            stack.callback(engine.close)
            stack.enter_context(published_tasks(self._updater, engine_tasks(engine)))
            assert isinstance(engine, SupervisedEngine)
            refuse_failed(engine, CHECK_S)
            self._engine = engine
            stack.callback(setattr, self, "_engine", None)
            stack.enter_context(steady_timer(self, _ENGINE_CHECK_S, self._check_engine))
            publish_command = partial(self._outputs.publish, topics.ACTIVE_COMMAND)
            command = RunningCommand(parameters, self._messages, publish_command, self._now_ns)
            stack.callback(command.set, None)
            self._running_command = command
            # Also while the node is inactive: a `stop` must not be lost and its command run again.
            stack.enter_context(self._inputs.command(command.on_message))
            self._configured = stack.pop_all()

    def _activate(self) -> None:
        assert self._engine is not None
        refuse_failed(self._engine, 0.0)
        parameters = self._settings.read()
        with ExitStack() as stack:
            if parameters.target_frame:
                self._outputs.target = stack.enter_context(TargetFrame(self, parameters.target_frame))
            stack.callback(setattr, self._outputs, "target", None)
            application = Application(
                parameters,
                self._engine,
                self._messages,
                self._outputs,
                decode_image,
                self._now_ns,
                self._running_command,
            )
            application.start()
            stack.callback(application.stop)
            self._application, self._node_task.is_paused = application, False
            stack.callback(setattr, self, "_application", None)
            image = stack.enter_context(self._inputs.camera(application, parameters))
            tasks = scheduler_tasks(
                application.scheduler,
                lambda: self.count_publishers(image),
                lambda: application.stamp_gaps.missing,
            )
            stack.enter_context(published_tasks(self._updater, tasks))
            if parameters.bond:
                stack.enter_context(bond_of(self))
            self._activated = stack.pop_all()

    def _apply(self, parameters: Parameters) -> None:
        """Use new values of the dynamic parameters."""
        if self._application is not None:
            self._application.apply(parameters)

    def _check_engine(self) -> None:
        """Leave the active state if the engine has failed for good, so that lifecycle managers see it."""
        assert self._engine is not None
        health = self._engine.health
        if health.state is not EngineState.FAILED:
            return
        if self._application is not None:
            logger.error("the engine has failed, so the node becomes inactive: %s", health.message)
            self.trigger_deactivate()
        self._node_task.problem = failure(health.message)

    def _check_graph(self) -> None:
        namesakes = self.get_node_names_and_namespaces().count((self.get_name(), self.get_namespace()))
        self._graph.check(self._inputs.publishers, namesakes, monotonic())

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_distance(self, request: Any, response: Any) -> Any:
        try:
            for name, value in self._active_application().distance(request).items():
                setattr(response, name, value)
            response.success = True
        except TaihriError as error:
            response.message = encodable(str(error))
        return response

    def _on_enable(self, request: Any, response: Any) -> Any:
        try:
            self._active_application().enable(request.data)
            self._node_task.is_paused = not request.data
            response.success = True
            response.message = "enabled" if request.data else "paused; the running command is kept"
        except TaihriError as error:
            response.message = encodable(str(error))
        return response

    def _active_application(self) -> Application:
        if self._application is None:
            raise CommandError(f"the node is not active: ros2 lifecycle set {self.get_fully_qualified_name()} activate")
        return self._application
