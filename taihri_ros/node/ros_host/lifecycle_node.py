"""The node /taihri as a lifecycle node: the engine runs from configure to cleanup, perception while active."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from time import monotonic
from typing import Any

from diagnostic_updater import Updater
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import SubscriptionEventCallbacks  # its own module has other names in other distributions
from rclpy.qos import DurabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.timer import Timer
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
from taihri_ros.node.messages import Messages
from taihri_ros.node.node_names import hardware_id, status_prefix
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.ros_host.bond import bond_of
from taihri_ros.node.ros_host.diagnostic_tasks import published_tasks
from taihri_ros.node.ros_host.localize_queries import LocalizeQueries
from taihri_ros.node.ros_host.log import RosLogHandler
from taihri_ros.node.ros_host.message_classes import message_class, sequence
from taihri_ros.node.ros_host.node_task import CHECK_S, NodeTask, failure, refuse_failed
from taihri_ros.node.ros_host.outputs import RosOutputs, qos_profile
from taihri_ros.node.ros_host.ros_parameters import RosParameters
from taihri_ros.node.ros_host.target_frame import TargetFrame
from taihri_ros.node.ros_host.transitions import refuse_impossible_transitions
from taihri_ros.node.running_command import RunningCommand
from taihri_ros.node.topics import NODE_NAME, Topic
from taihri_ros.srv import Distance

logger = logging.getLogger(__name__)

_NO_CAMERA_WARNING_S = 5.0
"""Time in seconds without an image publisher until the warning."""

_ENGINE_CHECK_S = 0.5
"""Period in which the node looks whether the engine has failed for good, seconds."""

_GRAPH_CHECK_S = 2.0
"""Period in which the node looks at the graph, seconds."""

_LATCHED_CHECK_S = 0.5
"""Period in which the node looks for publishers that keep their camera_info for late subscribers, seconds."""


class TaihriNode(LifecycleNode):  # type: ignore[misc]  # rclpy is not typed
    """The lifecycle node, which passes messages between ROS and the application.

    Its executor has one thread; the perception loop runs in another.
    """

    def __init__(self, **options: Any) -> None:
        """Create the node, unconfigured.

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
        self._outputs = RosOutputs(self)
        self._messages = Messages(message_class, sequence)
        self._node_task = NodeTask(lambda: None if self._engine is None else self._engine.health.state)
        self._updater = Updater(self, self._settings.read().diagnostics_period_s)
        self._updater.node_name = status_prefix(full_name)
        self._updater.setHardwareID(hardware_id(full_name, self._settings.read().engine_model))
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
        self._inputs: list[str] = []
        self._graph = GraphWarnings(full_name)
        self._create_steady_timer(_GRAPH_CHECK_S, self._check_graph, self._lifetime)

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
        return self._transition("deactivate", "inactive", self._activated.close)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop the engine."""
        return self._transition("clean up", "unconfigured", self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop perception and engine, from any state."""
        return self._transition("shut down", "finalized", self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop perception and engine after an error, so that the node can be configured again."""
        return self._transition("recover", "unconfigured", self._release)

    def destroy_node(self) -> None:
        """Stop perception and engine, and leave the graph."""
        self._release()
        self._lifetime.close()
        super().destroy_node()

    def _release(self) -> None:
        """Stop perception, subscriptions and engine if they run."""
        self._activated.close()
        self._configured.close()

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
            return TransitionCallbackReturn.FAILURE
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
            self._create_steady_timer(_ENGINE_CHECK_S, self._check_engine, stack)
            publish_command = partial(self._outputs.publish, topics.ACTIVE_COMMAND)
            command = RunningCommand(parameters, self._messages, publish_command, self._now_ns)
            stack.callback(command.set, None)
            self._running_command = command
            # Also while the node is inactive: a `stop` must not be lost and its command run again.
            self._subscribe(topics.COMMAND, command.on_message, stack)
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
            image = self._subscribe_inputs(application, parameters, stack)
            tasks = scheduler_tasks(
                application.scheduler,
                lambda: self.count_publishers(image.topic_name),
                lambda: application.stamp_gaps.missing,
            )
            stack.enter_context(published_tasks(self._updater, tasks))
            self._watch_for_camera(image, stack)
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
        publishers = {topic: self.count_publishers(topic) for topic in self._inputs}
        self._graph.check(publishers, namesakes, monotonic())

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _subscribe(self, topic: Topic, callback: Callable[[Any], None], stack: ExitStack) -> Subscription:
        subscription = self.create_subscription(
            message_class(topic.type),
            topic.name,
            callback,
            qos_profile(topic),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        stack.callback(self.destroy_subscription, subscription)
        return subscription

    def _subscribe_input(self, topic: Topic, callback: Callable[[Any], None], stack: ExitStack) -> Subscription:
        """Subscribe to a topic that must have one publisher only."""
        subscription = self._subscribe(topic, callback, stack)
        self._inputs.append(subscription.topic_name)
        stack.callback(self._inputs.remove, subscription.topic_name)
        return subscription

    def _subscribe_inputs(self, application: Application, parameters: Parameters, stack: ExitStack) -> Subscription:
        """Subscribe to the inputs of perception, and return the subscription to the images."""
        camera_info = self._subscribe_input(topics.CAMERA_INFO, application.on_camera_info, stack)
        self._subscribe_latched(camera_info.topic_name, application, stack)
        if parameters.depth_enabled:
            self._subscribe_input(topics.depth_input(parameters.depth_transport), application.on_depth, stack)
        if parameters.people_enabled and parameters.people_detections:
            self._subscribe_input(topics.DETECTIONS, application.on_detections, stack)
        if parameters.image_transport == "compressed":
            return self._subscribe_input(topics.COMPRESSED_IMAGE, application.on_compressed_image, stack)
        return self._subscribe_input(topics.IMAGE, application.on_image, stack)

    def _subscribe_latched(self, camera_info: str, application: Application, stack: ExitStack) -> None:
        """Subscribe to the last CameraInfo that a publisher keeps, as soon as there is such a publisher.

        Without one, the subscription would only cause warnings about incompatible QoS in the camera driver. The graph
        may lack a publisher, so that images without a CameraInfo are a reason, too.
        """

        def check() -> None:
            publishers = self.get_publishers_info_by_topic(camera_info)
            latched = any(each.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL for each in publishers)
            if latched or application.lacks_camera_info:
                timer.cancel()
                topic = topics.LATCHED_CAMERA_INFO
                subscription = self.create_subscription(
                    message_class(topic.type),
                    topic.name,
                    application.on_camera_info,
                    qos_profile(topic),
                    event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
                )
                self._activated.callback(self.destroy_subscription, subscription)

        timer = self._create_steady_timer(_LATCHED_CHECK_S, check, stack)

    def _create_steady_timer(self, period_s: float, callback: Callable[[], None], stack: ExitStack) -> Timer:
        """Create a timer that ignores simulated time, which may not advance."""
        timer = self.create_timer(period_s, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))
        stack.callback(self.destroy_timer, timer)
        return timer

    def _watch_for_camera(self, image: Subscription, stack: ExitStack) -> None:
        """Log once if no camera publishes."""

        def check() -> None:
            timer.cancel()
            if not self.count_publishers(image.topic_name):
                logger.warning(
                    "no publisher on %s: start the camera, or launch with image:=/camera/... (-r image:=/camera/...)",
                    image.topic_name,
                )

        timer = self._create_steady_timer(_NO_CAMERA_WARNING_S, check, stack)

    def _on_distance(self, request: Any, response: Any) -> Any:
        try:
            for name, value in self._active_application().distance(request).items():
                setattr(response, name, value)
            response.success = True
        except TaihriError as error:
            response.message = str(error)
        return response

    def _on_enable(self, request: Any, response: Any) -> Any:
        try:
            self._active_application().enable(request.data)
            self._node_task.is_paused = not request.data
            response.success = True
            response.message = "enabled" if request.data else "paused; the running command is kept"
        except TaihriError as error:
            response.message = str(error)
        return response

    def _active_application(self) -> Application:
        if self._application is None:
            raise CommandError(f"the node is not active: ros2 lifecycle set {self.get_fully_qualified_name()} activate")
        return self._application
