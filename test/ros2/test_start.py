"""The start of the node's process: what ROS refuses is one line, and what would be ignored is said."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from domains import new_domain
from hosted import CONFIGURE, change
from node_process import Process, node, node_command
from robot import Diagnosis, Robot, wait_for


def start(arguments: Sequence[str], **environment: str) -> tuple[int, str]:
    """Start the node with arguments that end it, and return its exit status and its output."""
    done = subprocess.run(
        [node_command({})[0], *arguments],
        env=os.environ | {"ROS_DOMAIN_ID": str(new_domain())} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.handles(
    "Settings and DDS", "arguments or variables that ROS refuses, in the rclpy host", "one line, exit code 1"
)
@pytest.mark.parametrize(
    ("arguments", "environment", "text"),
    [
        (["--ros-args", "-p", "tf_prefix"], {}, "Couldn't parse parameter override rule: '-p tf_prefix'"),
        (["--ros-args", "-r", "__node:=bad-name"], {}, "Couldn't parse remap rule"),
        (["--ros-args", "-r", "image:=/bad topic"], {}, "Couldn't parse remap rule"),
        (["--ros-args", "--params-file", "/nonexistent.yaml"], {}, "Error opening YAML file"),
        (["--ros-args", "-p", "use_sim_time:=5"], {}, "'use_sim_time' to '5' of type 'INTEGER', expecting type 'BOOL'"),
        (["--ros-args", "-p", "marker_lifetime_s:=1"], {}, "a DOUBLE is written with a point"),
        (["--ros-args", "-p", "engine.python:=/\udcff"], {}, "an argument is not UTF-8"),
        ([], {"ROS_DOMAIN_ID": "999"}, "ROS_DOMAIN_ID"),
        (["-p", "engine.kind:=mediapipe"], {}, "unknown argument '-p': parameters and topics are set with"),
    ],
)
def test_what_ros_refuses_is_one_line(arguments: list[str], environment: dict[str, str], text: str) -> None:
    status, output = start(arguments, **environment)
    assert status == 1, output
    assert "Traceback" not in output
    (line,) = [line for line in output.splitlines() if "[FATAL]" in line]
    assert text in line
    assert "/rcl/src/" not in line


def test_help_is_printed() -> None:
    status, output = start(["--help"])
    assert status == 0
    assert "--ros-args -p NAME:=VALUE" in " ".join(output.split())


@pytest.mark.handles(
    "Settings and DDS", "a misspelt parameter in a file of the rclpy host", "a warning with the name that is meant"
)
def test_a_misspelt_parameter_is_warned_of() -> None:
    domain = new_domain()
    process = Process(domain, {"tf_prefx": "guest/"})
    try:
        with Robot(domain) as robot:
            wait_for(lambda: "taihri" in robot.node.get_node_names())
        _, output, _ = process.end(signal.SIGINT)
    finally:
        process.kill()
    assert "unknown parameter 'tf_prefx': did you mean 'tf_prefix'?; it is ignored" in output


@pytest.mark.parametrize("number", [signal.SIGHUP])
def test_the_end_of_the_terminal_ends_the_node_cleanly(number: signal.Signals) -> None:
    domain = new_domain()
    process = Process(domain, {})
    try:
        with Robot(domain) as robot:
            wait_for(lambda: "taihri" in robot.node.get_node_names())
        status, output, _ = process.end(number)
    finally:
        process.kill()
    assert status == 0, output


@pytest.mark.handles(
    "Settings and DDS", "a home directory that is not UTF-8, in the rclpy host", "diagnostics and log name it with ?"
)
def test_a_path_that_is_not_utf_8_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home\udcff"
    home.mkdir()
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(home))
    with node({"diagnostics_period_s": 0.1, "engine.model": "anything"}) as (process, robot):
        diagnosis = Diagnosis(robot)
        assert not change(robot, CONFIGURE)
        status = wait_for(lambda: (found := diagnosis.status("taihri: node")) and found.level == b"\x02" and found)
        _, output, _ = process.end(signal.SIGINT)
    assert "home?/" in status.message
    assert "home?/" in output
    assert "Traceback" not in output
