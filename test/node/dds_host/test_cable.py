"""The embedded host where its network interface goes down and comes up again."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from dds_peer import wait_until
from private_network import LEFT, RIGHT, Cable, Peer
from reliability import Figure, size

HERE = Path(__file__).parent
LEASE_S = 12.0
"""Longer than 10 s, after which DDS participants that hear nothing of each other forget each other."""


@pytest.mark.timeout(size(300, 3600))
@pytest.mark.fault(
    "Network",
    "the network interface of the embedded host goes down and comes up",
    "images are answered again",
)
def test_an_interface_may_go_down_and_come_up(figure: Figure) -> None:
    pauses_s = [2.0] if size(1, 2) == 1 else [2.0, LEASE_S] * 10
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1]), str(HERE.parents[2])])
    environment = {"PYTHONPATH": paths, "ROS_DOMAIN_ID": "0", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    end = [sys.executable, str(HERE / "cable_ends.py")]
    with (
        Cable() as cable,
        Peer(cable.at(LEFT, *end, "host"), environment) as host,
        Peer(cable.at(RIGHT, *end, "robot"), environment) as robot,
    ):
        wait_until(lambda: robot.count("answer") > 3, 60)
        slowest_s = 0.0
        for pause_s in pauses_s:
            cable.pull()
            time.sleep(pause_s)
            answers = robot.count("answer")
            cable.plug()
            began = time.monotonic()
            wait_until(lambda: robot.count("answer") > answers + 3, 60)  # noqa: B023
            slowest_s = max(slowest_s, time.monotonic() - began)
        assert host.process.poll() is None
        assert host.count("Traceback") == 0
    figure(
        f"answered again after {slowest_s:.1f} s at most, down for {max(pauses_s):.0f} s at most, {len(pauses_s)} times"
    )
