"""An error in a callback of rclpy's own or of ours does not end the node, and every request is answered."""

from __future__ import annotations

from threading import Event, Thread

import pytest
from domains import new_domain
from hosted import ACTIVATE, CONFIGURE, DEACTIVATE, Hosted, change, state
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.node import Node
from robot import Diagnosis, Robot, wait_for
from std_msgs.msg import String
from std_srvs.srv import SetBool

from taihri_ros.node.ros_host import process


@pytest.mark.handles(
    "Settings and DDS", "a request to set a parameter of an unknown type", "answered without success, and logged"
)
def test_a_parameter_of_an_unknown_type_is_answered(hosted: Hosted, robot: Robot) -> None:
    unknown = Parameter(name="tf_prefix", value=ParameterValue(type=11))
    assert not robot.call(SetParameters, "/taihri/set_parameters", parameters=[unknown]).results
    assert state(robot) == "unconfigured"


def test_a_service_whose_callback_fails_is_answered(
    hosted: Hosted, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted.node, "_active_application", lambda: 1 / 0)
    answer = robot.call(SetBool, "/taihri/enable", data=False)
    assert not answer.success
    assert "internal error: ZeroDivisionError" in answer.message
    assert state(robot) == "unconfigured"


def test_the_callbacks_go_on_after_an_error_and_end_with_their_context() -> None:
    domain, context, received, ended = new_domain(), Context(), [], Event()
    context.init(domain_id=domain)
    node = Node("listener", context=context)

    def receive(message: String) -> None:
        received.append(message.data)
        raise ValueError(message.data)

    node.create_subscription(String, "words", receive, 10)
    statuses: list[int] = []
    thread = Thread(target=lambda: statuses.append(process.spin(node, ended.is_set)))
    thread.start()
    with Robot(domain) as robot:
        words = robot.node.create_publisher(String, "words", 10)
        wait_for(lambda: words.get_subscription_count())
        for number in range(3):
            words.publish(String(data=str(number)))
            wait_for(lambda: len(received) > number)  # noqa: B023 - it is called at once
    context.try_shutdown()
    thread.join(20)
    assert statuses == [1]


@pytest.mark.parametrize(("transition", "method"), [(ACTIVATE, "_activate"), (DEACTIVATE, "_release_active")])
def test_an_internal_error_of_a_transition_takes_the_node_to_unconfigured(
    monkeypatch: pytest.MonkeyPatch, transition: int, method: str
) -> None:
    domain = new_domain()
    nobody = {"engine.kind": "openai", "engine.model": "taihri", "engine.url": "http://127.0.0.1:9/v1"}
    with Robot(domain) as robot, Hosted(domain, nobody | {"diagnostics_period_s": 0.1}) as hosted:
        diagnosis = Diagnosis(robot)
        assert change(robot, CONFIGURE)
        if transition == DEACTIVATE:
            assert change(robot, ACTIVATE)
        with monkeypatch.context() as patch:
            patch.setattr(hosted.node, method, lambda: 1 / 0)
            assert not change(robot, transition)
        assert state(robot) == "unconfigured"
        wait_for(lambda: "ZeroDivisionError" in diagnosis.status("taihri: node").message)
        assert change(robot, CONFIGURE)
        assert change(robot, ACTIVATE)
        wait_for(lambda: "ZeroDivisionError" not in diagnosis.status("taihri: node").message)
