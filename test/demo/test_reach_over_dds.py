"""The arm of examples/reach with true keypoints: camera, node and arm in separate processes over real DDS."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec

import numpy as np
import pytest
from dds_peer import wait_until
from domains import new_domain
from reaching import person
from required import require

from taihri_ros.demo.arm_watcher import ArmWatcher
from taihri_ros.node.dds_host import DdsNode, RosTypes
from taihri_ros.node.messages import Messages
from taihri_ros.resources import share_directory
from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.robot_camera import TRUTH, image_header, true_joints

START_S = 60.0
"""Longest wait for what takes a second on an idle machine."""


class StandingPerson:
    """Somebody who holds out a hand, published by the simulated camera's node at 10 Hz, until `leave`."""

    def __init__(self) -> None:
        types = RosTypes("jazzy", share_directory())
        self._messages, self._node, self._left = Messages(types.message), DdsNode("sim", types=types), threading.Event()
        self._publisher = self._node.publisher(TRUTH.type, TRUTH.name)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def leave(self) -> None:
        self._left.set()
        self._thread.join()

    def close(self) -> None:
        self.leave()
        self._node.close()

    def _run(self) -> None:
        while not self._left.wait(0.1):
            header = image_header(self._messages, time.time_ns())
            self._publisher.publish(true_joints(self._messages, header, [person()]))


@pytest.fixture
def arm_at_work(monkeypatch: pytest.MonkeyPatch, default_signals: None) -> Iterator[tuple[ArmWatcher, StandingPerson]]:
    require(find_spec("mujoco") and find_spec("mink"), "mujoco or mink", "pip install '.[arm]'")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(new_domain()))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    with ExitStack() as stack:
        for arguments in (["-m", "taihri_ros.demo.true_keypoints"], ["-m", "taihri_ros.demo.arm_node", "2"]):
            process = stack.enter_context(subprocess.Popen([sys.executable, *arguments], env=dict(os.environ)))
            stack.callback(process.terminate)
        watcher = stack.enter_context(ArmWatcher())
        standing = StandingPerson()
        stack.callback(standing.close)
        wait_until(lambda: watcher.doing and watcher._command.matched, START_S)
        yield watcher, standing


def test_it_shakes_the_hand_and_stops(arm_at_work: tuple[ArmWatcher, StandingPerson]) -> None:
    from taihri_ros.demo.arm_report import describe_arm, report, true_bodies
    from taihri_ros.demo.simulated_arm import SimulatedArm

    watcher, standing = arm_at_work
    assert watcher.doing == "stopped: stop: no command runs"
    watcher.say("shake my hand")
    wait_until(lambda: sum(each.status == "reached: shake right_wrist" for each in watcher.record.samples) > 1, START_S)
    watcher.say("stop")
    wait_until(lambda: watcher.doing == "stopped: stop: no command runs", START_S)
    watcher.say("point at my head")
    wait_until(lambda: watcher.doing.startswith(("withdraws", "reaches")), START_S)
    standing.leave()
    wait_until(lambda: watcher.doing.startswith("stopped: stale: the newest image is 2."), START_S)
    stopped = len(watcher.record.samples)
    wait_until(lambda: len(watcher.record.samples) > stopped + 5, START_S)
    angles = np.array([sample.angles for sample in watcher.record.samples[stopped:]])
    assert np.ptp(angles, axis=0).max() == 0.0, "it stands still"

    record = watcher.record
    bodies = true_bodies(record)
    found = report(record, bodies)
    shaken, pointed = found["tasks"]
    assert shaken["reached"]
    assert not pointed["reached"]
    assert shaken["from_true_joint_m"] < 0.03
    assert found["violations"] == 0
    assert shaken["nearest_m"] > 0.1
    assert "1 of 2 reached" in describe_arm(found)
    arm = SimulatedArm()
    wrist = record.truths[min(record.truths)][INDEX["right_wrist"]]
    last = next(each for each in record.samples if each.status.startswith("reached"))
    assert np.linalg.norm(arm.at(last.angles).tip - wrist) < 0.03
