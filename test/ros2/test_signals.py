"""Ctrl-C and SIGTERM, once or several times, shut the node down cleanly in every state."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from domains import new_domain
from hosted import ACTIVATE, CONFIGURE, change
from node_process import Process, node, node_command
from reliability import Figure, size
from robot import Diagnosis, Robot, wait_for

from taihri_ros.node.unread_log import write_unless_full

LIMIT_S = 5.0
"""Shutdown takes some 2 s on an idle machine; ros2 launch sends SIGTERM after 5 s."""

STORM = [signal.SIGINT, signal.SIGTERM, signal.SIGINT]

Values = Callable[..., dict[str, object]]


def reach(goal: str, robot: Robot) -> int | None:
    """Bring the node into the state of a test, and return the pid of its engine if there is one."""
    diagnosis = Diagnosis(robot)
    wait_for(lambda: diagnosis.status("taihri: node"))
    if goal == "unconfigured":
        return None
    assert change(robot, CONFIGURE)
    pid = int(wait_for(lambda: diagnosis.values("taihri: engine").get("pid")))
    if goal == "loading":
        return pid
    diagnosis.wait_until_ready()
    if goal == "inactive":
        return pid
    assert change(robot, ACTIVATE)
    if goal == "inferring":
        robot.start_camera()
        robot.send_command("Give the person a big hug.")
        wait_for(lambda: diagnosis.values("taihri: engine").get("state") == "busy")
    return pid


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.fault(
    "Signals", "a signal while nobody reads the log of the rclpy host, whose pipe is full", "5 s, exit code 0"
)
def test_a_node_whose_log_is_not_read_goes_on_and_ends(figure: Figure) -> None:
    reading, writing = os.pipe()
    while write_unless_full(writing, b"x" * 4096):
        pass
    domain = new_domain()
    command = node_command({"engine.kind": "mediapipe", "no_such_parameter": 1})
    environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
    with subprocess.Popen(command, env=environment, stdout=writing, stderr=writing) as process:
        try:
            with Robot(domain) as robot:
                diagnosis = Diagnosis(robot)
                wait_for(lambda: diagnosis.status("taihri: node"))
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            figure(f"{time.monotonic() - began:.1f} s, exit code 0")
        finally:
            process.kill()
    os.close(writing)
    os.close(reading)


@pytest.mark.fault(
    "Signals",
    "SIGINT or SIGTERM, one to three times, in every phase of the rclpy host",
    "5 s, exit code 0, no orphan",
)
@pytest.mark.parametrize(
    ("goal", "signals"),
    [
        ("unconfigured", [signal.SIGINT]),
        ("unconfigured", [signal.SIGTERM]),
        ("loading", [signal.SIGINT]),
        ("loading", STORM),
        ("inactive", [signal.SIGINT] * 2),
        ("active", [signal.SIGINT]),
        ("active", STORM),
        ("inferring", [signal.SIGTERM]),
        ("inferring", STORM),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(each.name for each in value),
)
def test_the_node_shuts_down_cleanly(
    goal: str, signals: list[signal.Signals], engine_parameters: Values, figure: Figure
) -> None:
    with node(engine_parameters(diagnostics_period_s=0.1)) as (process, robot):
        pid = reach(goal, robot)
        status, output, duration = process.end(*signals)
    assert status == 0, output
    assert "Traceback" not in output
    assert duration < LIMIT_S, output
    assert pid is None or is_gone(pid)
    figure(f"{duration:.1f} s")


@pytest.mark.fault(
    "Signals", "three signals within the first 1.5 s of the rclpy host", "5 s, exit code 0, also while it imports rclpy"
)
def test_signals_during_the_start_shut_the_node_down_cleanly(figure: Figure) -> None:
    delays_s = [0.0, 0.2, 0.5, 1.0, 1.5] * size(1, 10)
    slowest_s = 0.0
    for delay_s in delays_s:
        process = Process(new_domain(), {})
        try:
            wait_for(process.handles_signals)
            time.sleep(delay_s)
            status, output, duration = process.end(*STORM)
        finally:
            process.kill()
        assert status == 0, output
        assert "Traceback" not in output
        slowest_s = max(slowest_s, duration)
    figure(f"{slowest_s:.1f} s at most, exit code 0, {len(delays_s)} times")


def test_an_invalid_parameter_prints_one_line_and_exits_with_1() -> None:
    process = Process(new_domain(), {"engine.kind": "llama"})
    try:
        status, output, _ = process.end()
    finally:
        process.kill()
    assert status == 1
    (line,) = output.strip().splitlines()
    assert "parameter engine.kind must be one of vllm, transformers, mediapipe, openai, not 'llama'" in line


def test_a_missing_image_publisher_is_logged(engine_parameters: Values) -> None:
    nobody = {"engine.kind": "openai", "engine.model": "taihri", "engine.url": "http://127.0.0.1:9/v1"}
    with node(engine_parameters(**nobody)) as (process, robot):
        log: Any = Diagnosis(robot)
        wait_for(lambda: log.status("taihri: node"))
        assert change(robot, CONFIGURE)
        assert change(robot, ACTIVATE)
        time.sleep(6.0)
        _, output, _ = process.end(signal.SIGINT)
    assert "no publisher on /image: start the camera" in output
