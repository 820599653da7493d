"""The parameters `engine.*` become the interpreter, the checkpoint and the options of an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from taihri_ros.node.configured_engine import checkpoint, engine_python, local_engine_options
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.resources import BLAZEPOSE, NANO


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "vllm",
            {
                "dtype": "float32",
                "gpu_memory_utilization": 0.5,
                "max_model_len": 1024,
                "api": "public",
                "further": {"performance_mode": "interactivity", "compilation_config": {"mode": 0}},
            },
        ),
        ("transformers", {"dtype": "float32"}),
        ("mediapipe", {"tracking": True}),
    ],
)
def test_an_engine_is_given_the_options_that_it_has(kind: str, expected: dict[str, object]) -> None:
    chosen: dict[str, Any] = {
        "engine.kind": kind,
        "engine.dtype": "float32",
        "engine.gpu_memory_utilization": 0.5,
        "engine.max_model_len": 1024,
        "engine.vllm_api": "public",
        "engine.vllm": "{performance_mode: interactivity, compilation_config: {mode: 0}}",
    }
    assert local_engine_options(Parameters.from_mapping(chosen)) == expected


@pytest.mark.handles("Engine", "engine.vllm is not a mapping", "refused with an example, before the engine starts")
@pytest.mark.parametrize("text", ["fast", "[1, 2]", "{a: 1", "a: 1\n---\nb: 2", "{a: }"])
def test_further_arguments_of_vllm_are_a_mapping(text: str) -> None:
    with pytest.raises(ParameterError, match=r"engine\.vllm (must be a mapping, such as|is not YAML: )"):
        local_engine_options(Parameters.from_mapping({"engine.vllm": text}))


def test_pictures_that_do_not_follow_each_other_are_looked_at_one_by_one() -> None:
    parameters = Parameters.from_mapping({"engine.kind": "mediapipe"})
    assert local_engine_options(parameters, tracking=False) == {"tracking": False}


@pytest.mark.parametrize(
    ("kind", "directory", "warns"),
    [("vllm", NANO, True), ("transformers", NANO, True), ("mediapipe", BLAZEPOSE, False)],
)
def test_every_engine_has_a_checkpoint_in_the_package(
    kind: str, directory: Path, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert checkpoint(Parameters.from_mapping({"engine.kind": kind})) == str(directory)
    assert bool(caplog.records) is warns


def test_every_engine_has_an_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert engine_python("", "mediapipe") == "/data/taihri_ros/engine-mediapipe/bin/python"
    assert engine_python("/opt/light/bin/python", "mediapipe") == "/opt/light/bin/python"
    assert engine_python("python3", "mediapipe") == "python3"
