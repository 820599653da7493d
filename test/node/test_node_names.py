"""Names that contain the node's own, so that several nodes in one graph do not mix up their frames and statuses."""

from __future__ import annotations

import pytest

from taihri_ros.node.node_names import hardware_id, status_prefix, with_own_names
from taihri_ros.node.parameters import Parameters


@pytest.mark.parametrize(
    ("full_name", "prefix"),
    [
        ("/taihri", "person/"),
        ("/robot1/taihri", "robot1/taihri/person/"),
        ("/left_camera", "left_camera/person/"),
    ],
)
def test_the_default_tf_prefix_contains_the_name_of_any_other_node(full_name: str, prefix: str) -> None:
    assert with_own_names(Parameters(), full_name).tf_prefix == prefix


def test_a_tf_prefix_that_was_set_is_kept() -> None:
    parameters = Parameters(tf_prefix="guest/")
    assert with_own_names(parameters, "/robot1/taihri") is parameters


def test_statuses_carry_the_namespace_and_a_hardware_id_is_never_empty() -> None:
    assert status_prefix("/robot1/taihri") == "robot1/taihri"
    assert hardware_id("/taihri", "/models/taihri") == "/models/taihri"
    assert hardware_id("/robot1/taihri", "/models/taihri") == "robot1/taihri: /models/taihri"
    assert hardware_id("/taihri", "")
