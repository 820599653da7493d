"""The SROS 2 policy allows exactly what the node has in the real graph of ROS 2, with everything switched on."""

from __future__ import annotations

from fnmatch import fnmatchcase

import engines
import pytest
from domains import new_domain
from geometry_msgs.msg import TransformStamped
from hosted import ACTIVATE, CONFIGURE, DEACTIVATE, Hosted, change
from person_camera import person_in_view
from rclpy.action import get_action_server_names_and_types_by_node
from rclpy.parameter import Parameter
from robot import FRAME, Robot, wait_for
from sros2_policy import Policy
from tf2_ros import StaticTransformBroadcaster

pytest.importorskip("hri_msgs.msg", reason="hri_msgs (ROS4HRI) is not installed")
pytest.importorskip("bondpy", reason="bondpy is not installed")

NODE = ("taihri", "/")

EVERYTHING = {
    "engine.kind": "mediapipe",
    "command.initial": "left_shoulder",
    "people.enabled": True,
    "people.detections": True,
    "people.tolerance_s": 1.0,
    "body.enabled": True,
    "ros4hri.enabled": True,
    "depth.enabled": True,
    "bond": True,
    "target_frame": "base",
    "use_sim_time": True,
    "min_presence": 0.0,
}

NEWER = {"/taihri/get_type_description"}
"""What the policy allows beyond that, because newer distributions of ROS have it."""

Graph = dict[str, set[str]]


def graph(robot: Robot) -> Graph:
    """Return the node's topics, services and actions by the rules of a policy."""
    node = robot.node

    def names(found: list[tuple[str, list[str]]]) -> set[str]:
        return {name for name, _ in found if "/_action/" not in name}

    return {
        "publish": names(node.get_publisher_names_and_types_by_node(*NODE)),
        "subscribe": names(node.get_subscriber_names_and_types_by_node(*NODE)),
        "reply": names(node.get_service_names_and_types_by_node(*NODE)),
        "request": names(node.get_client_names_and_types_by_node(*NODE)),
        "execute": names(get_action_server_names_and_types_by_node(node, *NODE)),
    }


@pytest.fixture(scope="module")
def seen() -> Graph:
    """Everything that the node has, with raw and with compressed images."""
    domain = new_domain()
    with (
        Robot(domain) as robot,
        person_in_view(robot),
        Hosted(domain, EVERYTHING | {"engine.python": engines.light_python()}) as hosted,
    ):
        transform = TransformStamped()
        transform.header.frame_id, transform.child_frame_id, transform.transform.rotation.w = "base", FRAME, 1.0
        StaticTransformBroadcaster(robot.node).sendTransform(transform)
        assert change(robot, CONFIGURE)
        assert change(robot, ACTIVATE)
        wait_for(lambda: any(name.endswith("/urdf") for name in graph(robot)["publish"]), 120)
        raw = graph(robot)
        assert change(robot, DEACTIVATE)
        compressed = {"image_transport": "compressed", "depth.transport": "compressedDepth"}
        hosted.node.set_parameters([Parameter(name, value=value) for name, value in compressed.items()])
        assert change(robot, ACTIVATE)
        wait_for(lambda: "/depth/compressedDepth" in graph(robot)["subscribe"])
        return {rule: names | graph(robot)[rule] for rule, names in raw.items()}


def test_everything_that_the_node_has_is_allowed(seen: Graph) -> None:
    policy = Policy()
    denied = {rule: [name for name in names if not policy.allows(rule, name)] for rule, names in seen.items()}
    assert not any(denied.values()), denied
    assert "/taihri/localize" in seen["execute"]
    assert {"/taihri/enable", "/taihri/change_state"} <= seen["reply"]
    assert {"/image", "/image/compressed", "/clock", "/bond"} <= seen["subscribe"]


def test_nothing_more_is_allowed(seen: Graph) -> None:
    surplus = {
        rule: [
            each for each in allowed if not any(fnmatchcase(name, each) for name in seen[rule]) and each not in NEWER
        ]
        for rule, allowed in Policy().allowed.items()
    }
    assert not any(surplus.values()), surplus
