from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from ended_run import Run
from oracle import Oracle
from zoom_oracle import ZOOMING

from taihri_ros import localizer
from taihri_ros.cli import localize
from taihri_ros.cli.localize import to_json
from taihri_ros.commands.command import joint_command
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.model.spec import Belief
from taihri_ros.node.parameters import ParameterError
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.resources import PERSON


def test_localize_prints_json_and_writes_an_overlay(
    taihri: Callable[..., Run],
    photo: Path,
    calibration: Path,
    checkpoint: str,
    engine_python: str,
    tmp_path: Path,
) -> None:
    overlay = tmp_path / "found.png"
    arguments = ["--camera-info", calibration, "--command", "Left Wrist and head", "--json", "--overlay", overlay]
    arguments += ["--engine", "transformers", "--model", checkpoint, "--engine-python", engine_python]
    done = taihri("localize", photo, *arguments)
    assert done.status == 0, done.err
    answer = json.loads(done.out, parse_constant=pytest.fail)
    assert set(answer["keypoints"]) == {"left_wrist", "head"}
    for keypoint in answer["keypoints"].values():
        assert keypoint["state"] == "MEASURED"
        assert len(keypoint["position"]) == 3
        assert 0 < keypoint["position"][2] < 4
        assert np.shape(keypoint["covariance"]) == (3, 3)
        assert 0 < keypoint["confidence"] <= 1
        assert len(keypoint["pixel"]) == 2
    assert answer["model"] == "tiny-random"
    assert answer["answer"].count("<|left_wrist|>") == 2
    assert answer["stages_ms"]["engine"] > 0
    assert "random weights: these points mean nothing" in done.err
    drawn = cv2.imread(str(overlay))
    assert drawn.shape == cv2.imread(str(photo)).shape
    assert drawn.min() < 128, "the photo is white"


def test_localize_writes_the_body_as_gltf(
    taihri: Callable[..., Run], light_python: str, calibration_of: Callable[[Path], Path], tmp_path: Path
) -> None:
    mesh = tmp_path / "body.glb"
    arguments = ["--camera-info", calibration_of(PERSON), "--command", "head", "--mesh", mesh]
    done = taihri("localize", PERSON, *arguments, "--engine", "mediapipe", "--engine-python", light_python)
    assert done.status == 0, done.err
    assert "head" in done.out
    assert "pelvis" not in done.out, "the command does not ask for it"
    content = mesh.read_bytes()
    length = int.from_bytes(content[12:16], "little")
    (positions, *_) = json.loads(content[20 : 20 + length])["accessors"]
    assert content[:4] == b"glTF"
    assert max(positions["max"][2], positions["min"][2]) < -0.5, "in front of a viewer who looks along -z"
    assert 0.3 < np.ptp([positions["min"][1], positions["max"][1]]) < 2.2


def test_nobody_has_no_body(
    taihri: Callable[..., Run], light_python: str, photo: Path, calibration: Path, tmp_path: Path
) -> None:
    mesh = tmp_path / "body.glb"
    arguments = ["--camera-info", calibration, "--command", "head", "--mesh", mesh]
    done = taihri("localize", photo, *arguments, "--engine", "mediapipe", "--engine-python", light_python)
    assert done.status == 0, done.err
    assert f"note: {mesh} was not written: too few joints" in done.err
    assert not mesh.exists()


def test_unknown_values_are_null_in_json() -> None:
    keypoints = (Keypoint("head", State.NOT_ANSWERED, "not answered"),)
    estimate = Estimate(joint_command(["head"]), Person(keypoints, None), "", {"engine": 1.23456}, "m")
    text = json.dumps(to_json(estimate), allow_nan=False)
    nothing = {"position": None, "covariance": None, "confidence": None, "pixel": None}
    assert json.loads(text)["keypoints"] == {"head": {"state": "NOT_ANSWERED", "reason": "not answered"} | nothing}
    assert json.loads(text)["box"] is None


def test_the_task_table_chooses_the_joints_of_a_checkpoint_that_asks_for_it(
    photo: Path, calibration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: np.array([0.1, 0.0, 1.0]) for name in ("right_elbow", "right_wrist")}
    engine = Oracle(known)
    engine.info = replace(engine.info, spec=replace(engine.info.spec, task_table=True))
    monkeypatch.setattr(localizer, "ready_engine", lambda _, **__: engine)
    arguments = [str(photo), "--camera-info", str(calibration), "--command", "shake my hand", "--json"]
    done = CliRunner().invoke(localize.command, arguments, catch_exceptions=False)
    keypoints = json.loads(done.stdout[done.stdout.index("{") :])["keypoints"]
    assert {name: keypoint["state"] for name, keypoint in keypoints.items()} == dict.fromkeys(known, "MEASURED")


@pytest.mark.parametrize(
    ("command", "note"),
    [
        ("do not shake my right_wrist", "note: the command is negated by 'do not': say what to do"),
        ("turn off the lights", "note: the model chose no joint: say it in other words"),
    ],
)
def test_a_command_without_joints_is_answered_with_none_and_the_reason(
    photo: Path, calibration: Path, monkeypatch: pytest.MonkeyPatch, command: str, note: str
) -> None:
    monkeypatch.setattr(localizer, "ready_engine", lambda _, **__: Oracle({"right_wrist": np.ones(3)}))
    arguments = [str(photo), "--camera-info", str(calibration), "--command", command, "--json"]
    done = CliRunner().invoke(localize.command, arguments, catch_exceptions=False)
    assert json.loads(done.output[done.output.index("{") :])["keypoints"] == {}
    assert note in done.output


