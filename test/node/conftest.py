"""Fixtures: results with known values, and message builders."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.keypoints import DepthUse, Keypoint, Person, State
from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.messages import Messages
from taihri_ros.pipeline.belief import Thresholds, refuse_unbelieved
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.frames import Frame, Result
from taihri_ros.resources import share_directory

STAMP_NS = 1_700_000_000_123_456_789
FRAME_ID = "head_camera_optical_frame"


def measured(name: str, x: float, y: float, z: float) -> Keypoint:
    return Keypoint(
        name,
        State.MEASURED,
        position=np.array([x, y, z]),
        covariance=np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]]) * 1e-4,
        confidence=0.75,
        pixel=np.array([100.0 * x, 100.0 * y]),
    )


@pytest.fixture
def result() -> Result:
    """A result with left elbow and left wrist located, and three joints that are missing for different reasons."""
    keypoints = (
        Keypoint("head", State.NOT_ANSWERED, "not answered"),
        Keypoint("left_shoulder", State.OUT_OF_RANGE, "out of range"),
        measured("left_elbow", 0.25, -0.5, 1.5),
        measured("left_wrist", 0.5, 0.125, 1.25),
        Keypoint("right_wrist", State.DUPLICATE, "answered twice"),
    )
    estimate = Estimate(
        command=joint_command([keypoint.name for keypoint in keypoints]),
        person=Person(keypoints, np.array([10.0, 20.0, 300.0, 400.0])),
        answer="",
        stages_ms={"view": 2.0, "engine": 100.0},
        model="manual",
    )
    image = np.zeros((48, 64, 3), np.uint8)
    return Result(estimate, Frame(STAMP_NS, FRAME_ID, lambda _: image), image, {"decode": 1.5, "engine": 100.0})


@pytest.fixture
def nobody(result: Result) -> Result:
    """A result without located joints and without a box."""
    keypoints = tuple(Keypoint(each.name, State.NOT_ANSWERED) for each in result.estimate.person.keypoints)
    estimate = Estimate(result.estimate.command, Person(keypoints, None), "", {}, "manual")
    return Result(estimate, result.frame, result.image, {})


@pytest.fixture
def doubtful(result: Result) -> Result:
    """A result of which the left wrist and the box are believed, and the left elbow is not; the head is out of view."""
    _, shoulder, elbow, wrist, _ = result.estimate.person.keypoints
    head = dataclasses.replace(
        measured("head", 0.5, 0.25, 1.0), state=State.OUT_OF_VIEW, reason="v beyond", pixel=np.full(2, np.nan)
    )
    doubted = dataclasses.replace(elbow, confidence=0.125, depth=DepthUse.FUSED)
    person = Person((head, shoulder, doubted, wrist), result.estimate.person.box, presence=0.875)
    return with_thresholds(dataclasses.replace(result, estimate=dataclasses.replace(result.estimate, person=person)))


@pytest.fixture
def unbelieved(doubtful: Result) -> Result:
    """The same result where the model does not believe that there is a person."""
    person = dataclasses.replace(doubtful.estimate.person, presence=0.25)
    return with_thresholds(
        dataclasses.replace(doubtful, estimate=dataclasses.replace(doubtful.estimate, person=person))
    )


def with_thresholds(result: Result) -> Result:
    """Return a result that has passed the thresholds 0.5 for the confidence and 0.75 for the presence."""
    thresholds = Thresholds(0.5, 0.75)
    person = refuse_unbelieved(result.estimate.person, thresholds)
    return dataclasses.replace(
        result, estimate=dataclasses.replace(result.estimate, person=person, thresholds=thresholds)
    )


@pytest.fixture(scope="session", params=["humble", "jazzy"])
def types(request: pytest.FixtureRequest) -> RosTypes:
    return RosTypes(request.param, share_directory())


@pytest.fixture(scope="session")
def messages(types: RosTypes) -> Messages:
    return Messages(types.message)


@pytest.fixture(scope="session")
def engine(vllm_process: EngineProcess) -> EngineProcess:
    return vllm_process
