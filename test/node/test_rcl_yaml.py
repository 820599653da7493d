"""Values are read as rcl_yaml_param_parser reads them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from taihri_ros.node.rcl_yaml import RclYamlError, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(
            "1e-3",
            0.001,
            marks=pytest.mark.handles(
                "Settings and DDS",
                "parameter value 1e-3, 12:30, 2024-01-31 or y",
                "read as in ROS 2: number, texts, true",
            ),
        ),
        ("12:30", "12:30"),
        ("2024-01-31", "2024-01-31"),
        ("2001-99-99", "2001-99-99"),
        ("y", True),
        ("Off", False),
        ("yEs", "yEs"),
        ("'true'", "true"),
        ('"1"', "1"),
        ("!!str 5", "5"),
        ("|\n  12", "12"),
        ("0x1F", 31),
        ("-017", -15),
        ("0", 0),
        ("+5", 5),
        ("1_000", "1_000"),
        ("08", 8.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-2.5E+3", -2500.0),
        ("1.0.0", "1.0.0"),
        (".inf", math.inf),
        ("9" * 5000, math.inf),
        ("-" + "9" * 5000, -math.inf),
        ("0x" + "9" * 5000, "0x" + "9" * 5000),
        ("-.INF", -math.inf),
        ("[1, 2.5, text]", [1, 2.5, "text"]),
        ("{a: 1, b: {c: x}}", {"a": 1, "b": {"c": "x"}}),
        ("{1: a, on: b}", {"1": "a", "on": "b"}),
        ("{a: {b: 1}, a: {c: 2}}", {"a": {"b": 1, "c": 2}}),
        ("{a: 1, a: 2}", {"a": 2}),
    ],
)
def test_a_value_is_read_as_in_ros2(text: str, value: Any) -> None:
    (found,) = read_yaml(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_read() -> None:
    assert math.isnan(read_yaml(".nan")[0])


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "~",
        "a:",
        "[~]",
        "*a",
        "[&a 1, *a]",
        "!foo 1",
        "!!python/name:os.system ''",
        "{[a]: 1}",
        "[" * 5000,
        r'"a\0b"',
        r'"\udce9"',
    ],
)
def test_what_ros2_does_not_read_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RclYamlError) as raised:
        read_yaml(text)
    assert "\n" not in str(raised.value)


def test_a_text_without_documents_is_empty() -> None:
    assert read_yaml("# nothing\n") == []
