"""Ctrl-C, once or twice, and SIGTERM shut the node down cleanly in every state."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ament_index_python.packages import get_package_prefix
from domains import new_domain
from hosted import ACTIVATE, CONFIGURE, change
from robot import Diagnosis, Robot, wait_for

LIMIT_S = 5.0
"""Shutdown takes some 2 s on an idle machine; ros2 launch sends SIGTERM after 5 s."""

Values = Callable[..., dict[str, object]]


class Process:
    """The node as `ros2 run` starts it."""

    def __init__(self, domain: int, parameters: dict[str, object]) -> None:
        command = [f"{get_package_prefix('taihri_ros')}/lib/taihri_ros/taihri_node", "--ros-args"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        self._process = subprocess.Popen(
            command,
            env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, *signals: signal.Signals) -> tuple[int, str, float]:
        """Send signals and return the exit status, the output, and the seconds until the exit."""
        begin = time.monotonic()
        for number in signals:
            self._process.send_signal(number)
            time.sleep(0.2)
        output, _ = self._process.communicate(timeout=30)
        return self._process.returncode, output, time.monotonic() - begin

    def has_begun_imports(self) -> bool:
        """Return whether the main program handles signals: it then imports rclpy, which maps its library."""
        return "_rclpy" in Path(f"/proc/{self._process.pid}/maps").read_text(encoding="utf-8")

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def node(parameters: dict[str, object]) -> Iterator[tuple[Process, Robot]]:
    domain = new_domain()
    process = Process(domain, parameters)
    try:
        with Robot(domain) as robot:
            yield process, robot
    finally:
        process.kill()


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
    wait_for(lambda: diagnosis.values("taihri: engine").get("state") == "ready", 120)
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


@pytest.mark.parametrize(
    ("goal", "signals"),
    [
        ("unconfigured", [signal.SIGINT]),
        ("unconfigured", [signal.SIGTERM]),
        ("loading", [signal.SIGINT]),
        ("loading", [signal.SIGINT] * 2),
        ("inactive", [signal.SIGINT] * 2),
        ("active", [signal.SIGINT]),
        ("inferring", [signal.SIGINT] * 2),
        ("inferring", [signal.SIGTERM]),
    ],
)
def test_the_node_shuts_down_cleanly(goal: str, signals: list[signal.Signals], engine_parameters: Values) -> None:
    with node(engine_parameters(diagnostics_period_s=0.1)) as (process, robot):
        pid = reach(goal, robot)
        status, output, duration = process.end(*signals)
    assert status == 0, output
    assert "Traceback" not in output
    assert duration < LIMIT_S, output
    assert pid is None or is_gone(pid)


@pytest.mark.parametrize("delay_s", [0.0, 0.2, 0.5])
def test_ctrl_c_during_start_shuts_down_cleanly(delay_s: float) -> None:
    process = Process(new_domain(), {})
    try:
        wait_for(process.has_begun_imports)
        time.sleep(delay_s)
        status, output, _ = process.end(signal.SIGINT, signal.SIGINT)
    finally:
        process.kill()
    assert status == 0, output
    assert "Traceback" not in output


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
