"""The node through its lifecycle, with a real engine process."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from domains import new_domain
from geometry_msgs.msg import PoseArray, TransformStamped
from hosted import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, Hosted, change, localize, state
from rcl_interfaces.msg import Log
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from robot import FRAME, Diagnosis, Robot, wait_for
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from taihri_ros.msg import ActiveCommand, HumanKeypoints, Keypoint
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster

from taihri_ros.node import configured_engine as engines
from taihri_ros.node import graph_warnings, running_command
from taihri_ros.node.ros_host import lifecycle_node

Values = Callable[..., dict[str, object]]
WARNING = 30


def active_command(robot: Robot) -> ActiveCommand:
    """Return what a subscriber that comes late receives on ~/active_command."""
    received: list[ActiveCommand] = []
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscription = robot.node.create_subscription(ActiveCommand, "/taihri/active_command", received.append, latched)
    wait_for(lambda: received)
    robot.node.destroy_subscription(subscription)
    return received[-1]


def test_with_autostart_the_node_is_active_from_its_start() -> None:
    nobody = {"engine.kind": "openai", "engine.model": "taihri", "engine.url": "http://127.0.0.1:9/v1"}
    other = new_domain()
    with Robot(other) as robot, Hosted(other, nobody | {"autostart": True}):
        assert state(robot) == "active"


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
        diagnosis.wait_until_ready()
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
        diagnosis.wait_until_ready()
        wait_for(lambda: diagnosis.status("taihri: node").message == "active")
        os.killpg(int(diagnosis.values("taihri: engine")["pid"]), signal.SIGKILL)
        wait_for(lambda: state(robot) == "inactive")
        wait_for(lambda: "gave up" in diagnosis.status("taihri: node").message)
        assert not change(robot, ACTIVATE)
        assert change(robot, CLEANUP)
        assert change(robot, CONFIGURE)
        assert change(robot, ACTIVATE)


def test_a_destroyed_node_leaves_the_graph_at_once() -> None:
    other, context = new_domain(), Context()
    gc.disable()
    with Robot(other) as robot:
        context.init(domain_id=other)
        node = lifecycle_node.TaihriNode(context=context)
        try:
            wait_for(lambda: "taihri" in robot.node.get_node_names())
            node.destroy_node()
            wait_for(lambda: "taihri" not in robot.node.get_node_names())
        finally:
            gc.enable()
            context.try_shutdown()


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


def test_a_second_camera_and_a_second_node_are_warned_of(
    active: Hosted, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_warnings, "SETTLED_S", 0.0)
    monkeypatch.setattr(graph_warnings.logger, "propagate", True)  # see above
    log = robot.listen(Log, "/rosout")

    def logged(text: str) -> bool:
        return any(text in each.msg for each in log)

    second_camera = robot.node.create_publisher(Image, "image", qos_profile_sensor_data)
    second_node = Node("taihri", context=robot.context)
    try:
        wait_for(lambda: logged("2 publishers on /image: their messages are mixed up"))
        wait_for(lambda: logged("2 nodes are named /taihri: every result is published 2 times"))
    finally:
        second_node.destroy_node()
        robot.node.destroy_publisher(second_camera)


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
