"""Faults of the ROS graph are logged once, when they have lasted longer than a restart takes."""

from __future__ import annotations

import pytest

from taihri_ros.node.graph_warnings import SETTLED_S, GraphWarnings


def test_two_publishers_are_logged_once_when_they_stay(caplog: pytest.LogCaptureFixture) -> None:
    graph = GraphWarnings("/taihri")
    for time_s in (0.0, SETTLED_S - 0.1):
        graph.check({"/image": 2, "/camera_info": 1}, 1, time_s)
    assert not caplog.records
    for time_s in (SETTLED_S, SETTLED_S + 1.0):
        graph.check({"/image": 2, "/camera_info": 1}, 1, time_s)
    (record,) = caplog.records
    assert record.message.startswith("2 publishers on /image")
    assert "remap the topic" in record.message


def test_a_second_node_of_the_same_name_is_logged_with_its_consequence(caplog: pytest.LogCaptureFixture) -> None:
    graph = GraphWarnings("/robot1/taihri")
    graph.check({}, 2, 0.0)
    graph.check({}, 2, SETTLED_S)
    (record,) = caplog.records
    assert "2 nodes are named /robot1/taihri: every result is published 2 times" in record.message


def test_a_fault_that_ends_and_comes_back_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    graph = GraphWarnings("/taihri")
    for begin_s in (0.0, 100.0):
        graph.check({"/image": 2}, 1, begin_s)
        graph.check({"/image": 2}, 1, begin_s + SETTLED_S)
        graph.check({"/image": 1}, 1, begin_s + SETTLED_S + 1.0)
    assert len(caplog.records) == 2
