"""The layouts for RViz and Foxglove name topics and fields that the node has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from required import ROOT

from taihri_ros.node import topics
from taihri_ros.node.dds_host import RosTypes, resolve
from taihri_ros.node.topics import NODE_NAME, Topic
from taihri_ros.resources import share_directory

TOPICS = {resolve(topic.name, NODE_NAME): topic for topic in (*topics.OUTPUTS, topics.COMMAND)}
DISPLAYS = {
    "rviz_default_plugins/Image": {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"},
    "rviz_default_plugins/Marker": {"visualization_msgs/msg/Marker"},
    "rviz_default_plugins/MarkerArray": {"visualization_msgs/msg/MarkerArray"},
    "rviz_default_plugins/PoseArray": {"geometry_msgs/msg/PoseArray"},
}
PANELS = {
    "Image": {"sensor_msgs/msg/CompressedImage"},
    "3D": {
        "visualization_msgs/msg/Marker",
        "visualization_msgs/msg/MarkerArray",
        "geometry_msgs/msg/PoseArray",
        "tf2_msgs/msg/TFMessage",
    },
    "DiagnosticSummary": {"diagnostic_msgs/msg/DiagnosticArray"},
}
TYPES = RosTypes("jazzy", share_directory())


def displays() -> list[dict[str, Any]]:
    config = yaml.safe_load((ROOT / "rviz" / "taihri.rviz").read_text(encoding="utf-8"))
    return [display for display in config["Visualization Manager"]["Displays"] if "Topic" in display]


def layout() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "config" / "foxglove" / "layout.json").read_text(encoding="utf-8"))
    return content


def paths(value: Any) -> Iterator[str]:
    """Yield every topic or message path in a configuration."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths(key)
            yield from paths(each)
    elif isinstance(value, list):
        for each in value:
            yield from paths(each)
    elif isinstance(value, str) and value.startswith("/"):
        yield value


def check_fields(topic: Topic, path: str) -> None:
    """Check that a message path such as `keypoints[:].confidence` exists in the topic's type."""
    kind: Any = topic.type
    for part in path.split("."):
        fields = dict(TYPES.store.fielddefs[kind][1])
        name = re.sub(r"\[.*\]$", "", part)
        assert name in fields, f"{topic.type} has no {path}"
        node, detail = fields[name]
        is_list = node.name in ("ARRAY", "SEQUENCE")
        assert is_list == part.endswith("]"), path
        kind = detail[0][1] if is_list else detail


def test_rviz_subscribes_as_the_node_publishes() -> None:
    assert {display["Topic"]["Value"] for display in displays()} == {
        "/taihri/overlay/compressed",
        "/taihri/markers",
        "/taihri/body",
        "/taihri/keypoints",
    }
    for display in displays():
        shown = display["Topic"]
        topic = TOPICS[shown["Value"]]
        assert topic.type in DISPLAYS[display["Class"]]
        assert (shown["Reliability Policy"] == "Reliable") <= topic.reliable
        assert (shown["Durability Policy"] == "Transient Local") <= topic.latched
        assert shown["Depth"] == topic.depth


def test_foxglove_names_topics_and_fields_of_the_node() -> None:
    found = list(paths(layout()["configById"]))
    assert len(found) >= 10
    for path in found:
        name, _, fields = path.partition(".")
        assert name in TOPICS, path
        if fields:
            check_fields(TOPICS[name], fields)
    for panel, config in layout()["configById"].items():
        if (kind := panel.partition("!")[0]) in PANELS:
            assert {TOPICS[path].type for path in paths(config)} <= PANELS[kind], panel


def test_foxglove_shows_each_panel_once_and_says_a_command() -> None:
    def panels(part: Any) -> list[str]:
        return [part] if isinstance(part, str) else [*panels(part["first"]), *panels(part["second"])]

    assert sorted(panels(layout()["layout"])) == sorted(layout()["configById"])
    publish = layout()["configById"]["Publish!command"]
    assert publish["datatype"] == topics.COMMAND.type
    assert set(json.loads(publish["value"])) == {name for name, _ in TYPES.store.fielddefs[topics.COMMAND.type][1]}


def test_a_field_that_does_not_exist_is_found() -> None:
    with pytest.raises(AssertionError, match="has no keypoints"):
        check_fields(topics.PERSON, "keypoints[:].confidense")
