"""ModelSpec: the official values, reading and writing `taihri.json`, and refused values."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.errors import TaihriError
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.model.spec import FILE_NAME, Calibration, ModelSpec


def test_the_official_values() -> None:
    spec = ModelSpec()
    assert (spec.focal_px, spec.max_image_size, spec.image_multiple) == (1000.0, (1400, 1400), 32)
    assert (spec.min_pixels, spec.max_pixels) == (12544, 2007040)
    assert (spec.space.x, spec.space.y, spec.space.z) == ((-2.5, 2.5), (-2.5, 2.5), (0.0, 4.0))
    assert spec.system_prompt == "You are a helpful assistant"
    assert spec.named_prompt.replace("{joints}", "left_wrist, right_wrist") == (
        "Can you provide the 2D and 3D coordinates of the following keypoints of the person: left_wrist, right_wrist?"
    )
    assert (spec.free_prompt, spec.repetition_penalty, spec.answer) == ("{command}", 1.05, None)


gaps = st.sampled_from(["", " ", ", ", ",", "\n"])
answer_formats = st.builds(
    AnswerFormat,
    box=st.booleans(),
    joint=st.sampled_from(["token", "text"]),
    after_joint=gaps,
    between_coordinates=gaps,
    between_joints=gaps,
    between_blocks=gaps,
)
factors = st.tuples(*[st.floats(1e-3, 1e3)] * 3)
specs = st.builds(
    ModelSpec,
    name=st.text(st.characters(codec="utf-8"), max_size=20).filter(str.isprintable),
    trained=st.booleans(),
    focal_px=st.floats(1, 5000),
    max_image_size=st.tuples(st.integers(32, 4000), st.integers(32, 4000)),
    min_pixels=st.integers(1, 1000),
    max_pixels=st.integers(1000, 10**7),
    zoom=st.tuples(st.floats(0.1, 1), st.floats(1, 10)),
    space=st.builds(InteractionSpace, z=st.tuples(st.floats(0, 1), st.floats(2, 9))),
    answer=st.none() | answer_formats,
    calibration=st.builds(Calibration, bins=factors, pixel=factors),
)


@given(specs)
def test_a_specification_is_unchanged_by_json(spec: ModelSpec) -> None:
    assert ModelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_only_a_range_beyond_1_zooms() -> None:
    assert not ModelSpec().zooms
    assert not ModelSpec.from_dict({"zoom": [1, 1]}).zooms
    assert ModelSpec.from_dict({"zoom": [1.0, 3.0]}).zooms


def test_a_specification_is_unchanged_by_a_file(tmp_path: Path) -> None:
    spec = ModelSpec(name="tiny é", trained=False, answer=AnswerFormat(box=False, between_joints="\n"))
    spec = replace(spec, calibration=Calibration(bins=(1.5, 0.5, 2.0)))
    spec.save(tmp_path)
    assert ModelSpec.load(tmp_path) == spec


def test_without_a_file_the_values_are_official(tmp_path: Path) -> None:
    assert ModelSpec.load(tmp_path) == ModelSpec(name=tmp_path.name)


@pytest.mark.handles("Engine", "taihri.json that is a broken link or a directory", "refused: is not readable")
@pytest.mark.parametrize("make", [lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()])
def test_a_file_that_cannot_be_read_is_not_replaced_by_the_official_values(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / FILE_NAME)
    with pytest.raises(TaihriError, match=r"taihri\.json is not readable JSON"):
        ModelSpec.load(tmp_path)


def test_missing_values_of_a_file_are_official(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"focal_px": 800, "space": {"z": [0, 8]}}')
    spec = ModelSpec.load(tmp_path)
    assert (spec.focal_px, spec.space.z, spec.space.x) == (800, (0, 8), (-2.5, 2.5))
    assert spec.system_prompt == ModelSpec().system_prompt
    assert spec.calibration == Calibration((1.0, 1.0, 1.0), (1.0, 1.0, 1.0))


@pytest.mark.handles("Engine", "taihri.json with a value that makes no sense", "refused, names the value and its range")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"focal": 1000}, "unknown entry 'focal': did you mean 'focal_px'?"),
        ({"focal_px": "1000"}, "focal_px must be a number, not '1000'"),
        ({"focal_px": True}, "focal_px must be a number, not True"),
        ({"focal_px": 0}, "focal_px must be from 1 to 100000 px, not 0"),
        ({"focal_px": float("nan")}, "focal_px must be from 1 to 100000 px, not nan"),
        ({"focal_px": float("inf")}, "focal_px must be from 1 to 100000 px, not inf"),
        ({"focal_px": 1e300}, "focal_px must be from 1 to 100000 px, not 1e+300"),
        ({"repetition_penalty": -1}, "repetition_penalty must be from 0.1 to 10, not -1"),
        ({"repetition_penalty": 1e9}, "repetition_penalty must be from 0.1 to 10"),
        ({"max_pixels": 10**12}, "at most 67108864"),
        ({"max_image_size": [10**9, 10**9]}, "max_image_size must be at most 16384 px"),
        ({"image_multiple": 10**6, "max_image_size": [10**7, 10**7]}, "image_multiple must be from 1 to 1024"),
        ({"zoom": [1e-9, 1.0]}, "not (1e-09, 1.0), and within (0.01, 100.0)"),
        ({"zoom": [1.0, 1e9]}, "and within (0.01, 100.0)"),
        ({"name": "a" * 201}, "name must have at most 200 characters, not 201"),
        ({"name": "a\nb"}, "name must be printable, not 'a\\nb'"),
        ({"system_prompt": "a" * 5000}, "system_prompt must have at most 4000 characters, not 5000"),
        ({"free_prompt": "{command}" * 1000}, "free_prompt must have at most 4000 characters, not 9000"),
        ({"space": {"x": [-1e9, 1e9]}}, "space.x must be from -1000 to 1000 m"),
        ({"space": {"y": [0, 1e-9]}}, "space.y must be from -1000 to 1000 m and span at least 0.01 m"),
        ({"space": {"z": [-1, 4]}}, "space.z must begin in front of the camera, at 0 m or more, not at -1"),
        ({"calibration": {"bins": [1, 1, 1e9]}}, "calibration.bins must be positive factors from 0.001 to 1000"),
        ({"calibration": {"confidence": [1, -1]}}, "calibration.confidence must be positive factors"),
        ({"belief": {"presence": [1e300, 0, 0]}}, "belief.presence must be three numbers from -1e+06 to 1e+06"),
        ({"belief": {"typical": [[0, float("nan")]] * 22}}, "belief.typical must be empty, or two numbers"),
        ({"belief": {"log_odds": [0, float("inf")]}}, "belief.log_odds must be two numbers"),
        ({"belief": {"min_presence": 2}}, "must be from 0 to 1"),
        ({"name": 5}, "name must be a string, not 5"),
        ({"system_prompt": None}, "system_prompt must be a string, not None"),
        ({"trained": "false"}, "trained must be true or false"),
        ({"trained": 0}, "trained must be true or false"),
        ({"min_pixels": 10.5}, "min_pixels must be an integer"),
        ({"min_pixels": 500, "max_pixels": 400}, "max_pixels at least min_pixels"),
        ({"max_image_size": 1400}, "max_image_size must be a list of 2 integers, not 1400"),
        ({"max_image_size": [1400]}, "max_image_size must be a list of 2 integers"),
        ({"max_image_size": [1400.5, 1400]}, "max_image_size[0] must be an integer"),
        ({"max_image_size": [16, 1400]}, "max_image_size at least image_multiple"),
        ({"image_multiple": 0}, "image_multiple must be from 1 to 1024"),
        ({"zoom": [1.2, 3.0]}, "zoom must be a range from at most 1 to at least 1, not (1.2, 3.0)"),
        ({"zoom": [0.0, 3.0]}, "zoom must be a range from at most 1"),
        ({"zoom": [1.0, 0.9]}, "to at least 1, not (1.0, 0.9)"),
        ({"zoom": [1.0, float("inf")]}, "zoom must be a range from at most 1"),
        ({"zoom": [float("nan"), 2.0]}, "zoom must be a range from at most 1"),
        ({"zoom": 2.0}, "zoom must be a list of 2 numbers, not 2.0"),
        ({"named_prompt": "where is it?"}, "must contain {joints}"),
        ({"free_prompt": "do it"}, "must contain {joints} and free_prompt {command}"),
        ({"space": {"x": [1, 0]}}, "x range"),
        ({"space": {"w": [0, 1]}}, "'w'"),
        ({"space": {"x": ["a", "b"]}}, "taihri.json: "),
        ({"space": None}, "taihri.json: "),
        ({"answer": {"joint": "word"}}, "answer.joint must be one of token, text, name, words, not 'word'"),
        ({"answer": {"box": "yes"}}, "answer.box must be true or false"),
        (
            {"answer": {"between_joints": " and "}},
            "answer: between_joints may contain only commas and white space",
        ),
        ({"answer": {"after_joint": 1}}, "answer.after_joint"),
        ({"answer": {"between": ""}}, "'between'"),
        ({"answer": []}, "taihri.json: "),
        ({"calibration": {"bins": [1, 1]}}, "calibration.bins must be a list of 3 numbers, not [1, 1]"),
        ({"calibration": {"pixel": [1, 0, 1]}}, "calibration.pixel must be positive factors"),
        ({"calibration": {"pixel": [1, 1, float("nan")]}}, "must be positive factors"),
        ({"calibration": {"bins": [1, 1, float("inf")]}}, "must be positive factors"),
        ({"calibration": {"bins": ["a", 1, 1]}}, "taihri.json: "),
        ({"calibration": {"bins": 2}}, "taihri.json: "),
        ({"calibration": {"box": [1, 1, 1]}}, "'box'"),
        ({"calibration": None}, "taihri.json: "),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TaihriError) as refused:
        ModelSpec.from_dict(values)
    assert message in str(refused.value)
    assert str(refused.value).startswith(FILE_NAME)


@pytest.mark.handles("Engine", "taihri.json that is a pipe, huge or deeply nested", "refused before it is read")
def test_a_file_is_checked_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    os.mkfifo(path)
    with pytest.raises(TaihriError, match="is not readable JSON: it must be a file of at most"):
        ModelSpec.load(tmp_path)
    path.unlink()
    path.write_text(" " * (1 << 20) + "{}")
    with pytest.raises(TaihriError, match="is not readable JSON: it must be a file of at most"):
        ModelSpec.load(tmp_path)
    path.write_text("[" * 100_000)
    with pytest.raises(TaihriError, match="is not readable JSON"):
        ModelSpec.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "is not readable JSON"), (b"\xff\xfe", "is not readable JSON"), (b"[1]", "must be a mapping")],
)
def test_a_file_without_a_specification_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(TaihriError, match=message) as refused:
        ModelSpec.load(tmp_path)
    assert str(tmp_path) in str(refused.value)
