"""The node through its lifecycle, with a real engine process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from domains import new_domain
from geometry_msgs.msg import PoseArray, TransformStamped
from hosted import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, Hosted, change, state
from rcl_interfaces.msg import Log
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot import FRAME, Diagnosis, Robot, wait_for
from taihri_ros.msg import ActiveCommand, HumanKeypoints, Keypoint
from taihri_ros.srv import Localize
from tf2_ros import StaticTransformBroadcaster

from taihri_ros.node import configured_engine as engines

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


def test_a_wrong_checkpoint_is_an_error_of_the_engine_on_diagnostics(engine_parameters: Values, tmp_path: Path) -> None:
    other = new_domain()
    parameters = engine_parameters(**{"engine.model": str(tmp_path), "diagnostics_period_s": 0.1})
    with Robot(other) as robot, Hosted(other, parameters):
        diagnosis = Diagnosis(robot)
        assert change(robot, CONFIGURE)
        wait_for(lambda: diagnosis.values("taihri: engine").get("state") == "failed", 60)
        status = diagnosis.status("taihri: engine")
        assert status.level == b"\x02"
        assert str(tmp_path) in status.message
        assert status.hardware_id == str(tmp_path)


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
