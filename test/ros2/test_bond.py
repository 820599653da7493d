"""The bond with a lifecycle manager: formed while the node is active, broken when it is deactivated."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from domains import new_domain
from hosted import ACTIVATE, CONFIGURE, DEACTIVATE, Hosted, change, state
from rclpy.duration import Duration
from robot import Robot

bondpy = pytest.importorskip("bondpy.bondpy", reason="bondpy is not installed")


def test_the_manager_of_nav2_sees_the_end_of_the_active_state(
    engine_parameters: Callable[..., dict[str, object]],
) -> None:
    domain = new_domain()
    with Robot(domain) as robot, Hosted(domain, engine_parameters(bond=True)):
        assert change(robot, CONFIGURE)
        # nav2_lifecycle_manager: Bond("bond", <name of the node>) with a heartbeat timeout of 4 s.
        bond = bondpy.Bond(robot.node, "bond", "taihri")
        bond.heartbeat_timeout = 4.0
        bond.start()
        try:
            assert change(robot, ACTIVATE)
            assert bond.wait_until_formed(Duration(seconds=20))
            assert not bond.is_broken()
            assert change(robot, DEACTIVATE)
            assert bond.wait_until_broken(Duration(seconds=20))
            assert state(robot) == "inactive", "the end of the bond does not end the node's executor"
        finally:
            bond.shutdown()
            robot.node.destroy_subscription(bond.sub)
            robot.node.destroy_publisher(bond.pub)
