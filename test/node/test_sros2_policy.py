"""The SROS 2 policy allows what the node publishes, receives and offers, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from camera_messages import camera_info, compressed, image
from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription
from cyclonedds.domain import DomainParticipant
from dds_peer import wait_until
from quick_host import running_host
from required import ROOT
from sros2_policy import Policy, expand

from taihri_ros.node import topics
from taihri_ros.node.ros4hri.humans import TRACKED, BodyTopics
from taihri_ros.node.topics import Topic

NAMES = {name for name in vars(topics) if isinstance(getattr(topics, name), Topic)}
OUTPUTS = {topic.name for topic in topics.OUTPUTS}
INPUTS = {getattr(topics, name).name for name in NAMES} - OUTPUTS
HUMANS = {TRACKED.name, *(topic.name for topic in BodyTopics.of("*").all)}

OF_ROS = {
    "subscribe": {"/bond", "/clock", "/tf", "/tf_static"},
    "publish": {"/bond", "/parameter_events", "/rosout", "~/transition_event"},
    "reply": {
        *(f"~/{verb}_parameters" for verb in ("describe", "get", "list", "set")),
        *("~/get_parameter_types", "~/set_parameters_atomically", "~/get_type_description", "~/change_state"),
        *(f"~/get_{what}" for what in ("state", "available_states", "available_transitions", "transition_graph")),
    },
}
"""What a lifecycle node of rclpy has without our doing."""

EVERYTHING = {
    "body_enabled": True,
    "people_enabled": True,
    "people_detections": True,
    "depth_enabled": True,
    "ros4hri_enabled": True,
}


def absolute(names: set[str]) -> set[str]:
    return {expand(name, "/", topics.NODE_NAME) for name in names}


def ros_host(pattern: str) -> set[str]:
    """Return what a pattern finds in the sources of the rclpy host."""
    files = sorted((ROOT / "taihri_ros" / "node" / "ros_host").glob("*.py"))
    return {found for file in files for found in re.findall(pattern, file.read_text(encoding="utf-8"))}


def test_the_policy_is_what_the_constants_say() -> None:
    allowed = {rule: set(names) for rule, names in Policy().allowed.items()}
    services = ros_host(r'create_service\(\s*\w+,\s*"([^"]+)"')
    actions = ros_host(r'ActionServer\(\s*[^"]*"([^"]+)"')
    assert {"~/localize", "~/distance"} <= services
    expected = {
        "subscribe": absolute(INPUTS | OF_ROS["subscribe"]),
        "publish": absolute(OUTPUTS | HUMANS | OF_ROS["publish"]),
        "reply": absolute(services | OF_ROS["reply"]),
    }
    assert allowed == (expected | {"execute": absolute(actions)} if actions else expected)


def graph(observer: DomainParticipant, builtin: type) -> set[str]:
    """Return the ROS names of the discovered endpoints of other participants."""
    own = observer.guid.bytes
    found = BuiltinDataReader(observer, builtin).read(200)
    names = {each.topic_name for each in found if each.participant_key.bytes != own}
    return {name.removeprefix("rt") for name in names if name != "ros_discovery_info"}


@pytest.fixture(scope="module", params=["raw", "compressed"])
def seen(request: pytest.FixtureRequest) -> Iterator[tuple[set[str], set[str]]]:
    """What a host with everything switched on publishes and subscribes to, with a person in the picture."""
    compressed_images = request.param == "compressed"
    depth = "compressedDepth" if compressed_images else "raw"
    parameters = EVERYTHING | {"image_transport": request.param, "depth_transport": depth}
    with running_host(**parameters, people_max=1) as (host, domain):
        observer = DomainParticipant(domain)
        host.application.on_camera_info(camera_info(1))
        send = host.application.on_compressed_image if compressed_images else host.application.on_image
        send(compressed(2) if compressed_images else image(2))
        counters = host.application.scheduler.counters
        wait_until(lambda: counters.snapshot().published)
        wait_until(lambda: {expand(TRACKED.name, "/", "taihri"), *absolute(OUTPUTS)} <= published(observer))
        yield published(observer), graph(observer, BuiltinTopicDcpsSubscription)


def published(observer: DomainParticipant) -> set[str]:
    return graph(observer, BuiltinTopicDcpsPublication)


def test_the_graph_has_nothing_that_the_policy_denies(seen: tuple[set[str], set[str]]) -> None:
    policy, (publishes, subscribes) = Policy(), seen
    assert [name for name in publishes if not policy.allows("publish", name)] == []
    assert [name for name in subscribes if not policy.allows("subscribe", name)] == []
    assert absolute({"~/command", "camera_info", "detections"}) <= subscribes
