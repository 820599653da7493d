"""The rclpy host: calibrations that were latched before it started, and images whose header TF cannot use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from geometry_msgs.msg import PoseArray, TransformStamped
from hosted import ACTIVATE, CONFIGURE, DEACTIVATE, Hosted, change
from rcl_interfaces.msg import Log
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from robot import FRAME, Diagnosis, Robot, camera_info, image, wait_for
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster

from taihri_ros.node import header_checks
from taihri_ros.pipeline import scheduler

Values = Callable[..., dict[str, object]]
WARNING = 30


@pytest.fixture(autouse=True)
def _propagate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what the pytest plugin of launch_testing does: it creates loggers that do not propagate."""
    for logger in (header_checks.logger, scheduler.logger):
        monkeypatch.setattr(logger, "propagate", True)


@pytest.fixture(scope="module")
def hosted(domain: int, engine_parameters: Values, robot: Robot) -> Iterator[Hosted]:
    """A configured node whose engine is ready; it accepts every joint of the random model."""
    parameters = {
        "command.initial": "left_wrist",
        "min_confidence": 0.0,
        "min_presence": 0.0,
        "diagnostics_period_s": 0.2,
    }
    with Hosted(domain, engine_parameters(**parameters)) as hosted:
        diagnosis = Diagnosis(robot)
        assert change(robot, CONFIGURE)
        diagnosis.wait_until_ready()
        yield hosted


@pytest.fixture
def active(hosted: Hosted, robot: Robot) -> Iterator[Hosted]:
    """An active node, and a camera_info that was latched before it was activated."""
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    infos = robot.node.create_publisher(CameraInfo, "camera_info", latched)
    infos.publish(camera_info())
    assert change(robot, ACTIVATE)
    yield hosted
    assert change(robot, DEACTIVATE)
    robot.node.destroy_publisher(infos)


def send_images(robot: Robot, frame_id: str, until: Callable[[], object]) -> None:
    """Publish images of a frame until a condition is true."""
    images = robot.node.create_publisher(Image, "image", qos_profile_sensor_data)
    message = image()
    message.header.frame_id = frame_id

    def send() -> object:
        message.header.stamp = robot.node.get_clock().now().to_msg()
        images.publish(message)
        return until()

    wait_for(send)
    robot.node.destroy_publisher(images)


def warnings(log: list[Log], text: str) -> list[str]:
    """Return the warnings of the node that hold a text."""
    return [each.msg for each in log if each.name.startswith("taihri") and each.level >= WARNING and text in each.msg]


@pytest.mark.handles("Calibration", "camera_info latched before the node started (ROS host)", "it is received and used")
def test_a_calibration_that_was_latched_before_the_activation_is_used(active: Hosted, robot: Robot) -> None:
    poses, log = robot.listen(PoseArray, "/taihri/keypoints"), robot.listen(Log, "/rosout")
    send_images(robot, FRAME, lambda: poses)
    assert poses[0].header.frame_id == FRAME
    assert not warnings(log, "incompatible")


@pytest.mark.handles("Frames and stamps", "frame_id that is empty (ROS host)", "poses without TF; logged once")
def test_without_a_frame_id_the_poses_are_published_and_no_transforms(active: Hosted, robot: Robot) -> None:
    poses, log = robot.listen(PoseArray, "/taihri/keypoints"), robot.listen(Log, "/rosout")
    transforms = robot.listen(TFMessage, "/tf")
    send_images(robot, "", lambda: len(poses) > 2)
    assert {each.header.frame_id for each in poses} == {""}
    assert any(each.poses for each in poses)
    wait_for(lambda: warnings(log, "the images have no frame_id"))
    assert len(warnings(log, "the images have no frame_id")) == 1
    assert not transforms
    send_images(robot, FRAME, lambda: transforms)
    assert {each.header.frame_id for message in transforms for each in message.transforms} == {FRAME}


def test_the_target_frame_needs_a_frame_id_and_ignores_its_leading_slash(hosted: Hosted, robot: Robot) -> None:
    hosted.node.set_parameters([Parameter("target_frame", value="base")])
    infos = robot.node.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
    log = robot.listen(Log, "/rosout")
    assert change(robot, ACTIVATE)
    try:
        poses = robot.listen(PoseArray, "/taihri/keypoints")
        send_images(
            robot, "", lambda: infos.publish(camera_info()) or warnings(log, "an image without a frame_id has no place")
        )
        assert not poses
        transform = TransformStamped()
        transform.header.frame_id, transform.child_frame_id = "base", FRAME
        transform.transform.rotation.w = 1.0
        StaticTransformBroadcaster(robot.node).sendTransform(transform)
        send_images(robot, f"/{FRAME}", lambda: poses)
        assert poses[0].header.frame_id == "base"
    finally:
        assert change(robot, DEACTIVATE)
        hosted.node.set_parameters([Parameter("target_frame", value="")])
        robot.node.destroy_publisher(infos)


def test_a_command_does_not_wait_for_tf_that_never_comes(hosted: Hosted, robot: Robot) -> None:
    hosted.node.set_parameters([Parameter("target_frame", value="nowhere")])
    infos = robot.node.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
    diagnosis = Diagnosis(robot)
    assert change(robot, ACTIVATE)
    try:
        send_images(
            robot,
            FRAME,
            lambda: (
                infos.publish(camera_info())
                or int(diagnosis.values("taihri: perception").get("dropped.not_published", 0)) > 0
            ),
        )
        robot.send_command("head")
        wait_for(lambda: diagnosis.values("taihri: perception").get("command") == "head")
    finally:
        assert change(robot, DEACTIVATE)
        hosted.node.set_parameters([Parameter("target_frame", value="")])
        robot.node.destroy_publisher(infos)
