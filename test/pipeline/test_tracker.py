"""What a frame teaches for the next: the joints of a free command, where to look, how the joints move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import Oracle, answer_tokens

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command, joint_command
from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.engine import EngineUnavailableError, Generation, GenerationRequest, RawAnswer
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.motion_filter import MotionFilter
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.pipeline.tracker import Tracker

IMAGE = np.zeros((480, 640, 3), np.uint8)
CAMERA = Camera(
    640, 480, np.array([[500.0, 0, 319.5], [0, 500.0, 239.5], [0, 0, 1]]), np.array([]), DistortionModel.NONE
)
PERSON: Mapping[str, NDArray[np.float64]] = {
    "right_elbow": np.array([0.4, 0.1, 2.2]),
    "right_wrist": np.array([0.3, 0.1, 2.0]),
    "neck": np.array([0.4, -0.2, 2.1]),
    "head": np.array([0.4, -0.3, 2.1]),
}
WRIST, SHAKE = joint_command(["right_wrist"]), Command("shake my hand")
TENTH = 100_000_000


@pytest.fixture
def engine() -> Oracle:
    return Oracle(PERSON, spread=(0.1, 0.2, 0.4, 0.2, 0.1))


class Telling(PersonCrop):
    """Tells the oracle where its view looks, so that it answers as one who sees the image."""

    def __init__(self, engine: Oracle) -> None:
        super().__init__("always", refresh_s=10.0)
        self.engine = engine

    def view(self, camera: Camera, spec: ModelSpec, joints: tuple[str, ...], stamp_ns: int) -> CanonicalView:
        view = super().view(camera, spec, joints, stamp_ns)
        self.engine.joints = {name: view.points_to_view(point)[0] for name, point in PERSON.items()}
        return view


def shown(engine: Oracle) -> list[tuple[int, int]]:
    return [request.image.shape[:2] for request in engine.requests]


def test_the_view_follows_the_person_and_the_point_stays_where_it_is(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), person_crop=Telling(engine))
    found = [tracker.estimate(IMAGE, CAMERA, WRIST, (1 + n) * TENTH).person.located[0] for n in range(3)]
    whole, *followed = [height * width for height, width in shown(engine)]
    assert max(followed) < whole, "the model is shown less once it is known where the person is"
    for keypoint in found:
        np.testing.assert_allclose(keypoint.position, PERSON["right_wrist"], atol=0.006)


def test_a_single_query_is_looked_at_in_whole_and_disturbs_nothing(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), person_crop=PersonCrop("always", refresh_s=10.0))
    for number in range(2):
        tracker.estimate(IMAGE, CAMERA, WRIST, (1 + number) * TENTH)
    tracker.estimate(IMAGE, CAMERA, joint_command(["head"]), 3 * TENTH, one_shot=True)
    tracker.estimate(IMAGE, CAMERA, WRIST, 4 * TENTH)
    whole, followed, query, again = shown(engine)
    assert query == whole
    assert again == followed != whole


@pytest.mark.parametrize("failure", [EngineUnavailableError("gone"), None])
def test_after_an_error_all_is_looked_at_again(engine: Oracle, failure: Exception | None) -> None:
    tracker = Tracker(Estimator(engine), person_crop=PersonCrop("always", refresh_s=10.0))
    for number in range(2):
        tracker.estimate(IMAGE, CAMERA, WRIST, (1 + number) * TENTH)
    engine.failure, engine.finish_reason = failure, "length"
    with pytest.raises(EngineUnavailableError if failure else MalformedAnswerError):
        tracker.estimate(IMAGE, CAMERA, WRIST, 3 * TENTH)
    engine.failure, engine.finish_reason = None, "stop"
    tracker.estimate(IMAGE, CAMERA, WRIST, 4 * TENTH)
    assert shown(engine)[-1] == shown(engine)[0]


def test_a_free_command_is_put_to_the_model_once(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), joint_selection=JointSelection())
    command = Command("what does the head do")
    found = [tracker.estimate(IMAGE, CAMERA, command, TENTH * (1 + number)) for number in range(3)]
    assert [[keypoint.name for keypoint in estimate.person.located] for estimate in found] == [["head"]] * 3
    assert {estimate.command.text for estimate in found} == {"what does the head do"}
    prompts = [[question.prompt.user for question in request.questions] for request in engine.requests]
    assert prompts[0] == ["what does the head do"]
    assert all(len(later) == 1 and later[0].endswith(": head?") for later in prompts[1:])


class HeadIn2D(Oracle):
    """Answers the neck in 2D and 3D, the head in 2D only."""

    def generate(self, request: GenerationRequest) -> Generation:
        tokens = answer_tokens({"neck": (1, 2), "head": (3, 4)}, {"neck": (5, 6, 7)})
        answer = RawAnswer(tokens=tokens, top_k=(None,) * len(tokens), finish_reason="stop")
        return Generation(answers=(answer,) * len(request.questions), timings_ms={"total": 1.0})


def test_joints_without_a_position_belong_to_the_selection() -> None:
    tracker = Tracker(Estimator(HeadIn2D(PERSON)), joint_selection=JointSelection())
    first, second = (tracker.estimate(IMAGE, CAMERA, SHAKE, TENTH * (1 + number)) for number in range(2))
    assert [keypoint.name for keypoint in first.person.located] == ["neck"]
    assert second.command.joints == ("neck", "head")


def test_a_malformed_answer_falls_back_to_the_table(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), joint_selection=JointSelection(Tasks.load()))
    engine.finish_reason = "length"
    with pytest.raises(MalformedAnswerError):
        tracker.estimate(IMAGE, CAMERA, SHAKE, TENTH)
    engine.finish_reason = "stop"
    estimate = tracker.estimate(IMAGE, CAMERA, SHAKE, 2 * TENTH)
    assert [keypoint.name for keypoint in estimate.person.located] == ["right_elbow", "right_wrist"]


def test_without_a_memory_every_frame_is_for_itself(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine))
    for number in range(2):
        tracker.estimate(IMAGE, CAMERA, Command("what does the head do"), number)
    assert len(set(shown(engine))) == 1
    assert {request.questions[0].prompt.user for request in engine.requests} == {"what does the head do"}


def test_motion_is_filtered_only_where_that_is_wanted(engine: Oracle) -> None:
    plain = Tracker(Estimator(engine))
    filtered = Tracker(Estimator(engine), motion_filter=MotionFilter())
    estimates = [plain.estimate(IMAGE, CAMERA, WRIST, TENTH * (1 + number)) for number in range(5)]
    assert all(plain.smooth(estimate, TENTH) is estimate for estimate in estimates)
    for number, estimate in enumerate(estimates):
        smoothed = filtered.smooth(estimate, TENTH * (1 + number))
    before, after = estimates[-1].person.located[0], smoothed.person.located[0]
    assert np.trace(after.covariance) < np.trace(before.covariance)
