"""The tracker uses earlier frames: joint selection, person crop and motion filter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import Oracle, answer_tokens

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import Command, joint_command, parse_command
from taihri_ros.commands.joint_selection import JointSelection, Source
from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.engine import EngineUnavailableError, Generation, GenerationRequest, RawAnswer
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.motion_filter import MotionFilter
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.skeleton import JOINTS

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
PERIOD_NS = 100_000_000


@pytest.fixture
def engine() -> Oracle:
    return Oracle(PERSON, spread=(0.1, 0.2, 0.4, 0.2, 0.1))


class OracleCrop(PersonCrop):
    """A person crop that transforms the oracle's joints into the chosen view, as if the oracle saw the image."""

    def __init__(self, engine: Oracle) -> None:
        super().__init__("always", refresh_s=10.0)
        self.engine = engine

    def view(self, camera: Camera, spec: ModelSpec, joints: tuple[str, ...], stamp_ns: int) -> CanonicalView:
        view = super().view(camera, spec, joints, stamp_ns)
        self.engine.joints = {name: view.points_to_view(point)[0] for name, point in PERSON.items()}
        return view


def view_sizes(engine: Oracle) -> list[tuple[int, int]]:
    return [request.image.shape[:2] for request in engine.requests]


def test_the_crop_follows_the_person_and_positions_are_unchanged(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), person_crop=OracleCrop(engine))
    found = [tracker.estimate(IMAGE, CAMERA, WRIST, (1 + n) * PERIOD_NS).person.located[0] for n in range(3)]
    full, *crops = [height * width for height, width in view_sizes(engine)]
    assert max(crops) < full, "the view is smaller after the person was found"
    for keypoint in found:
        np.testing.assert_allclose(keypoint.position, PERSON["right_wrist"], atol=0.006)


def test_a_one_shot_frame_uses_the_full_view_and_keeps_the_crop(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), person_crop=PersonCrop("always", refresh_s=10.0))
    for number in range(2):
        tracker.estimate(IMAGE, CAMERA, WRIST, (1 + number) * PERIOD_NS)
    tracker.estimate(IMAGE, CAMERA, joint_command(["head"]), 3 * PERIOD_NS, one_shot=True)
    tracker.estimate(IMAGE, CAMERA, WRIST, 4 * PERIOD_NS)
    full, crop, query, again = view_sizes(engine)
    assert query == full
    assert again == crop != full


@pytest.mark.parametrize("failure", [EngineUnavailableError("gone"), None])
def test_the_full_view_is_used_after_an_error(engine: Oracle, failure: Exception | None) -> None:
    tracker = Tracker(Estimator(engine), person_crop=PersonCrop("always", refresh_s=10.0))
    for number in range(2):
        tracker.estimate(IMAGE, CAMERA, WRIST, (1 + number) * PERIOD_NS)
    engine.failure, engine.finish_reason = failure, "length"
    with pytest.raises(EngineUnavailableError if failure else MalformedAnswerError):
        tracker.estimate(IMAGE, CAMERA, WRIST, 3 * PERIOD_NS)
    engine.failure, engine.finish_reason = None, "stop"
    tracker.estimate(IMAGE, CAMERA, WRIST, 4 * PERIOD_NS)
    assert view_sizes(engine)[-1] == view_sizes(engine)[0]


def test_the_joints_of_a_free_command_are_selected_once(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), joint_selection=JointSelection())
    command = Command("what does the head do")
    found = [tracker.estimate(IMAGE, CAMERA, command, PERIOD_NS * (1 + number)) for number in range(3)]
    assert [[keypoint.name for keypoint in estimate.person.located] for estimate in found] == [["head"]] * 3
    assert {estimate.command.text for estimate in found} == {"what does the head do"}
    prompts = [[question.prompt.user for question in request.questions] for request in engine.requests]
    assert prompts[0] == ["what does the head do"]
    assert all(len(later) == 1 and later[0].endswith(": head?") for later in prompts[1:])


class HeadIn2D(Oracle):
    """An oracle that answers the neck in 2D and 3D, and the head in 2D only."""

    def generate(self, request: GenerationRequest) -> Generation:
        tokens = answer_tokens({"neck": (1, 2), "head": (3, 4)}, {"neck": (5, 6, 7)})
        answer = RawAnswer(tokens=tokens, top_k=(None,) * len(tokens), finish_reason="stop")
        return Generation(answers=(answer,) * len(request.questions), timings_ms={"total": 1.0})


