"""The rclpy host under load and on bad networks: lost images, cameras that leave, an interface that goes down."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import PoseArray
from hosted import ACTIVATE, CONFIGURE, change
from node_process import node, node_command
from private_network import LEFT, RIGHT, Cable, Peer, outages
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from rclpy.utilities import get_rmw_implementation_identifier
from reliability import Figure, size
from robot import Diagnosis, Robot, wait_for
from robot_process import start_camera

Values = Callable[..., dict[str, object]]

LEASE_S = 12.0
"""Longer than 10 s, after which DDS participants that hear nothing of each other forget each other."""


@pytest.fixture
def active(engine_parameters: Values) -> Iterator[tuple[Robot, Diagnosis]]:
    """The robot of an active node, whose engine is ready, and the node's diagnostics."""
    parameters = engine_parameters(**{"command.initial": "left_wrist", "diagnostics_period_s": 0.2})
    with node(parameters) as (_, robot):
        diagnosis = Diagnosis(robot)
        assert change(robot, CONFIGURE)
        assert change(robot, ACTIVATE)
        diagnosis.wait_until_ready()
        yield robot, diagnosis


def images_in(diagnosis: Diagnosis) -> int:
    """Return how many images have arrived."""
    return int(diagnosis.values("taihri: perception").get("frames_in", 0))


def perception_at_rest(diagnosis: Diagnosis) -> dict[str, int]:
    """Return the counters once no image is processed."""

    def at_rest() -> dict[str, str] | None:
        seen = diagnosis.count
        wait_for(lambda: diagnosis.count > seen)
        values = diagnosis.values("taihri: perception")
        return values if values["pending"] == "0" else None

    return {name: int(value) for name, value in wait_for(at_rest).items() if value.isdecimal()}


@pytest.mark.fault(
    "Overload",
    "rclpy host: images of 640x480 at 60 Hz against the engine's own rate, from another process",
    "the newest image is answered; in = published + dropped, lost images counted",
)
def test_the_newest_image_is_answered(active: tuple[Robot, Diagnosis], figure: Figure) -> None:
    robot, diagnosis = active
    seconds = size(3.0, 600.0)
    answers: list[tuple[int, int]] = []

    def note(message: PoseArray) -> None:
        answers.append((Time.from_msg(message.header.stamp).nanoseconds, time.time_ns()))

    robot.node.create_subscription(PoseArray, "/taihri/keypoints", note, qos_profile_sensor_data)
    camera = start_camera(robot.context.get_domain_id(), rate_hz=60.0, seconds=seconds)
    sent = int(camera.communicate(timeout=seconds + 60)[0])
    counters = perception_at_rest(diagnosis)
    lost = int(diagnosis.values("taihri: input")["lost"])
    arrived, published = counters["frames_in"], counters["published"]
    assert arrived == published + sum(count for name, count in counters.items() if name.startswith("dropped."))
    assert published > 0
    assert arrived + lost <= sent
    stamps = [stamp for stamp, _ in answers]
    assert stamps == sorted(set(stamps))
    ages_ms = [(when - stamp) / 1e6 for stamp, when in answers]
    engine_ms = float(diagnosis.values("taihri: perception")["engine_ms.p95"])
    figure(
        f"age {np.percentile(ages_ms, 50):.0f} ms at p50, {np.percentile(ages_ms, 99):.0f} at p99, inference "
        f"{engine_ms:.0f} at p95, period 17; {sent} sent, {arrived} arrived, {lost} counted as lost, "
        f"{published} answered"
    )


@pytest.mark.parametrize("percent", [2, 10])
@pytest.mark.fault(
    "Network",
    "rclpy host: a share of the packets of 640x480 raw video lost on its way",
    "recovers; the loss is counted, and a warning says what to do",
)
def test_lost_packets_are_reported(active: tuple[Robot, Diagnosis], figure: Figure, percent: int) -> None:
    if get_rmw_implementation_identifier() != "rmw_cyclonedds_cpp":
        pytest.skip("Cyclone DDS makes the loss: export RMW_IMPLEMENTATION=rmw_cyclonedds_cpp")
    robot, diagnosis = active
    domain, seconds = robot.context.get_domain_id(), size(9.0, 60.0)
    lossy = f"<Internal><Test><XmitLossiness>{percent * 10}</XmitLossiness></Test></Internal>"
    settings = {"CYCLONEDDS_URI": f"<CycloneDDS><Domain>{lossy}</Domain></CycloneDDS>"}
    camera = start_camera(domain, rate_hz=30.0, seconds=seconds, environment=settings)
    advice = "use compressed images, or raise net.core.rmem_max"
    wait_for(lambda: advice in diagnosis.status("taihri: input").message, 60)
    sent = int(camera.communicate(timeout=seconds + 60)[0])
    counters, lost = perception_at_rest(diagnosis), int(diagnosis.values("taihri: input")["lost"])
    arrived = counters["frames_in"]
    assert arrived < sent
    assert lost > 0 or arrived < 2
    healthy = start_camera(domain, rate_hz=30.0, seconds=60.0)
    wait_for(lambda: images_in(diagnosis) > arrived + 5, 60)
    healthy.kill()
    healthy.communicate()
    figure(f"{sent} images sent, {arrived} arrived, {lost} counted as lost; recovered")


@pytest.mark.fault(
    "Network", "rclpy host: the camera's process is killed and starts again", "images are answered again"
)
def test_a_camera_may_leave_and_come_back(active: tuple[Robot, Diagnosis], figure: Figure) -> None:
    robot, diagnosis = active
    rounds = size(2, 50)
    for _ in range(rounds):
        before = int(diagnosis.values("taihri: perception")["published"])
        camera = start_camera(robot.context.get_domain_id(), rate_hz=30.0, seconds=60.0)
        wait_for(lambda before=before: int(diagnosis.values("taihri: perception")["published"]) > before + 2, 60)
        camera.kill()
        camera.communicate()
    figure(f"{rounds} times")


@pytest.mark.fault(
    "Network", "the network interface of the rclpy host goes down and comes up", "images are answered again"
)
def test_the_interface_may_go_down_and_come_up(engine_parameters: Values, figure: Figure) -> None:
    pauses_s = [2.0, LEASE_S] * size(1, 10)
    environment = {"ROS_DOMAIN_ID": "0", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    command = node_command(engine_parameters(**{"command.initial": "left_wrist"}))
    robot_command = [sys.executable, str(Path(__file__).with_name("robot_process.py")), "robot"]
    with (
        Cable() as cable,
        Peer(cable.at(LEFT, *command), environment) as host,
        Peer(cable.at(RIGHT, *robot_command), environment) as robot,
    ):
        wait_for(lambda: robot.count("answer") > 3, 120)
        measured = outages(cable, robot, pauses_s, wait_for)
        assert host.process.poll() is None
        assert host.count("Traceback") == 0
    figure(measured)
