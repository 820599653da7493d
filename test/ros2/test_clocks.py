"""Simulated time: a clock that jumps, loops, stands still or is not there does not wedge the node."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import pytest
from geometry_msgs.msg import PoseArray, TransformStamped
from hosted import ACTIVATE, CONFIGURE, DEACTIVATE, Hosted, change
from rcl_interfaces.msg import Log
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from reliability import Figure, size
from robot import FRAME, Diagnosis, Robot, camera_info, image
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from tf2_ros import TransformBroadcaster

Values = Callable[..., dict[str, object]]
ERROR = 40

NOW_S = 5000
CLOCKS: dict[str, Callable[[int], float]] = {
    "runs": lambda number: NOW_S + 0.1 * number,
    "100 s back": lambda number: NOW_S - 100 + 0.1 * number,
    "an hour ahead": lambda number: NOW_S + 3600 + 0.1 * number,
    "loops of 2 s": lambda number: NOW_S + 0.1 * (number % 20),
    "stands still": lambda _: NOW_S,
    "from zero": lambda number: 0.1 * number,
    "stands at zero": lambda _: 0.0,
    "runs again": lambda number: NOW_S + 0.1 * number,
}
"""Time of a step in s, by name."""


class SimulatedRobot:
    """A camera, transforms and /clock that follow simulated time."""

    def __init__(self, robot: Robot) -> None:
        node = robot.node
        self._clock = node.create_publisher(Clock, "/clock", 10)
        self._images = node.create_publisher(Image, "image", qos_profile_sensor_data)
        self._infos = node.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
        self._transforms = TransformBroadcaster(node)
        self._image, self._info = image(), camera_info()

    def step(self, time_s: float) -> None:
        """Publish the time, and a transform and an image of it."""
        now = Time(seconds=time_s).to_msg()
        self._clock.publish(Clock(clock=now))
        transform = TransformStamped()
        transform.header.stamp, transform.header.frame_id, transform.child_frame_id = now, "base", FRAME
        transform.transform.rotation.w = 1.0
        self._transforms.sendTransform(transform)
        for message in (self._info, self._image):
            message.header.stamp, message.header.frame_id = now, FRAME
        self._infos.publish(self._info)
        self._images.publish(self._image)
        time.sleep(0.05)


@pytest.fixture(scope="module")
def hosted(domain: int, engine_parameters: Values, robot: Robot) -> Iterator[Hosted]:
    """A configured node on simulated time, before anybody publishes it. Its engine is ready."""
    parameters = {
        "use_sim_time": True,
        "command.initial": "left_wrist",
        "min_confidence": 0.0,
        "min_presence": 0.0,
        "filter.enabled": True,
        "guards.max_speed_m_s": 5.0,
        "target_frame": "base",
        "diagnostics_period_s": 0.2,
    }
    with Hosted(domain, engine_parameters(**parameters)) as hosted:
        diagnosis = Diagnosis(robot)
        assert change(robot, CONFIGURE)
        diagnosis.wait_until_ready()
        yield hosted


@pytest.mark.fault(
    "Clocks",
    "rclpy host with `use_sim_time`, motion filter, speed limit and a `target_frame` from TF that follows `/clock`",
    "no wedge: images are answered under each clock, diagnostics go on, no error in the log",
)
def test_simulated_time_does_not_wedge_the_node(hosted: Hosted, robot: Robot, figure: Figure) -> None:
    log, poses, rounds = robot.listen(Log, "/rosout"), robot.listen(PoseArray, "/taihri/keypoints"), size(1, 50)
    diagnosis = Diagnosis(robot)
    assert change(robot, ACTIVATE)
    try:
        simulated = SimulatedRobot(robot)
        for name, clock in [each for _ in range(rounds) for each in CLOCKS.items()]:
            answers, reports = len(poses), diagnosis.count
            began, steps = time.monotonic(), itertools.count()
            while len(poses) < answers + 5 or diagnosis.count < reports + 2:
                assert time.monotonic() < began + 60, f"no answers, or no diagnostics, with a clock that {name}"
                simulated.step(clock(next(steps)))
        assert {each.header.frame_id for each in poses} == {"base"}
    finally:
        assert change(robot, DEACTIVATE)
    assert [each.msg for each in log if each.name.startswith("taihri") and each.level >= ERROR] == []
    figure(f"{', '.join(CLOCKS)}: answered, {rounds} times each")
