"""One command, one answer: the service and the action ~/localize."""

from __future__ import annotations

import pytest
from action_msgs.msg import GoalStatus
from hosted import ACTIVATE, DEACTIVATE, Hosted, change, localize
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from robot import Robot, wait_for
from taihri_ros.action import Localize as LocalizeAction
from taihri_ros.srv import Localize


def test_each_call_of_a_burst_is_answered(hosted: Hosted, robot: Robot) -> None:
    client = robot.node.create_client(Localize, "/taihri/localize", qos_profile=QoSProfile(depth=100))
    assert client.wait_for_service(timeout_sec=10.0)
    calls = [client.call_async(Localize.Request(command="head")) for _ in range(60)]
    wait_for(lambda: all(call.done() for call in calls))
    assert {call.result().message.partition(":")[0] for call in calls} == {"the node is not active"}
    robot.node.destroy_client(client)


def test_localize_answers_without_a_running_command(active: Hosted, robot: Robot) -> None:
    answer = localize(robot)
    assert answer.success, answer.message
    assert [keypoint.name for keypoint in answer.person.keypoints] == ["head"]
    assert robot.has_stamp_of_image(answer.person.header)
    assert "total" in answer.person.stages


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "holds no words"),
        ("stop", "'stop' requests no joints"),
        ("y" * 501, "shorten it"),
        ("left_wirst, head", "did you mean left_wrist"),
        ("don't touch me", "the command is negated by"),
    ],
)
def test_localize_reports_what_is_wrong_with_a_command(
    active: Hosted, robot: Robot, command: str, message: str
) -> None:
    answer = localize(robot, command)
    assert not answer.success
    assert message in answer.message
    assert not answer.person.keypoints


def test_localize_times_out_and_the_node_keeps_running(active: Hosted, robot: Robot) -> None:
    late = localize(robot, timeout=0.01)
    assert not late.success
    assert "within 0.01 s" in late.message
    assert localize(robot).success


def test_a_goal_is_answered_with_feedback(active: Hosted, robot: Robot) -> None:
    progress: list[str] = []
    client = ActionClient(robot.node, LocalizeAction, "/taihri/localize")
    assert client.wait_for_server(timeout_sec=10.0)
    goal = LocalizeAction.Goal(command="head", timeout=20.0)
    sent = client.send_goal_async(goal, feedback_callback=lambda message: progress.append(message.feedback.progress))
    handle = wait_for(lambda: sent.done() and sent.result())
    assert handle.accepted
    answered = handle.get_result_async()
    result = wait_for(lambda: answered.done() and answered.result(), 40).result
    assert result.success, result.message
    assert [keypoint.name for keypoint in result.person.keypoints] == ["head"]
    assert set(progress) <= {"waiting for an image", "the image is being processed"}
    client.destroy()


def test_a_goal_gives_feedback_while_it_waits_and_can_be_cancelled(configured: Hosted, robot: Robot) -> None:
    configured.node.set_parameters([Parameter("image_transport", value="compressed")])  # which nobody publishes
    assert change(robot, ACTIVATE)
    progress: list[str] = []
    client = ActionClient(robot.node, LocalizeAction, "/taihri/localize")
    try:
        assert client.wait_for_server(timeout_sec=10.0)
        goal = LocalizeAction.Goal(command="head", timeout=60.0)
        sent = client.send_goal_async(
            goal, feedback_callback=lambda message: progress.append(message.feedback.progress)
        )
        handle = wait_for(lambda: sent.done() and sent.result())
        answered = handle.get_result_async()
        wait_for(lambda: "waiting for an image" in progress)
        cancelled = handle.cancel_goal_async()
        wait_for(cancelled.done)
        answer = wait_for(lambda: answered.done() and answered.result())
        assert answer.status == GoalStatus.STATUS_CANCELED
        assert answer.result.message == "the call was cancelled"
    finally:
        client.destroy()
        assert change(robot, DEACTIVATE)
        configured.node.set_parameters([Parameter("image_transport", value="raw")])
