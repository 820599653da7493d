"""The node through its lifecycle, with a real engine process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from domains import new_domain
from geometry_msgs.msg import PoseArray, TransformStamped
from hosted import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, Hosted, change, state
from rcl_interfaces.msg import Log
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot import FRAME, Diagnosis, Robot, wait_for
from std_srvs.srv import SetBool
from taihri_ros.action import Localize as LocalizeAction
from taihri_ros.msg import ActiveCommand, HumanKeypoints, Keypoint
from taihri_ros.srv import Localize
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster

from taihri_ros.node import configured_engine as engines
from taihri_ros.node import running_command
from taihri_ros.node.ros_host import lifecycle_node

Values = Callable[..., dict[str, object]]
WARNING = 30


@pytest.fixture(scope="module")
def hosted(domain: int, engine_parameters: Values) -> Iterator[Hosted]:
    with Hosted(domain, engine_parameters(diagnostics_period_s=0.2)) as hosted:
        yield hosted


@pytest.fixture(scope="module")
def configured(hosted: Hosted, robot: Robot) -> Hosted:
    """A configured node whose engine is ready, with a running camera."""
    diagnosis = Diagnosis(robot)
    robot.start_camera()
    assert change(robot, CONFIGURE)
    wait_for(lambda: diagnosis.values("taihri: engine").get("state") == "ready", 120)
    return hosted


@pytest.fixture
def active(configured: Hosted, robot: Robot) -> Iterator[Hosted]:
    assert change(robot, ACTIVATE)
    yield configured
    assert change(robot, DEACTIVATE)


def active_command(robot: Robot) -> ActiveCommand:
    """Return what a subscriber that comes late receives on ~/active_command."""
    received: list[ActiveCommand] = []
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscription = robot.node.create_subscription(ActiveCommand, "/taihri/active_command", received.append, latched)
    wait_for(lambda: received)
    robot.node.destroy_subscription(subscription)
    return received[-1]


def localize(robot: Robot, command: str = "head", timeout: float = 20.0) -> Localize.Response:
    return robot.call(Localize, "/taihri/localize", timeout_s=40.0, command=command, timeout=timeout)


def test_without_a_checkpoint_the_node_uses_the_shipped_model_and_logs_it(
    engine_parameters: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pytest plugin of launch_testing creates loggers that do not propagate.
    monkeypatch.setattr(engines.logger, "propagate", True)
    other = new_domain()
    parameters = engine_parameters(diagnostics_period_s=0.1)
    del parameters["engine.model"]
    with Robot(other) as robot, Hosted(other, parameters):
        diagnosis, log = Diagnosis(robot), robot.listen(Log, "/rosout")
        wait_for(lambda: robot.node.count_publishers("/rosout") > 0)
        assert change(robot, CONFIGURE)
        assert state(robot) == "inactive"
        (entry,) = wait_for(lambda: [each for each in log if "engine.model" in each.msg])
        assert (entry.name, entry.level) == ("taihri", WARNING)
        assert "is not set: using taihri-nano" in entry.msg
        wait_for(lambda: diagnosis.values("taihri: engine").get("state") == "ready", 120)
        assert diagnosis.values("taihri: engine")["model"] == "taihri-nano"
        assert change(robot, CLEANUP)


@pytest.mark.parametrize("wrong", ["engine.model", "engine.python"])
def test_configure_fails_where_checkpoint_or_interpreter_are_missing(
    engine_parameters: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setattr(lifecycle_node, "CHECK_S", 60.0)  # a busy machine
    other, missing = new_domain(), str(tmp_path / "missing")
    with Robot(other) as robot, Hosted(other, engine_parameters(**{wrong: missing, "diagnostics_period_s": 0.1})):
        diagnosis = Diagnosis(robot)
        assert not change(robot, CONFIGURE)
        assert state(robot) == "unconfigured"
        status = wait_for(lambda: (found := diagnosis.status("taihri: node")) and found.level == b"\x02" and found)
        assert status.message.startswith("cannot configure: ")
        assert missing in status.message


def test_an_engine_that_has_given_up_makes_the_node_inactive(engine_parameters: Values) -> None:
    other = new_domain()
    parameters = engine_parameters(**{"engine.max_restarts": 0, "diagnostics_period_s": 0.1})
    with Robot(other) as robot, Hosted(other, parameters):
        diagnosis = Diagnosis(robot)
        assert change(robot, CONFIGURE)
        assert change(robot, ACTIVATE)
        wait_for(lambda: "engine loading" in (status := diagnosis.status("taihri: node")).message and status)
        wait_for(lambda: diagnosis.values("taihri: engine").get("state") == "ready", 120)
        wait_for(lambda: diagnosis.status("taihri: node").message == "active")
        os.killpg(int(diagnosis.values("taihri: engine")["pid"]), signal.SIGKILL)
        wait_for(lambda: state(robot) == "inactive")
        wait_for(lambda: "gave up" in diagnosis.status("taihri: node").message)
        assert not change(robot, ACTIVATE)
        assert change(robot, CLEANUP)
        assert change(robot, CONFIGURE)
        assert change(robot, ACTIVATE)


def test_an_impossible_transition_is_refused_and_the_node_runs_on(hosted: Hosted, robot: Robot) -> None:
    before = state(robot)
    assert not change(robot, 255)
    assert not change(robot, DEACTIVATE)
    assert state(robot) == before


def test_an_answer_has_the_stamp_and_frame_of_its_image(active: Hosted, robot: Robot) -> None:
    poses, people = robot.listen(PoseArray, "/taihri/keypoints"), robot.listen(HumanKeypoints, "/taihri/person")
    robot.send_command("left_wrist, right_wrist")
    wait_for(lambda: len(poses) > 1 and len(people) > 1)
    assert all(robot.has_stamp_of_image(message.header) for message in [*poses, *people])
    assert [keypoint.name for keypoint in people[-1].keypoints] == ["left_wrist", "right_wrist"]


def test_the_thresholds_change_while_the_node_is_active(active: Hosted, robot: Robot) -> None:
    poses, people = robot.listen(PoseArray, "/taihri/keypoints"), robot.listen(HumanKeypoints, "/taihri/person")

    def set_threshold(name: str, value: float) -> None:
        change = [Parameter(name, value=value).to_parameter_msg()]
        assert robot.call(SetParameters, "/taihri/set_parameters", parameters=change).results[0].successful

    def next_person() -> HumanKeypoints:
        seen = len(people)
        return wait_for(lambda: people[-1] if len(people) > seen + 2 else None)

    robot.send_command("left_wrist")
    person = next_person()
    assert (person.min_confidence, person.min_presence) == (0.0, 0.0), "those of the checkpoint"
    assert 0.0 <= person.presence <= 1.0
    try:
        set_threshold("min_confidence", 1.0)
        person = next_person()
        (wrist,) = person.keypoints
        assert (person.min_confidence, wrist.state) == (1.0, Keypoint.LOW_CONFIDENCE)
        assert np.isnan([wrist.position.x, *wrist.covariance, wrist.u]).all()
        assert 0.0 <= wrist.confidence < 1.0
        wait_for(lambda: not poses[-1].poses)
        set_threshold("min_presence", 1.0)
        person = next_person()
        assert (person.min_presence, person.keypoints[0].state) == (1.0, Keypoint.NOBODY)
    finally:
        set_threshold("min_confidence", -1.0)
        set_threshold("min_presence", -1.0)
    assert next_person().min_confidence == 0.0


def test_a_refused_command_leaves_the_running_one_unchanged(active: Hosted, robot: Robot) -> None:
    poses = robot.listen(PoseArray, "/taihri/keypoints")
    robot.send_command("left_wrist")
    wait_for(lambda: poses)
    robot.send_command("x" * 1_000_000)
    seen = len(poses)
    wait_for(lambda: len(poses) > seen + 1)


def test_a_deactivated_node_publishes_and_subscribes_to_nothing(configured: Hosted, robot: Robot) -> None:
    poses = robot.listen(PoseArray, "/taihri/keypoints")
    assert change(robot, ACTIVATE)
    robot.send_command("left_wrist")
    wait_for(lambda: poses)
    assert change(robot, DEACTIVATE)
    time.sleep(0.3)
    seen = len(poses)
    time.sleep(1.0)
    assert len(poses) == seen
    assert not robot.node.count_subscribers("/image")
    assert localize(robot).message.startswith("the node is not active")


def test_the_running_command_survives_a_deactivation(configured: Hosted, robot: Robot) -> None:
    assert change(robot, ACTIVATE)
    robot.send_command("left_wrist")
    wait_for(lambda: active_command(robot).text == "left_wrist")
    assert change(robot, DEACTIVATE)
    poses = robot.listen(PoseArray, "/taihri/keypoints")
    people = robot.listen(HumanKeypoints, "/taihri/person")
    assert change(robot, ACTIVATE)
    wait_for(lambda: poses and people)
    assert people[-1].command == "left_wrist"
    assert change(robot, DEACTIVATE)


def test_stop_is_heard_while_the_node_is_inactive(configured: Hosted, robot: Robot) -> None:
    assert change(robot, ACTIVATE)
    robot.send_command("left_wrist")
    wait_for(lambda: active_command(robot).text == "left_wrist")
    assert change(robot, DEACTIVATE)
    robot.send_command("Stop!")
    wait_for(lambda: active_command(robot).text == "")
    poses = robot.listen(PoseArray, "/taihri/keypoints")
    assert change(robot, ACTIVATE)
    time.sleep(2.0)
    assert change(robot, DEACTIVATE)
    assert not poses


def test_a_late_subscriber_receives_the_active_command(active: Hosted, robot: Robot) -> None:
    robot.send_command("left_wrist, head")
    wait_for(lambda: active_command(robot).text == "left_wrist, head")
    message = active_command(robot)
    assert (message.source, list(message.joints)) == (ActiveCommand.NAMED, ["head", "left_wrist"])
    assert message.since.sec > 1_700_000_000


def test_a_negated_command_is_answered_with_no_joint(active: Hosted, robot: Robot) -> None:
    poses = robot.listen(PoseArray, "/taihri/keypoints")
    robot.send_command("do not touch left_wrist")
    wait_for(lambda: active_command(robot).text == "do not touch left_wrist")
    seen = len(poses)
    wait_for(lambda: len(poses) > seen + 1)
    assert not poses[-1].poses
    message = active_command(robot)
    assert (message.source, list(message.joints)) == (ActiveCommand.NONE, [])
    assert message.reason.startswith("the command is negated by 'do not'")


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


def test_a_paused_node_continues_with_its_command(active: Hosted, robot: Robot) -> None:
    poses = robot.listen(PoseArray, "/taihri/keypoints")
    robot.send_command("left_wrist")
    wait_for(lambda: poses)
    assert robot.call(SetBool, "/taihri/enable", data=False).success
    time.sleep(0.5)
    seen = len(poses)
    time.sleep(1.0)
    assert len(poses) == seen
    assert robot.call(SetBool, "/taihri/enable", data=True).success
    wait_for(lambda: len(poses) > seen)


def test_frames_change_while_the_node_is_active_and_other_parameters_do_not(active: Hosted, robot: Robot) -> None:
    def set_parameter(name: str, value: object) -> tuple[bool, str]:
        request = [Parameter(name, value=value).to_parameter_msg()]
        (result,) = robot.call(SetParameters, "/taihri/set_parameters", parameters=request).results
        return result.successful, result.reason

    transforms = robot.listen(TFMessage, "/tf")
    robot.send_command("left_wrist")
    try:
        assert set_parameter("tf_prefix", "guest/") == (True, "")
        wait_for(lambda: any(each.child_frame_id.startswith("guest/") for m in transforms for each in m.transforms))
        successful, reason = set_parameter("xy_source", "pixel")
        assert not successful
        assert reason == "xy_source cannot change while the node is active: ros2 lifecycle set /taihri deactivate"
    finally:
        set_parameter("tf_prefix", "person/")


def test_rosout_names_the_line_that_logs(active: Hosted, robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_command.logger, "propagate", True)  # see above
    log = robot.listen(Log, "/rosout")
    wait_for(lambda: robot.node.count_publishers("/rosout") > 0)
    time.sleep(0.5)
    robot.send_command("right_wrist")
    (entry,) = wait_for(lambda: [each for each in log if each.msg == "command: right_wrist"])
    assert entry.file.endswith("taihri_ros/node/running_command.py")
    assert entry.line > 0


def test_poses_are_published_in_the_target_frame_at_the_images_stamp(configured: Hosted, robot: Robot) -> None:
    configured.node.set_parameters([Parameter("target_frame", value="base")])
    diagnosis = Diagnosis(robot)
    assert change(robot, ACTIVATE)
    try:
        poses = robot.listen(PoseArray, "/taihri/keypoints")
        people = robot.listen(HumanKeypoints, "/taihri/person")
        robot.send_command("left_wrist, right_wrist")
        wait_for(lambda: int(diagnosis.values("taihri: perception").get("dropped.not_published", 0)) > 0)
        assert not poses
        answer = localize(robot)
        assert not answer.success
        assert "no transform from 'camera_optical_frame' to target_frame 'base'" in answer.message

        transform = TransformStamped()
        transform.header.frame_id, transform.child_frame_id = "base", FRAME
        transform.transform.translation.z = 10.0
        transform.transform.rotation.x, transform.transform.rotation.w = np.sin(np.pi / 4), np.cos(np.pi / 4)
        StaticTransformBroadcaster(robot.node).sendTransform(transform)
        wait_for(lambda: poses and people)
        header = poses[-1].header
        assert header.frame_id == "base"
        assert (header.stamp.sec, header.stamp.nanosec) in robot.stamps
        # A rotation by 90 degrees about x maps y (down) to z and z (forward) to -y.
        for keypoint in people[-1].keypoints:
            if keypoint.state == keypoint.MEASURED:
                assert -4.0 <= keypoint.position.y <= 0.0
                assert 7.5 <= keypoint.position.z <= 12.5
    finally:
        assert change(robot, DEACTIVATE)
        configured.node.set_parameters([Parameter("target_frame", value="")])


def test_cleanup_stops_the_engine_and_the_node_can_be_configured_again(configured: Hosted, robot: Robot) -> None:
    diagnosis = Diagnosis(robot)
    pid = int(wait_for(lambda: diagnosis.values("taihri: engine").get("pid")))
    os.kill(pid, 0)
    assert change(robot, CLEANUP)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert change(robot, CONFIGURE)
    assert state(robot) == "inactive"