def test_joints_that_the_model_does_not_believe_are_missing_unless_asked_for(
    photo: Path, calibration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Oracle({"head": np.array([0.1, 0.0, 1.0])}, spread=(0.02,) * 41)
    engine.info = replace(engine.info, spec=replace(engine.info.spec, belief=Belief(0.99, 0.0)))
    monkeypatch.setattr(localizer, "ready_engine", lambda _, **__: engine)

    def run(*options: str) -> str:
        arguments = [str(photo), "--camera-info", str(calibration), "--command", "head", *options]
        return CliRunner().invoke(localize.command, arguments, catch_exceptions=False).output

    def answer(*options: str) -> dict[str, Any]:
        output = run("--json", *options)
        found: dict[str, Any] = json.loads(output[output.index("{") :])
        return found

    refused = answer()
    head = refused["keypoints"]["head"]
    assert (head["state"], head["position"], head["pixel"]) == ("LOW_CONFIDENCE", None, None)
    assert 0.2 < head["confidence"] < 0.99
    assert 0.0 < refused["presence"] < 1.0
    assert (refused["min_confidence"], refused["min_presence"]) == (0.99, 0.0)
    assert "is below min_confidence 0.99" in run()
    asked = answer("--min-confidence", "0")
    assert asked["keypoints"]["head"]["state"] == "MEASURED"
    assert asked["min_confidence"] == 0.0
    assert answer("--min-presence", "1")["keypoints"]["head"]["state"] == "NOBODY"
    with pytest.raises(ParameterError, match="min_confidence"):
        run("--min-confidence", "1.5")


@pytest.mark.parametrize(("options", "looks"), [([], 2), (["--person-crop", "never"], 1)])
def test_a_checkpoint_that_zooms_is_shown_more_views_unless_told_not_to(
    photo: Path, calibration: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], looks: int
) -> None:
    engine = Oracle({})
    engine.info = replace(engine.info, spec=ZOOMING)
    monkeypatch.setattr(localizer, "ready_engine", lambda _, **__: engine)
    arguments = [str(photo), "--camera-info", str(calibration), "--command", "head", *options]
    CliRunner().invoke(localize.command, arguments, catch_exceptions=False)
    assert len(engine.requests) == looks, "the full view, and a grid of one view because nobody is found"


def test_invalid_input_is_refused_before_the_engine_starts(
    taihri_here: Callable[..., Run], photo: Path, calibration: Path, tmp_path: Path
) -> None:
    note = tmp_path / "note.jpg"
    note.write_text("no picture")
    text = tmp_path / "text.yaml"
    text.write_text("just text")
    rig = tmp_path / "rig.yaml"
    cameras = {name: {"camera_model": "pinhole", "intrinsics": [100, 100, 48, 32]} for name in ("cam0", "cam1")}
    rig.write_text(json.dumps(cameras))
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((10, 10, 3), np.uint8))
    for arguments, message in (
        ((photo, "--camera-info", calibration, "--command", "stop"), "'stop' requests no joints"),
        ((photo, "--camera-info", calibration, "--command", ""), "holds no words"),
        ((photo, "--camera-info", text, "--command", "head"), "text.yaml: not a calibration"),
        ((photo, "--camera-info", rig, "--command", "head"), "holds 2 cameras: choose one of cam0, cam1"),
        ((photo, "--camera-info", rig, "--camera", "cam1", "--command", "head"), "Kalibr lacks resolution"),
        ((photo, "--camera-info", calibration, "--rectified", "--command", "head"), "p is all zeros"),
        ((small, "--camera-info", calibration, "--command", "head"), "image is 10x10 but camera_info describes 96x64"),
        ((photo, "--camera-info", calibration, "--command", "head", "--overlay", "a.xyz"), "must end in .png or .jpg"),
        ((photo, "--camera-info", calibration, "--command", "head", "--mesh", "a.stl"), "that ends with .glb"),
        ((photo, "--camera-info", calibration, "--command", "head", "--overlay", "no/a.png"), "there is no directory"),
        ((photo, "--camera-info", calibration, "--command", "head", "--mesh", "no/a.glb"), "to write a.glb to: make"),
        (
            (photo, "--camera-info", calibration, "--command", "head", "--engine", "openai"),
            "no model: set engine.model (--model)",
        ),
        ((note, "--camera-info", calibration, "--command", "head"), "note.jpg: the picture (10 bytes) is neither JPEG"),
        (
            (photo, "--camera-info", calibration, "--command", "head", "--overlay", "none"),
            "none must end in .png or .jpg",
        ),
        ((photo, "--command", "head"), "Missing option '--camera-info'"),
    ):
        taihri_here("localize", *arguments).fails_with(message)


def test_a_missing_engine_environment_is_reported_once(
    taihri: Callable[..., Run], photo: Path, calibration: Path
) -> None:
    done = taihri("localize", photo, "--camera-info", calibration, "--command", "head", "--model", "x")
    done.fails_with("taihri engine install")
    assert "ERROR" not in done.err, "the error is reported once"


def test_a_missing_checkpoint_is_named(
    taihri: Callable[..., Run], photo: Path, calibration: Path, engine_python: str
) -> None:
    arguments = ["--camera-info", calibration, "--command", "head", "--model", "none", "--engine-python", engine_python]
    taihri("localize", photo, *arguments).fails_with("there is no checkpoint directory 'none'")
