"""Parameters are checked against their types, ranges and choices."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from taihri_ros.node.parameters import Declaration, ParameterError, Parameters, declarations

BY_NAME = {declaration.name: declaration for declaration in declarations()}


@pytest.mark.parametrize("declaration", declarations(), ids=lambda declaration: declaration.name)
def test_every_default_is_valid(declaration: Declaration) -> None:
    checked = declaration.check(declaration.default)
    assert checked == declaration.default
    assert type(checked) is type(declaration.default)


@pytest.mark.parametrize("declaration", declarations(), ids=lambda declaration: declaration.name)
def test_every_parameter_has_a_description_and_a_ros_type(declaration: Declaration) -> None:
    assert declaration.description.endswith(".")
    assert isinstance(declaration.default, (bool, int, float, str, tuple))
    assert declaration.limits is None or isinstance(declaration.default, (int, float))


def test_names_are_grouped_by_dots_and_map_to_one_field_each() -> None:
    assert len(BY_NAME) == len(declarations()) == len(dataclasses.fields(Parameters))
    assert {"engine.kind", "engine.max_model_len", "command.allow", "overlay.jpeg_quality"} <= set(BY_NAME)
    assert {"image_transport", "publish_tf", "marker_lifetime_s", "target_frame"} <= set(BY_NAME)
    assert BY_NAME["engine.gpu_memory_utilization"].field == "engine_gpu_memory_utilization"


def test_values_set_their_fields_and_the_others_keep_their_defaults() -> None:
    values: dict[str, Any] = {
        "engine.kind": "transformers",
        "engine.request_timeout_s": 5,
        "command.allow": ["shake my hand", "left_wrist"],
        "publish_tf": False,
    }
    parameters = Parameters.from_mapping(values)
    assert parameters == dataclasses.replace(
        Parameters(),
        engine_kind="transformers",
        engine_request_timeout_s=5.0,
        command_allow=("shake my hand", "left_wrist"),
        publish_tf=False,
    )
    assert type(parameters.engine_request_timeout_s) is float
    assert Parameters.from_mapping({}) == Parameters()


def test_the_dynamic_parameters_are_those_that_the_application_applies() -> None:
    dynamic = {declaration.name for declaration in declarations() if declaration.dynamic}
    assert dynamic == {
        *("min_confidence", "min_presence", "tf_prefix", "publish_tf", "marker_lifetime_s", "overlay.jpeg_quality"),
        *("filter.enabled", "filter.acceleration", "filter.predict_s", "person_crop.mode", "person_crop.refresh_s"),
        *("command.max_length", "command.allow", "command.selection", "command.refresh_s"),
    }


def test_what_is_executed_read_or_connected_to_cannot_be_set_later() -> None:
    read_only = {declaration.name for declaration in declarations() if declaration.read_only}
    engine = {f"engine.{name}" for name in ("kind", "model", "adapter", "python", "url", "spec", "vllm")}
    assert read_only == engine | {"autostart", "command.tasks", "diagnostics_period_s"}
    paths = {
        each.name
        for each in declarations()
        if re.search(r"\b(file|directory|interpreter|URL)\b", each.description, re.I)
    }
    assert paths <= read_only
    assert not any(declaration.dynamic for declaration in declarations() if declaration.read_only)


LIMITED = [declaration for declaration in declarations() if declaration.limits is not None]


@pytest.mark.parametrize("declaration", LIMITED, ids=lambda declaration: declaration.name)
def test_the_limits_of_a_range_are_valid_and_values_beyond_are_rejected(declaration: Declaration) -> None:
    assert declaration.limits is not None
    kind = type(declaration.default)
    low, high = map(kind, declaration.limits)
    assert declaration.check(low) == low
    assert declaration.check(high) == high
    step = 1 if kind is int else 1e-6
    for outside in (low - step, high + step):
        with pytest.raises(ParameterError, match=rf"{declaration.name} must be between .* and .*, not"):
            declaration.check(outside)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_rejected(value: float) -> None:
    with pytest.raises(ParameterError, match=r"marker_lifetime_s must be between 0\.05 and 60"):
        Parameters.from_mapping({"marker_lifetime_s": value})


CHOSEN = [declaration for declaration in declarations() if declaration.choices]


@pytest.mark.parametrize("declaration", CHOSEN, ids=lambda declaration: declaration.name)
def test_only_the_choices_are_accepted(declaration: Declaration) -> None:
    several = isinstance(declaration.default, tuple)
    for choice in declaration.choices:
        assert declaration.check([choice] if several else choice) == ((choice,) if several else choice)
    other = declaration.choices[0].upper()
    with pytest.raises(ParameterError, match=rf"{declaration.name} must be one of {declaration.choices[0]}, "):
        declaration.check([other] if several else other)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("publish_tf", 1, "publish_tf must be true or false, not 1"),
        ("publish_tf", "true", "publish_tf must be true or false, not 'true'"),
        ("overlay.jpeg_quality", 80.0, "overlay.jpeg_quality must be an integer, not 80.0"),
        ("overlay.jpeg_quality", True, "overlay.jpeg_quality must be an integer, not True"),
        ("marker_lifetime_s", True, "marker_lifetime_s must be a number, not True"),
        ("marker_lifetime_s", "0.5", "marker_lifetime_s must be a number, not '0.5'"),
        ("engine.model", 7, "engine.model must be a string, not 7"),
        ("engine.model", None, "engine.model must be a string, not None"),
        ("command.allow", "wave", "command.allow must be a list of strings, not 'wave'"),
        ("command.allow", ["wave", 1], r"command.allow\[1\] must be a string, not 1: put it in quotes"),
    ],
)
def test_a_value_of_another_type_is_rejected(name: str, value: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Parameters.from_mapping({name: value})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("engine.modle", r"^unknown parameter 'engine.modle': did you mean 'engine.model'\?$"),
        ("engine_kind", r"did you mean 'engine.kind'\?$"),
        ("qwertyuiop", "^unknown parameter 'qwertyuiop'$"),
    ],
)
def test_an_unknown_name_is_rejected_with_a_suggestion(name: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Parameters.from_mapping({name: ""})


def test_a_tf_prefix_that_tf2_rejects_is_refused() -> None:
    with pytest.raises(ParameterError, match="tf_prefix must not begin with a slash"):
        Parameters.from_mapping({"tf_prefix": "/person/"})


@pytest.mark.handles(
    "Settings and DDS", "frame names with control characters or without end", "refused when they are set"
)
@pytest.mark.parametrize("value", ["a\nb", "\x1b[2J", "\x00", "x" * 201, "\u202eright"])
@pytest.mark.parametrize("name", ["tf_prefix", "target_frame"])
def test_a_frame_name_is_a_short_printable_line(name: str, value: str) -> None:
    with pytest.raises(ParameterError, match=f"parameter {name} must be a line of at most 200 printable") as caught:
        Parameters.from_mapping({name: value})
    assert str(caught.value).isprintable()
    Parameters.from_mapping({name: "møbler/base_link 1"})


@pytest.mark.parametrize(
    ("name", "value"), [("guards.workspace", "1 2"), ("guards.workspace", "x" * 9999), ("people.select", "y" * 9999)]
)
def test_a_text_in_a_notation_of_its_own_is_checked_when_it_is_set(name: str, value: str) -> None:
    with pytest.raises(ParameterError, match=rf"parameter {name} must be ") as caught:
        Parameters.from_mapping({name: value})
    assert len(str(caught.value)) < 350
