"""The light engine itself: BlazePose in a process of its own, with pictures of a person and of nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import joint_command
from taihri_ros.inference.engine import CheckpointError, GenerationFailedError, GenerationRequest, Question
from taihri_ros.inference.mediapipe.blazepose import check_weights
from taihri_ros.inference.mediapipe.mediapipe_engine import MediapipeEngine
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.keypoints import State
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.resources import BLAZEPOSE, NANO, PERSON
from taihri_ros.skeleton import JOINTS

PICTURE = np.asarray(cv2.cvtColor(cv2.imread(str(PERSON)), cv2.COLOR_BGR2RGB), np.uint8)
NOBODY = np.full_like(PICTURE, 120)
CAMERA = Camera(320, 240, [[256.0, 0.0, 163.0], [0.0, 256.0, 117.0], [0.0, 0.0, 1.0]], [], DistortionModel.NONE)
PIXELS = {"left_shoulder": (183, 67), "right_shoulder": (121, 68), "left_wrist": (205, 73), "right_wrist": (120, 168)}
"""Pixels of joints, read from the picture by eye."""


@pytest.fixture(scope="module")
def engine(light_python: str) -> Iterator[EngineProcess]:
    with EngineProcess(python=light_python, kind="mediapipe", model=str(BLAZEPOSE)) as process:
        process.wait_ready(timeout_s=240.0)
        yield process


def joints_in(engine: EngineProcess, image: NDArray[np.uint8]) -> dict[str, State]:
    person = Estimator(engine).estimate(image, CAMERA, joint_command(JOINTS)).person
    return {keypoint.name: keypoint.state for keypoint in person.keypoints}


def test_it_describes_itself(engine: EngineProcess) -> None:
    info = engine.info
    assert (info.kind, info.device, info.batched) == ("mediapipe", "cpu", True)
    assert info.version.startswith("0.10.")
    assert info.spec == ModelSpec.load(BLAZEPOSE)
    assert info.spec.task_table
    assert info.spec.has_absent


def test_it_finds_the_person_frame_after_frame(engine: EngineProcess) -> None:
    for _ in range(3):
        person = Estimator(engine).estimate(PICTURE, CAMERA, joint_command(JOINTS)).person
        found = {keypoint.name: keypoint for keypoint in person.keypoints if keypoint.state is State.MEASURED}
        for name, pixel in PIXELS.items():
            assert np.linalg.norm(found[name].pixel - pixel) < 12.0
            assert 0.8 < found[name].position[2] < 2.5
        assert found["head"].position[1] < found["spine3"].position[1] < found["pelvis"].position[1]
        assert person.presence > engine.info.spec.belief.min_presence


def test_it_finds_nobody_in_an_empty_picture(engine: EngineProcess) -> None:
    joints_in(engine, PICTURE)
    states = [joints_in(engine, NOBODY) for _ in range(2)][-1]
    assert set(states.values()) <= {State.NOT_ANSWERED, State.NOBODY}
    assert State.MEASURED in joints_in(engine, PICTURE).values()


def test_it_answers_several_questions_and_refuses_another_image(engine: EngineProcess) -> None:
    spec = engine.info.spec
    question = Question(make_prompt(joint_command(("head",)), spec))
    image = np.zeros((64, 64, 3), np.uint8)
    generation = engine.generate(GenerationRequest(image=image, questions=(question,) * 3))
    texts = [answer.text for answer in generation.answers]
    assert texts == ["<|kpt2d_start|><|kpt2d_end|><|kpt3d_start|><|kpt3d_end|>"] * 3
    assert generation.timings_ms["total"] >= generation.timings_ms["passes"] > 0.0
    with pytest.raises(GenerationFailedError, match="the image has 65x64 px, but the model needs multiples of 8 px"):
        engine.generate(GenerationRequest(image=np.zeros((64, 65, 3), np.uint8), questions=(question,)))


@pytest.mark.handles("Engine", "a mediapipe whose wheel has no weights", "FAILED at once: names versions that have")
def test_a_mediapipe_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mediapipe" / "modules" / "pose_detection").mkdir(parents=True)
    (tmp_path / "mediapipe" / "__init__.py").touch()
    (tmp_path / "mediapipe" / "modules" / "pose_detection" / "pose_detection.tflite").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CheckpointError) as fault:
        check_weights()
    assert str(fault.value) == (
        "the installed mediapipe has no modules/pose_landmark/pose_landmark_full.tflite: only 0.10.14 to 0.10.21 carry "
        "the weights, for Python 3.10 to 3.12; run `taihri engine install --engine mediapipe` with such a Python"
    )


def test_a_checkpoint_that_is_not_there() -> None:
    with pytest.raises(CheckpointError, match="there is no directory '/no/such': leave the model empty"):
        MediapipeEngine.find("/no/such")
    assert MediapipeEngine.find(str(NANO)) == NANO
