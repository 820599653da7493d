"""Parameter files and overrides are read as a ROS 2 node reads them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taihri_ros.node.parameter_files import read_parameters
from taihri_ros.node.parameters import ParameterError, Parameters

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "parameters.yaml"


def test_without_files_and_overrides_all_values_are_defaults() -> None:
    assert read_parameters([], []) == Parameters()


def test_nested_and_dotted_names_are_the_same(file: Path) -> None:
    nested = "/**:\n  ros__parameters:\n    engine: {kind: transformers, max_model_len: 1024}\n    rectified: true\n"
    dotted = (
        "/**:\n  ros__parameters:\n    engine.kind: transformers\n    engine.max_model_len: 1024\n    rectified: true\n"
    )
    expected = dataclasses.replace(Parameters(), engine_kind="transformers", engine_max_model_len=1024, rectified=True)
    for text in (nested, dotted):
        file.write_text(text)
        assert read_parameters([file], []) == expected


@pytest.mark.parametrize(
    ("name", "namespace", "matches"),
    [
        ("/**", "/", True),
        ("/**", "/robot/arm", True),
        ("taihri", "/", True),
        ("/taihri", "/", True),
        ("taihri", "/robot", False),
        ("/robot/taihri", "/robot", True),
        ("robot/taihri", "/robot", True),
        ("/robot/taihri", "/", False),
        ("/robot/taihri", "/robot2", False),
        ("/**/taihri", "/", True),
        ("/**/taihri", "/robot/arm", True),
        ("/*/taihri", "/robot", True),
        ("/*/taihri", "/robot/arm", False),
        ("/*", "/", True),
        ("/*", "/robot", False),
        ("/robot/**", "/robot/arm", True),
        ("/other", "/", False),
        ("/[a-z]aihri", "/", False),
    ],
)
def test_a_section_applies_if_its_name_matches_the_node(file: Path, name: str, namespace: str, matches: bool) -> None:
    file.write_text(f'"{name}":\n  ros__parameters:\n    tf_prefix: seen/\n')
    read = read_parameters([file], [], namespace=namespace)
    assert read.tf_prefix == ("seen/" if matches else "person/")


def test_the_node_may_have_another_name(file: Path) -> None:
    file.write_text("taihri: {ros__parameters: {tf_prefix: old/}}\nleft_eye: {ros__parameters: {tf_prefix: new/}}\n")
    assert read_parameters([file], [], node="left_eye").tf_prefix == "new/"


def test_namespaces_may_be_nested_and_other_nodes_are_ignored(file: Path) -> None:
    file.write_text(
        "robot:\n  taihri:\n    ros__parameters:\n      tf_prefix: nested/\n"
        "  driver:\n    ros__parameters:\n      rate: 30\n"
    )
    assert read_parameters([file], [], namespace="/robot").tf_prefix == "nested/"
    assert read_parameters([file], []) == Parameters()


def test_later_values_replace_earlier_ones(file: Path, tmp_path: Path) -> None:
    file.write_text(
        "/**: {ros__parameters: {tf_prefix: any/, rectified: true}}\ntaihri: {ros__parameters: {tf_prefix: own/}}\n"
    )
    second = tmp_path / "second.yaml"
    second.write_text("/**: {ros__parameters: {tf_prefix: second/}}\n")
    assert read_parameters([file], []).tf_prefix == "own/"
    assert read_parameters([file, second], []).tf_prefix == "second/"
    assert read_parameters([second, file], []).tf_prefix == "own/"
    assert read_parameters([file, second], ["tf_prefix:=third/"]).tf_prefix == "third/"
    read = read_parameters([file, second], ["tf_prefix:=third/"], chosen={"tf_prefix": "fourth/"})
    assert read.tf_prefix == "fourth/"
    assert read.rectified


def test_overrides_are_yaml() -> None:
    overrides = [
        "publish_tf:=false",
        "marker_lifetime_s:=2",
        "command.initial:=left_wrist, right_wrist",
        "command.allow:=[wave, 'shake: hands']",
    ]
    assert read_parameters([], overrides) == dataclasses.replace(
        Parameters(),
        publish_tf=False,
        marker_lifetime_s=2.0,
        command_initial="left_wrist, right_wrist",
        command_allow=("wave", "shake: hands"),
    )


def test_an_override_may_name_the_node() -> None:
    read = read_parameters([], ["taihri:tf_prefix:=own/", "other:tf_prefix:=other/", "other:speed:=1"])
    assert read == dataclasses.replace(Parameters(), tf_prefix="own/")
    assert read_parameters([], ["eye:tf_prefix:=own/"], node="eye").tf_prefix == "own/"


@pytest.mark.handles("Settings and DDS", "use_sim_time in a parameter file", "ignored with a warning where it is true")
def test_the_parameters_of_every_node_are_ignored(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_text("/**: {ros__parameters: {use_sim_time: true, start_type_description_service: false}}\n")
    assert read_parameters([file], ["use_sim_time:=false"]) == Parameters()
    assert caplog.text == ""
    assert read_parameters([file], []) == Parameters()
    assert "use_sim_time is ignored" in caplog.text


@pytest.mark.handles("Settings and DDS", "parameter file for other nodes only", "a warning names the nodes")
def test_a_file_without_parameters_for_the_node_is_reported(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_text("tahri: {ros__parameters: {rectified: true}}\n")
    assert read_parameters([file], []) == Parameters()
    assert f"{file} sets no parameter of /taihri: it is for /tahri" in caplog.text


@pytest.mark.handles("Settings and DDS", "parameter file with a byte order mark or several documents", "read")
def test_a_byte_order_mark_and_several_documents_are_read(file: Path) -> None:
    first = "/**: {ros__parameters: {tf_prefix: any/, rectified: true}}\n"
    file.write_text(first + "---\ntaihri: {ros__parameters: {tf_prefix: own/}}\n", encoding="utf-8-sig")
    assert read_parameters([file], []) == dataclasses.replace(Parameters(), tf_prefix="own/", rectified=True)


@pytest.mark.handles("Settings and DDS", "parameter file that names a section or a group twice", "the parts are joined")
def test_sections_and_groups_may_be_continued(file: Path) -> None:
    file.write_text(
        "taihri:\n  ros__parameters:\n    engine: {kind: transformers}\n    tf_prefix: first/\n"
        "    engine: {max_model_len: 1024}\n"
        "taihri:\n  ros__parameters:\n    tf_prefix: last/\n"
    )
    expected = dataclasses.replace(
        Parameters(), engine_kind="transformers", engine_max_model_len=1024, tf_prefix="last/"
    )
    assert read_parameters([file], []) == expected


@pytest.mark.handles(
    "Settings and DDS",
    "parameter file that ROS 2 would not read, or with an unknown name or an invalid value",
    "refused in one line",
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a mapping of names to values"),
        ("- a\n- b\n", "must be a mapping of names to values"),
        ("taihri: {rectified: true}\n", "/taihri/rectified is not under 'ros__parameters:'"),
        ("rectified: true\n", "/rectified is not under 'ros__parameters:'"),
        ("taihri: {ros__parameters: 7}\n", "ros__parameters of /taihri must be a mapping"),
        ("taihri: {ros__parameters: {engine: {modle: x}}}\n", r"'engine.modle': did you mean 'engine.model'\?"),
        ("taihri: {ros__parameters: {rectified: 1}}\n", "parameter rectified must be true or false, not 1"),
        ("taihri:\n  ros__parameters:\n", "a value is missing .*line 2"),
        ("taihri: {ros__parameters: {tf_prefix: ~}}\n", "a value is missing .*line 1"),
        ("/**: {ros__parameters: {a: &x {b: 1}, c: *x}}\n", "ROS 2 accepts no aliases in parameters .*line 1"),
        ("/**: {ros__parameters: {[a]: 1}}\n", "a name must be text"),
        ("a: " + "[" * 5000, "is not valid YAML"),
        ("/**: {ros__parameters: {qos_overrides: {/image: {subscription: {depth: 5}}}}}\n", "qos_overrides are for"),
        ("taihri: [\n", r"parameters.yaml is not valid YAML: .*line 2"),
        ("taihri: !!python/object/apply:os.system ['true']\n", "is not valid YAML: could not determine a constructor"),
    ],
)
def test_an_invalid_file_is_rejected_with_one_line(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ParameterError, match=message) as raised:
        read_parameters([file], [])
    assert "\n" not in str(raised.value)


def test_a_binary_or_missing_file_is_rejected(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    for path in (file, tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ParameterError, match=f"parameter file {path} is not readable"):
            read_parameters([path], [])


@pytest.mark.parametrize("override", ["", "rectified", "rectified=true", ":=true", ":rectified:=true"])
def test_a_malformed_override_is_rejected(override: str) -> None:
    with pytest.raises(ParameterError, match="is not of the form name:=value"):
        read_parameters([], [override])


def test_an_override_that_is_not_yaml_is_rejected() -> None:
    with pytest.raises(ParameterError, match=r"value of tf_prefix is not valid YAML"):
        read_parameters([], ["tf_prefix:=["])
    with pytest.raises(ParameterError, match=r"value of tf_prefix is missing \(write '' for an empty text\)"):
        read_parameters([], ["tf_prefix:="])
    assert read_parameters([], ["tf_prefix:=''"]).tf_prefix == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text() | st.text("tairos_p:{}[]/*\n -1!&'\"", max_size=60))
def test_any_text_leads_to_parameters_or_a_parameter_error(file: Path, text: str) -> None:
    for content in (text, f"/**:\n  ros__parameters: {text}"):
        file.write_text(content, encoding="utf-8", errors="replace")
        message = ""
        try:
            read_parameters([file], [])
        except ParameterError as error:
            message = str(error)
        assert "\n" not in message


def test_the_shipped_configuration_files_are_valid() -> None:
    paths = sorted(CONFIG.glob("*.yaml"))
    assert [path.name for path in paths] == ["fleet.yaml", "taihri.yaml"]
    read = {path.name: read_parameters([path], []) for path in paths}
    assert read["fleet.yaml"].engine_kind == "openai"
    assert read["fleet.yaml"].image_transport == "compressed"
    assert read["taihri.yaml"] == Parameters(), "taihri.yaml lists the defaults"
