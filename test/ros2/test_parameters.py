"""Parameters as ROS tools read and set them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hosted import Hosted
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
from robot import Robot

from taihri_ros.node.parameters import ParameterError, Parameters, declarations


@pytest.fixture(scope="module", autouse=True)
def hosted(domain: int) -> Iterator[Hosted]:
    with Hosted(domain, {"tf_prefix": "human/", "command.allow": ["stop", "shake my hand"]}) as hosted:
        yield hosted


def set_parameter(robot: Robot, name: str, value: object) -> tuple[bool, str]:
    request = [Parameter(name, value=value).to_parameter_msg()]
    (result,) = robot.call(SetParameters, "/taihri/set_parameters", parameters=request).results
    return result.successful, result.reason


def test_every_parameter_is_declared_typed_and_described(robot: Robot) -> None:
    table = declarations()
    names = [declaration.name for declaration in table]
    described = robot.call(DescribeParameters, "/taihri/describe_parameters", names=names).descriptors
    kinds = {
        bool: ParameterType.PARAMETER_BOOL,
        int: ParameterType.PARAMETER_INTEGER,
        float: ParameterType.PARAMETER_DOUBLE,
        str: ParameterType.PARAMETER_STRING,
        tuple: ParameterType.PARAMETER_STRING_ARRAY,
    }
    assert [(d.name, d.description, d.type) for d in described] == [
        (d.name, d.description, kinds[type(d.default)]) for d in table
    ]
    by_name = {description.name: description for description in described}
    assert by_name["marker_lifetime_s"].floating_point_range[0].to_value == 60.0
    assert by_name["command.max_length"].integer_range[0].from_value == 1
    assert by_name["engine.kind"].additional_constraints == "one of: vllm, transformers, mediapipe, openai"


def test_overrides_and_defaults_are_read(hosted: Hosted) -> None:
    values = hosted.node._settings.read()
    assert values == Parameters(tf_prefix="human/", command_allow=("stop", "shake my hand"))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("engine.dtype", "int4", "must be one of auto, float32, bfloat16, float16, not 'int4'"),
        ("xy_source", "guess", "parameter xy_source must be one of bins, pixel, not 'guess'"),
        ("marker_lifetime_s", 1000.0, "range"),
        ("overlay.jpeg_quality", 0, "range"),
        ("publish_tf", "yes", "type"),
        ("diagnostics_period_s", 2.0, "read-only"),
        ("engine.python", "/tmp/another", "read-only"),
        ("engine.model", "/tmp/another", "read-only"),
        ("engine.url", "http://another:8000/v1", "read-only"),
        ("engine.vllm", "{worker_cls: another.Worker}", "read-only"),
        ("command.tasks", "/etc/passwd", "read-only"),
    ],
)
def test_an_invalid_value_is_refused_with_the_reason(robot: Robot, name: str, value: object, reason: str) -> None:
    successful, answer = set_parameter(robot, name, value)
    assert not successful
    assert reason.replace("-", " ") in answer.lower().replace("-", " ")


@pytest.mark.parametrize(("name", "value"), [("tf_prefix", "p/"), ("xy_source", "pixel"), ("command.allow", [])])
def test_a_valid_value_is_accepted(robot: Robot, hosted: Hosted, name: str, value: object) -> None:
    request = Parameter(name, Parameter.Type.STRING_ARRAY, value) if value == [] else Parameter(name, value=value)
    answer = robot.call(SetParameters, "/taihri/set_parameters", parameters=[request.to_parameter_msg()])
    assert answer.results[0].successful
    assert hosted.node.get_parameter(name).value == value


def test_quality_of_service_can_be_overridden(hosted: Hosted) -> None:
    name = "qos_overrides./taihri/keypoints.publisher.reliability"
    assert hosted.node.get_parameter(name).value == "reliable"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("engine.kind", "llama", "engine.kind must be one of"),
        ("marker_lifetime_s", 0.0, "marker_lifetime_s"),
        ("rectified", "no", "rectified"),
    ],
)
def test_an_invalid_value_at_the_start_is_an_error_that_names_the_parameter(
    domain: int, name: str, value: object, message: str
) -> None:
    with pytest.raises(ParameterError, match=message), Hosted(domain, {name: value}):
        pass