def test_joints_without_a_position_are_part_of_the_selection() -> None:
    tracker = Tracker(Estimator(HeadIn2D(PERSON)), joint_selection=JointSelection())
    first, second = (tracker.estimate(IMAGE, CAMERA, SHAKE, PERIOD_NS * (1 + number)) for number in range(2))
    assert [keypoint.name for keypoint in first.person.located] == ["neck"]
    assert second.command.joints == ("neck", "head")


def test_the_task_table_chooses_from_the_first_image_on(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), joint_selection=JointSelection(Tasks.load()))
    estimate = tracker.estimate(IMAGE, CAMERA, SHAKE, PERIOD_NS)
    assert [keypoint.name for keypoint in estimate.person.located] == ["right_elbow", "right_wrist"]
    assert tracker.selection(SHAKE).source is Source.TABLE


def test_a_malformed_answer_is_no_choice(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), joint_selection=JointSelection())
    engine.finish_reason = "length"
    with pytest.raises(MalformedAnswerError):
        tracker.estimate(IMAGE, CAMERA, SHAKE, PERIOD_NS)
    assert tracker.selection(SHAKE).source is Source.PENDING


@pytest.mark.parametrize("joint_selection", [None, JointSelection(), JointSelection(Tasks.load())])
@pytest.mark.parametrize("filtered", [False, True])
def test_a_negated_command_is_not_put_to_the_model(
    engine: Oracle, joint_selection: JointSelection | None, filtered: bool
) -> None:
    motion = MotionFilter(predict_s=0.5) if filtered else None
    tracker = Tracker(Estimator(engine), joint_selection=joint_selection, motion_filter=motion)
    tracker.refine(tracker.estimate(IMAGE, CAMERA, WRIST, PERIOD_NS), PERIOD_NS)
    command = parse_command("do not touch right_wrist, it hurts")
    assert command is not None
    estimate = tracker.refine(tracker.estimate(IMAGE, CAMERA, command, 2 * PERIOD_NS), 2 * PERIOD_NS)
    assert estimate.person.keypoints == ()
    assert (estimate.command, estimate.model) == (command, "oracle")
    assert len(engine.requests) == 1, "only the joint that was named before"


def test_without_state_every_frame_is_independent(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine))
    for number in range(2):
        tracker.estimate(IMAGE, CAMERA, Command("what does the head do"), number)
    assert len(set(view_sizes(engine))) == 1
    assert {request.questions[0].prompt.user for request in engine.requests} == {"what does the head do"}


def test_motion_is_filtered_only_with_a_motion_filter(engine: Oracle) -> None:
    plain = Tracker(Estimator(engine))
    filtered = Tracker(Estimator(engine), motion_filter=MotionFilter())
    estimates = [plain.estimate(IMAGE, CAMERA, WRIST, PERIOD_NS * (1 + number)) for number in range(5)]
    assert all(plain.refine(estimate, PERIOD_NS) is estimate for estimate in estimates)
    for number, estimate in enumerate(estimates):
        smoothed = filtered.refine(estimate, PERIOD_NS * (1 + number))
    before, after = estimates[-1].person.located[0], smoothed.person.located[0]
    assert np.trace(after.covariance) < np.trace(before.covariance)


def test_all_joints_are_asked_for_beside_those_of_the_command(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), joint_selection=JointSelection(), whole_body=True)
    filtered = Tracker(Estimator(engine), motion_filter=MotionFilter(), whole_body=True)
    for stamp in (PERIOD_NS, 2 * PERIOD_NS):
        estimate = tracker.estimate(IMAGE, CAMERA, WRIST, stamp)
        refined = filtered.refine(filtered.estimate(IMAGE, CAMERA, WRIST, stamp), stamp)
        for each in (estimate, refined):
            assert [keypoint.name for keypoint in each.person.keypoints] == ["right_wrist"]
            assert each.command == WRIST
            assert each.whole is not None
            assert [keypoint.name for keypoint in each.whole.keypoints] == list(JOINTS)
            assert {keypoint.name for keypoint in each.whole.located} == set(PERSON)
    assert len(engine.requests) == 4, "in one batch"


def test_all_joints_are_asked_for_once_the_model_has_chosen(engine: Oracle) -> None:
    tracker = Tracker(Estimator(engine), joint_selection=JointSelection(), whole_body=True)
    command = Command("what does the head do")
    first, second = (tracker.estimate(IMAGE, CAMERA, command, stamp) for stamp in (PERIOD_NS, 2 * PERIOD_NS))
    assert first.whole is None
    assert second.whole is not None
    assert [[keypoint.name for keypoint in each.person.keypoints] for each in (first, second)] == [["head"]] * 2
    assert len(second.whole.keypoints) == len(JOINTS)
