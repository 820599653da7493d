"""The launch file: its end, and what it refuses before anything is started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from domains import new_domain
from hosted import CONFIGURE
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from robot import Robot, wait_for

NOBODY = ("engine:=openai", "model:=taihri", "engine_url:=http://127.0.0.1:9/v1")
"""Arguments of an engine at an address where nobody answers."""


@contextmanager
def launched(domain: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["ros2", "launch", "taihri_ros", "taihri.launch.py", *arguments],
        env=os.environ | {"ROS_DOMAIN_ID": str(domain)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=60)


def pids_of_node(process: subprocess.Popen[str]) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def test_the_launch_ends_with_its_node_and_a_manual_configuration_is_not_followed_by_an_activation() -> None:
    domain = new_domain()
    with Robot(domain) as robot, launched(domain, "autostart:=false", "namespace:=robot1", *NOBODY) as process:
        service = "/robot1/taihri/change_state"
        assert robot.call(ChangeState, service, 60.0, transition=Transition(id=CONFIGURE)).success
        assert robot.call(GetState, "/robot1/taihri/get_state").current_state.label == "inactive"
        (pid,) = wait_for(lambda: pids_of_node(process))
        os.kill(pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert "the node has ended" in output or process.returncode is not None
    assert process.returncode == 0, output


def test_a_node_that_is_killed_is_started_again_and_activated_with_respawn() -> None:
    domain = new_domain()
    with Robot(domain) as robot, launched(domain, "respawn:=true", *NOBODY) as process:

        def is_active() -> bool:
            with suppress(AssertionError):  # a request of a node that has just been killed is never answered
                answer = robot.call(GetState, "/taihri/get_state", 2.0)
                return bool(answer.current_state.label == "active")
            return False

        wait_for(is_active, 60)
        (killed,) = pids_of_node(process)
        os.kill(killed, signal.SIGKILL)
        (again,) = wait_for(lambda: [pid for pid in pids_of_node(process) if pid != killed])
        wait_for(is_active, 60)
        assert process.poll() is None
        assert again != killed


def test_ctrl_c_ends_the_launch_without_an_error() -> None:
    with launched(new_domain(), "autostart:=false") as process:
        wait_for(lambda: pids_of_node(process))
        time.sleep(1.0)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "ERROR" not in output


def test_rviz_is_refused_without_rviz2_before_the_node_starts() -> None:
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        with launched(new_domain(), "rviz:=true") as process:
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "rviz:=true needs rviz2" in output
        assert "process started" not in output
    else:
        pytest.skip("rviz2 is installed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_node_ends_with_its_launch(number: signal.Signals) -> None:
    domain = new_domain()
    with Robot(domain) as robot, launched(domain, "autostart:=false") as process:
        wait_for(lambda: "taihri" in robot.node.get_node_names(), 60)
        (pid,) = pids_of_node(process)
        process.send_signal(number)
        wait_for(lambda: "taihri" not in robot.node.get_node_names(), 60)
        wait_for(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended may still be in the table of its new parent."""
    with suppress(FileNotFoundError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return False


@pytest.mark.handles("Settings and DDS", "a params_file of the launch that is not there", "refused before the start")
def test_a_missing_parameter_file_is_refused_before_the_node_starts(tmp_path: Path) -> None:
    with launched(new_domain(), f"params_file:={tmp_path}/my robot.yaml") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"params_file {tmp_path}/my robot.yaml is not a file" in output
    assert "process started" not in output


def test_the_launch_of_a_node_that_fails_fails_and_misspelt_arguments_are_warned_of() -> None:
    with launched(new_domain(), "engine:=llama", "imgae:=/camera/image_raw") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "parameter engine.kind must be one of" in output
    assert "imgae:= is no argument of taihri.launch.py: did you mean image:= ?" in output
    assert "the node has ended with exit code 1" in output
