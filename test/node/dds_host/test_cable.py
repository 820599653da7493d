"""The embedded host where its network interface goes down and comes up again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from dds_peer import wait_until
from private_network import LEFT, RIGHT, Cable, Peer, outages
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
        measured = outages(cable, robot, pauses_s, wait_until)
        assert host.process.poll() is None
        assert host.count("Traceback") == 0
    figure(measured)
