"""When a model cannot choose, the next images are asked by the names of the joints that the task needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import Oracle

from taihri_ros.camera import Camera, DistortionModel
from taihri_ros.command import Command, named
from taihri_ros.fallback import FallbackEstimator
from taihri_ros.keypoints import Estimate
from taihri_ros.language.parser import MalformedAnswerError
from taihri_ros.tasks import Tasks

IMAGE = np.zeros((480, 640, 3), np.uint8)
CAMERA = Camera(
    640, 480, np.array([[500.0, 0, 319.5], [0, 500.0, 239.5], [0, 0, 1]]), np.array([]), DistortionModel.NONE
)
PERSON: Mapping[str, NDArray[np.float64]] = {
    "right_elbow": np.array([0.1, 0.1, 1.0]),
    "right_wrist": np.array([0.0, 0.1, 0.8]),
    "neck": np.array([0.0, -0.2, 1.0]),
    "head": np.array([0.0, -0.3, 1.0]),
}
SHAKE, LOOK = Command("shake my hand"), Command("Look at my face.")


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks.load()


@pytest.fixture
def engine() -> Oracle:
    """Give an engine that finds no joint unless it is asked by name."""
    return Oracle(PERSON)


def answer(estimator: FallbackEstimator, command: Command) -> Estimate:
    return estimator.estimate(IMAGE, CAMERA, command)


def found(estimate: Estimate) -> list[str]:
    return [keypoint.name for keypoint in estimate.person.located]


def test_an_answer_without_joints_makes_the_next_image_ask_by_name(
    tasks: Tasks, engine: Oracle, caplog: pytest.LogCaptureFixture
) -> None:
    estimator = FallbackEstimator(engine, tasks)
    assert found(answer(estimator, SHAKE)) == []
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        estimate = answer(estimator, SHAKE)
    assert found(estimate) == ["right_elbow", "right_wrist"]
    assert estimate.command == Command("shake my hand", ("right_elbow", "right_wrist"))
    assert not caplog.records
    assert found(answer(estimator, LOOK)) == [], "another command is the model's to answer"
    assert found(answer(estimator, LOOK)) == ["neck", "head"]


def test_it_is_said_once_and_the_model_may_choose_again(
    tasks: Tasks, engine: Oracle, caplog: pytest.LogCaptureFixture
) -> None:
    estimator = FallbackEstimator(engine, tasks)
    with caplog.at_level(logging.WARNING):
        chose = [found(answer(estimator, SHAKE)) == [] for _ in range(70)]
    assert [image for image, free in enumerate(chose) if free] == [0, 31, 62]
    assert [record.getMessage() for record in caplog.records] == [
        "the model chose no joint for 'shake my hand'; asking for right_elbow, right_wrist, as the task handshake needs"
    ]


def test_a_malformed_answer_falls_back_too(tasks: Tasks, engine: Oracle) -> None:
    estimator = FallbackEstimator(engine, tasks)
    engine.finish_reason = "length"
    with pytest.raises(MalformedAnswerError):
        answer(estimator, SHAKE)
    engine.finish_reason = "stop"
    assert found(answer(estimator, SHAKE)) == ["right_elbow", "right_wrist"]


def test_words_that_no_task_has_stay_the_models(tasks: Tasks, engine: Oracle, caplog: pytest.LogCaptureFixture) -> None:
    estimator = FallbackEstimator(engine, tasks)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            answer(estimator, Command("vacuum the living room"))
    assert {request.prompt.user for request in engine.requests} == {"vacuum the living room"}
    assert [record.getMessage() for record in caplog.records] == [
        "the model chose no joint for 'vacuum the living room'; "
        "no task is said like that either: say it in another way or name the joints"
    ]


def test_a_model_that_chooses_is_left_alone(tasks: Tasks, engine: Oracle) -> None:
    estimator = FallbackEstimator(engine, tasks)
    for _ in range(2):
        assert found(answer(estimator, Command("what does the head do"))) == ["head"]
    assert {request.prompt.user for request in engine.requests} == {"what does the head do"}


def test_named_joints_never_fall_back(tasks: Tasks, engine: Oracle) -> None:
    estimator = FallbackEstimator(engine, tasks)
    engine.finish_reason = "length"
    for _ in range(2):
        with pytest.raises(MalformedAnswerError):
            answer(estimator, named(["left_foot"]))
    assert len({request.prompt.user for request in engine.requests}) == 1
