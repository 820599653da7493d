"""Validation: the accepted values of each type, their conversion, and one-line messages for wrong values."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.errors import TaihriError
from taihri_ros.validation import Fields, check_value, unknown_name


class CallerError(TaihriError):
    """Error class of the code that calls the validation."""


class Message(Fields):
    error = CallerError


@dataclass(frozen=True)
class Joint:
    name: str
    limits: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.limits[0] > self.limits[1]:
            raise CallerError("limits must rise")


@dataclass(frozen=True)
class Robot:
    name: str
    mass_kg: float = 1.0
    legs: int = 2
    kind: Literal["arm", "humanoid"] = "arm"
    is_simulated: bool = False
    meshes: Path | None = None
    joints: tuple[Joint, ...] = ()
    named: Mapping[str, Joint] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


names = st.text(max_size=5)
finite = st.floats(allow_nan=False, allow_infinity=False)
joints = st.builds(Joint, names, st.tuples(finite, finite).map(lambda pair: (min(pair), max(pair))))
robots = st.builds(
    Robot,
    name=names,
    mass_kg=finite,
    legs=st.integers(),
    kind=st.sampled_from(["arm", "humanoid"]),
    is_simulated=st.booleans(),
    joints=st.lists(joints, max_size=3).map(tuple),
    named=st.dictionaries(names, joints, max_size=3),
    extra=st.dictionaries(names, st.none() | st.integers() | st.lists(names), max_size=3),
)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
plain_fields = st.dictionaries(st.sampled_from([one.name for one in dataclasses.fields(Robot)]), plain_values)


@given(robots)
def test_a_dataclass_is_unchanged_by_json(robot: Robot) -> None:
    assert check_value(json.loads(json.dumps(dataclasses.asdict(robot))), Robot, "robot.json") == robot


@given(plain_fields)
def test_any_mapping_is_converted_or_rejected_in_one_line(values: dict[str, Any]) -> None:
    fault = ""
    try:
        robot = check_value(values, Robot, "robot.yaml", CallerError)
    except CallerError as error:
        fault = str(error)
    if fault:
        assert fault.startswith("robot.yaml: ")
        assert "\n" not in fault
        return
    assert type(robot.mass_kg) is float
    assert type(robot.legs) is int
    assert type(robot.is_simulated) is bool
    assert all(isinstance(joint, Joint) for joint in (*robot.joints, *robot.named.values()))


def test_missing_fields_keep_their_defaults_and_values_are_converted() -> None:
    values = {"name": "r", "mass_kg": 3, "meshes": "~/meshes", "joints": [{"name": "hip", "limits": [0, 2]}]}
    robot = check_value(values, Robot, "robot.yaml")
    assert robot == Robot("r", 3.0, meshes=Path.home() / "meshes", joints=(Joint("hip", (0.0, 2.0)),))
    assert isinstance(robot.mass_kg, float)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mass_kg": "1"}, "robot.yaml: mass_kg must be a number, not '1'"),
        ({"mass_kg": True}, "robot.yaml: mass_kg must be a number, not True"),
        ({"mass_kg": 10**400}, "robot.yaml: mass_kg must be a number, not 1" + 59 * "0"),
        ({"legs": 2.0}, "robot.yaml: legs must be an integer, not 2.0"),
        ({"legs": False}, "robot.yaml: legs must be an integer, not False"),
        ({"is_simulated": 1}, "robot.yaml: is_simulated must be true or false, not 1"),
        ({"name": 5}, "robot.yaml: name must be a string, not 5: put it in quotes"),
        ({"name": None}, "robot.yaml: name must be a string, not None"),
        ({"kind": "wheel"}, "robot.yaml: kind must be one of arm, humanoid, not 'wheel'"),
        ({"kind": ["arm"]}, "robot.yaml: kind must be one of arm, humanoid, not ['arm']"),
        ({"meshes": 1}, "robot.yaml: meshes must be a path, not 1"),
        ({"joints": "hip"}, "robot.yaml: joints must be a list of mappings, not 'hip'"),
        ({"joints": ["hip"]}, "robot.yaml: joints[0] must be a mapping with name, limits, not 'hip'"),
        ({"joints": [{"limits": [0, 1]}]}, "robot.yaml: joints[0].name is missing"),
        (
            {"joints": [{"name": "a", "limits": [1]}]},
            "robot.yaml: joints[0].limits must be a list of 2 numbers, not [1]",
        ),
        (
            {"joints": [{"name": "a", "limits": [1, None]}]},
            "robot.yaml: joints[0].limits[1] must be a number, not None",
        ),
        ({"joints": [{"name": "a", "limits": [2, 1]}]}, "robot.yaml: joints[0]: limits must rise"),
        ({"joints": [{"nmae": "a"}]}, "robot.yaml: joints[0]: unknown entry 'nmae': did you mean 'name'?"),
        (
            {"named": {1: {"name": "a"}}},
            "robot.yaml: named must be a mapping with strings as keys, not {1: {'name': 'a'}}",
        ),
        ({"named": {"hip": 1}}, "robot.yaml: named.hip must be a mapping with name, limits, not 1"),
        ({"extra": []}, "robot.yaml: extra must be a mapping with strings as keys, not []"),
        ({"weight": 5}, "robot.yaml: unknown entry 'weight'; known are name, mass_kg, legs, kind, is_simulated, "),
        ({7: 5}, "robot.yaml: unknown entry 7; known are name, "),
    ],
)
def test_the_message_for_a_wrong_value_names_its_place(changes: dict[Any, Any], message: str) -> None:
    with pytest.raises(CallerError) as raised:
        check_value({"name": "r", **changes}, Robot, "robot.yaml", CallerError)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("values", [None, [], "name", 3])
def test_a_value_that_is_not_a_mapping_is_rejected(values: object) -> None:
    with pytest.raises(CallerError, match=r"^robot\.yaml must be a mapping with strings as keys, not "):
        check_value(values, Robot, "robot.yaml", CallerError)


@given(st.integers(-20, 20) | st.floats(-20, 20))
def test_limits_are_inclusive(value: float) -> None:
    if -5 <= value <= 10:
        assert check_value(value, float, "parameter x", limits=(-5.0, 10.0)) == value
        return
    with pytest.raises(TaihriError, match=r"^parameter x must be between -5 and 10, not "):
        check_value(value, float, "parameter x", limits=(-5.0, 10.0))


def test_nan_is_outside_of_all_limits() -> None:
    with pytest.raises(TaihriError, match="must be between 0 and inf, not nan"):
        check_value(float("nan"), float, "parameter x", limits=(0.0, float("inf")))


def test_a_value_that_is_not_among_the_choices_is_rejected() -> None:
    assert check_value("raw", str, "parameter x", choices=("raw", "compressed")) == "raw"
    with pytest.raises(CallerError, match=r"^parameter x must be one of raw, compressed, not 'RAW'$"):
        check_value("RAW", str, "parameter x", CallerError, choices=("raw", "compressed"))


def test_an_item_of_a_list_is_named_by_its_index() -> None:
    with pytest.raises(TaihriError, match=r"^parameter x\[1\] must be a string, not None$"):
        check_value(["a", None], tuple[str, ...], "parameter x")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda fields: fields.get("gone", int), "message: gone is missing"),
        (lambda fields: fields.optional("gone", int), "message: gone is missing"),
        (lambda fields: fields.choice("gone", ["a"]), "message: gone is missing"),
        (lambda fields: fields.numbers("gone"), "message: gone is missing"),
        (lambda fields: fields.get("text", int), "message: text must be an integer, not 'abc'"),
        (lambda fields: fields.get("true", int), "message: true must be an integer, not True"),
        (lambda fields: fields.get("true", float), "message: true must be a number, not True"),
        (lambda fields: fields.get("five", bool), "message: five must be true or false, not 5"),
        (lambda fields: fields.get("five", int, limits=(0, 4)), "message: five must be an integer from 0 to 4, not 5"),
        (lambda fields: fields.get("five", float, limits=(6, 7)), "message: five must be a number from 6 to 7, not 5"),
        (lambda fields: fields.get("nan", float, limits=(0, 9)), "message: nan must be a number from 0 to 9, not nan"),
        (lambda fields: fields.get("huge", float, limits=(0, 9)), "message: huge must be a number from 0 to 9, not 1"),
        (lambda fields: fields.get("text", str, length=2), "message: text must be a string of at most 2 characters, "),
        (lambda fields: fields.get("list", list, length=3), "message: list must be a list of 3 items, not [1, 2]"),
        (lambda fields: fields.get("list", dict), "message: list must be a mapping, not [1, 2]"),
        (lambda fields: fields.get("none", bytes), "message: none must be bytes, not None"),
        (lambda fields: fields.choice("text", ["a", "b"]), "message: text must be one of a, b, not 'abc'"),
        (lambda fields: fields.choice("list", ["a", "b"]), "message: list must be one of a, b, not [1, 2]"),
        (
            lambda fields: fields.numbers("times"),
            "message: times must be a mapping of names to finite numbers, not nan",
        ),
        (
            lambda fields: fields.numbers("sizes"),
            "message: sizes must be a mapping of names to finite numbers, not 1000",
        ),
    ],
)
def test_the_message_for_a_wrong_field_names_the_field(read: Any, message: str) -> None:
    values = {"text": "abc", "true": True, "five": 5, "list": [1, 2], "none": None, "nan": float("nan")}
    values |= {"huge": 10**400, "times": {"total": float("nan")}, "sizes": {"total": 10**400}}
    with pytest.raises(CallerError) as raised:
        read(Message(values, "message"))
    assert str(raised.value).startswith(message)


def test_fields_are_returned_with_the_requested_type() -> None:
    fields = Message({"number": 5, "none": None, "text": "abc", "times": {"total": 1}}, "message")
    assert isinstance(fields.get("number", float), float)
    assert fields.get("number", int, limits=(5, 5)) == 5
    assert fields.get("text", str, length=3) == fields.choice("text", ["abc"]) == "abc"
    assert fields.optional("none", bytes) is None
    assert fields.optional("number", int) == 5
    assert fields.numbers("times") == {"total": 1.0}


@pytest.mark.parametrize("values", [None, [], "text", {1: 2}, {b"name": 2}])
def test_fields_need_a_mapping_with_strings_as_keys(values: object) -> None:
    with pytest.raises(CallerError, match=r"^message: must be a mapping with strings as keys$"):
        Message(values, "message")


@given(plain_values, st.sampled_from([bool, int, float, str, bytes, list, dict]))
def test_a_field_has_its_type_or_is_rejected(value: Any, kind: type) -> None:
    try:
        packed = msgpack.packb({"field": value})
    except (OverflowError, ValueError, UnicodeEncodeError):
        return
    fields = Message(msgpack.unpackb(packed), "message")
    if type(value) is kind or (kind is float and type(value) is int):
        assert type(fields.get("field", kind)) is kind
        return
    with pytest.raises(CallerError, match=r"^message: field must be "):
        fields.get("field", kind)


def test_an_unknown_name_is_reported_with_the_most_similar_known_name_or_with_all() -> None:
    assert unknown_name("parameter", "engine.modle", ["engine.model", "a"]) == (
        "unknown parameter 'engine.modle': did you mean 'engine.model'?"
    )
    assert unknown_name("entry", "zzz", ["a", "b"]) == "unknown entry 'zzz'; known are a, b"
    assert unknown_name("entry", "zzz", map(str, range(100))) == "unknown entry 'zzz'"
