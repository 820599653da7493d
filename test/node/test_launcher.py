"""A node that `ros2 launch` has started ends with it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from taihri_ros.node.ros_host.launcher import launch_ended

PROGRAM = """
import os, sys, time
from taihri_ros.node.ros_host.launcher import launch_ended
ended = launch_ended(int(sys.argv[1]))
print(ended(), flush=True)
while not ended():
    time.sleep(0.02)
print("ends", flush=True)
"""

LAUNCH = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", {PROGRAM!r}, str(os.getpid())])
sys.stdin.read()
"""


def test_without_a_launch_nothing_ends() -> None:
    assert not launch_ended(None)()


def test_a_launch_that_has_ended_before_is_noticed_at_once() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert launch_ended(gone.pid)()


def test_a_launch_that_runs_is_no_reason_to_end_also_behind_another_process() -> None:
    assert not launch_ended(os.getppid())()
    assert not launch_ended(os.getpid())()


@pytest.mark.handles(
    "Settings and DDS", "`ros2 launch` that is killed, or gets SIGTERM", "the node of the rclpy host ends with it"
)
def test_a_launch_that_is_killed_ends_its_process() -> None:
    launch = subprocess.Popen([sys.executable, "-c", LAUNCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert launch.stdout is not None
    assert launch.stdout.readline() == "False\n"
    launch.kill()
    assert launch.stdout.readline() == "ends\n"
    launch.communicate()
