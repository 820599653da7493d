"""The application turns camera and command messages into published results."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from camera_messages import FRAME_ID, HEIGHT, MESSAGES, TYPES, WIDTH, camera_info, compressed, depth, image
from oracle import Oracle

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.camera.picture_decoder import decode_picture
from taihri_ros.commands.command import CommandError
from taihri_ros.commands.task_table import TaskError
from taihri_ros.errors import TaihriError
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.model.spec import Belief
from taihri_ros.node import topics
from taihri_ros.node.application import Application
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Placement, stamp_ns
from taihri_ros.node.parameters import Parameters, SelectionMode
from taihri_ros.node.topics import Topic
from taihri_ros.skeleton import JOINTS

TIMEOUT_S = 30.0
ADVICE = "say it in other words, or name the joints"


@dataclass
class Recorder:
    """Outputs that record messages in lists; a topic in `subscribed` has one subscriber."""

    subscribed: set[Topic] = field(default_factory=set)
    published: list[tuple[Topic, Any]] = field(default_factory=list)
    active_commands: list[Any] = field(default_factory=list)
    transforms: list[Any] = field(default_factory=list)
    placement: Placement = field(default_factory=lambda: Placement(FRAME_ID))
    broken: bool = False
    retired: list[Topic] = field(default_factory=list)

    def publish(self, topic: Topic, message: Any) -> None:
        if self.broken:
            raise RuntimeError("the transport is gone")
        if topic is topics.ACTIVE_COMMAND:
            self.active_commands.append(message)
        else:
            self.published.append((topic, message))

    def subscribers(self, topic: Topic) -> int:
        return int(topic in self.subscribed)

    def retire(self, retired: Iterable[Topic]) -> None:
        self.retired += retired

    def broadcast(self, transforms: list[Any]) -> None:
        self.transforms += transforms

    def place(self, frame_id: str, stamp: int) -> Placement:
        return self.placement

    def on(self, topic: Topic) -> list[Any]:
        return [message for name, message in self.published if name is topic]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def start(engine: EngineProcess, recorder: Recorder) -> Iterator[Callable[..., Application]]:
    started: list[Application] = []

    def start(**parameters: Any) -> Application:
        application = Application(Parameters(**parameters), engine, MESSAGES, recorder, decode_image)
        application.start()
        started.append(application)
        return application

    yield start
    for application in started:
        application.stop()


def process(application: Application, message: Any) -> None:
    """Send an image and wait until it is answered or dropped."""
    application.on_camera_info(camera_info(0))
    application.on_image(message)
    wait_idle(application)


def wait_idle(application: Application) -> None:
    """Wait until no image is pending."""
    deadline = time.monotonic() + TIMEOUT_S
    while application.scheduler.counters.snapshot().pending:
        assert time.monotonic() < deadline, "an image is still pending"
        time.sleep(0.005)


def send_command(application: Application, text: str) -> None:
    application.on_command(MESSAGES.make("std_msgs/msg/String", data=text))


def test_keypoints_and_transforms_are_always_published(start: Callable[..., Application], recorder: Recorder) -> None:
    process(start(command_initial="left_wrist, head"), image(7_000_000_001))
    assert {topic for topic, _ in recorder.published} == {topics.KEYPOINTS}
    (poses,) = recorder.on(topics.KEYPOINTS)
    assert (stamp_ns(poses.header), poses.header.frame_id) == (7_000_000_001, FRAME_ID)
    assert [each.child_frame_id for each in recorder.transforms] == ["person/head", "person/left_wrist"]
    assert len(poses.poses) == 2


def test_expensive_outputs_are_published_only_for_subscribers(
    start: Callable[..., Application], recorder: Recorder
) -> None:
    application = start(command_initial="left_wrist")
    for topic in (topics.PERSON, topics.MARKERS, topics.OVERLAY):
        recorder.subscribed = {topic}
        recorder.published.clear()
        process(application, image(1))
        assert {name for name, _ in recorder.published} == {topics.KEYPOINTS, topic}
        TYPES.serialize(recorder.on(topic)[0], topic.type)


def test_the_overlay_is_the_image_with_drawings(start: Callable[..., Application], recorder: Recorder) -> None:
    recorder.subscribed = {topics.OVERLAY}
    plain = image(1, data=np.full(WIDTH * HEIGHT * 3, 255, np.uint8))
    process(start(command_initial="left_wrist", overlay_jpeg_quality=95), plain)
    drawn = decode_picture(recorder.on(topics.OVERLAY)[0].data)
    assert drawn.shape == (HEIGHT, WIDTH, 3)
    assert drawn.min() < 128
    assert np.mean(drawn > 200) > 0.5, "most of it is the image itself"


def test_the_jpeg_quality_of_the_overlay_is_a_parameter(start: Callable[..., Application], recorder: Recorder) -> None:
    recorder.subscribed = {topics.OVERLAY}
    for quality in (5, 95):
        process(start(command_initial="left_wrist", overlay_jpeg_quality=quality), image(1))
    low, high = recorder.on(topics.OVERLAY)
    assert len(low.data) < len(high.data) / 3


def test_transforms_can_be_disabled_and_prefixed(start: Callable[..., Application], recorder: Recorder) -> None:
    process(start(command_initial="left_wrist", publish_tf=False), image(1))
    assert recorder.transforms == []
    process(start(command_initial="left_wrist", tf_prefix="guest_"), image(1))
    assert [each.child_frame_id for each in recorder.transforms] == ["guest_left_wrist"]


@pytest.mark.handles("Frames and stamps", "frame_id that is empty", "poses without TF; logged once")
def test_without_a_frame_id_the_poses_are_published_and_no_transforms(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    application = Application(
        Parameters(command_initial="left_wrist"), Oracle({"left_wrist": WRIST}), MESSAGES, recorder, decode_image
    )
    application.start()
    for stamp, frame_id in ((1, ""), (2, ""), (3, FRAME_ID), (4, f"/{FRAME_ID}")):
        message = image(stamp)
        message.header.frame_id = frame_id
        recorder.placement = Placement(frame_id)
        process(application, message)
    application.stop()
    poses = recorder.on(topics.KEYPOINTS)
    assert [each.header.frame_id for each in poses] == ["", "", FRAME_ID, f"/{FRAME_ID}"], "the image's own"
    assert [len(each.poses) for each in poses] == [1] * 4
    assert [(stamp_ns(each.header), each.header.frame_id) for each in recorder.transforms] == [
        (3, FRAME_ID),
        (4, FRAME_ID),
    ]
    assert caplog.text.count("the images have no frame_id") == 1
    assert caplog.text.count("begins with a slash") == 1


@pytest.mark.parametrize(
    ("sec", "nanosec", "published"),
    [(0, 0, (0, 0)), (-5, 7, (-5, 7)), (5, 1_500_000_000, (6, 500_000_000)), (2**31 - 1, 0, (2**31 - 1, 0))],
    ids=["zero", "before 1970", "nanosec", "2038"],
)
def test_an_odd_stamp_is_published_as_the_time_that_it_is(
    recorder: Recorder, sec: int, nanosec: int, published: tuple[int, int]
) -> None:
    application = Application(
        Parameters(command_initial="left_wrist"), Oracle({"left_wrist": WRIST}), MESSAGES, recorder, decode_image
    )
    application.start()
    message = image(0)
    message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
    process(application, message)
    application.stop()
    (poses,) = recorder.on(topics.KEYPOINTS)
    assert (poses.header.stamp.sec, poses.header.stamp.nanosec) == published
    TYPES.serialize(poses, topics.KEYPOINTS.type)


def test_the_application_knows_that_images_arrive_without_camera_info(recorder: Recorder) -> None:
    application = Application(Parameters(), Oracle({}), MESSAGES, recorder, decode_image)
    assert not application.lacks_camera_info
    application.on_image(image(1))
    assert application.lacks_camera_info
    application.on_camera_info(camera_info(1))
    assert not application.lacks_camera_info


def test_stale_images_are_dropped_by_the_clock_of_the_host(recorder: Recorder) -> None:
    application = Application(
        Parameters(command_initial="left_wrist", max_frame_age_s=0.5),
        Oracle({"left_wrist": WRIST}),
        MESSAGES,
        recorder,
        decode_image,
        lambda: 100_000_000_000,
    )
    application.start()
    for stamp in (99_000_000_000, 99_600_000_000):
        process(application, image(stamp))
    application.stop()
    assert [stamp_ns(each.header) for each in recorder.on(topics.KEYPOINTS)] == [99_600_000_000]
    assert application.scheduler.counters.snapshot().dropped == {"stale_frame": 1}


@pytest.mark.parametrize(("accepted", "dropped"), [("same", {"bad_camera_info": 1}), ("any", {})])
def test_a_camera_info_of_another_frame_is_used_only_if_it_is_accepted(
    recorder: Recorder, accepted: str, dropped: dict[str, int]
) -> None:
    parameters = Parameters.from_mapping({"command.initial": "left_wrist", "camera_info_frame": accepted})
    application = Application(parameters, Oracle({"left_wrist": WRIST}), MESSAGES, recorder, decode_image)
    application.start()
    info = camera_info(1)
    info.header.frame_id = "camera_link"
    application.on_camera_info(info)
    application.on_image(image(1))
    wait_idle(application)
    application.stop()
    assert application.scheduler.counters.snapshot().dropped == dropped


def test_poses_are_published_in_the_frame_of_the_host(start: Callable[..., Application], recorder: Recorder) -> None:
    recorder.subscribed = {topics.PERSON, topics.MARKERS}
    application = start(command_initial="left_wrist", person_crop_mode="never")
    process(application, image(1))
    recorder.placement = Placement("base", np.eye(3), np.array([10.0, 0, 0]))
    process(application, image(1))
    in_camera, in_base = recorder.on(topics.KEYPOINTS)
    assert (in_camera.header.frame_id, in_base.header.frame_id) == (FRAME_ID, "base")
    assert in_base.poses[0].position.x == pytest.approx(in_camera.poses[0].position.x + 10)
    assert recorder.on(topics.PERSON)[1].header.frame_id == "base"
    assert recorder.on(topics.MARKERS)[1].markers[0].header.frame_id == "base"
    assert {each.header.frame_id for each in recorder.transforms} == {FRAME_ID}


def test_compressed_images_are_answered(start: Callable[..., Application], recorder: Recorder) -> None:
    application = start(command_initial="left_wrist")
    application.on_camera_info(camera_info(0))
    application.on_compressed_image(compressed(42))
    wait_idle(application)
    assert [stamp_ns(message.header) for message in recorder.on(topics.KEYPOINTS)] == [42]


def test_rectified_images_use_the_projection_matrix(start: Callable[..., Application], recorder: Recorder) -> None:
    application = start(command_initial="left_wrist", rectified=True)
    application.on_camera_info(camera_info(0, p=np.zeros(12)))
    application.on_image(image(1))
    wait_idle(application)
    assert application.scheduler.counters.snapshot().dropped == {"bad_camera_info": 1}
    assert recorder.published == []


def test_a_command_message_sets_the_command_and_an_invalid_one_is_rejected(
    start: Callable[..., Application], recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recorder.subscribed = {topics.PERSON}
    application = start(command_max_length=30, command_allow=("left wrist", "head"))
    process(application, image(1))
    assert recorder.published == [], "there is no command yet"
    send_command(application, "Left Wrist")
    process(application, image(2))
    for rejected in ("", "\0\0", "do something else", "x" * 31):
        caplog.clear()
        send_command(application, rejected)
        assert [record.message.split(":")[0] for record in caplog.records] == ["command rejected"]
    process(application, image(3))
    send_command(application, "head")
    process(application, image(4))
    send_command(application, "stop")
    process(application, image(5))
    found = [(stamp_ns(person.header), person.command) for person in recorder.on(topics.PERSON)]
    assert found == [(2, "Left Wrist"), (3, "Left Wrist"), (4, "head")]


def test_an_invalid_initial_command_is_rejected(engine: EngineProcess, recorder: Recorder) -> None:
    with pytest.raises(CommandError, match="holds no words"):
        Application(Parameters(command_initial="<|im_end|>"), engine, MESSAGES, recorder, decode_image)


@pytest.mark.parametrize(
    ("selection", "asked_for", "located"),
    [("table", False, 1), ("model", True, 0), ("auto", True, 1), ("auto", False, 0)],
)
def test_the_task_table_chooses_the_joints_where_it_is_asked_for(
    recorder: Recorder, tmp_path: Path, selection: SelectionMode, asked_for: bool, located: int
) -> None:
    (tmp_path / "tasks.yaml").write_text("tasks: {salute: {joints: [head], phrasings: [salute the flag]}}")
    parameters = Parameters(command_selection=selection, command_tasks=str(tmp_path / "tasks.yaml"))
    engine = Oracle({"head": np.array([0.0, 0, 1])})
    engine.info = dataclasses.replace(engine.info, spec=dataclasses.replace(engine.info.spec, task_table=asked_for))
    application = Application(parameters, engine, MESSAGES, recorder, decode_image)
    application.start()
    send_command(application, "Please salute the flag!")
    for stamp in (1, 2):
        process(application, image(stamp))
    application.stop()
    assert [len(poses.poses) for poses in recorder.on(topics.KEYPOINTS)] == [located, located]


@pytest.mark.handles(
    "Commands", "do not shake my hand, while shake my hand runs", "every image is answered with no joint"
)
def test_a_negated_command_replaces_the_running_one_and_is_answered_with_no_joint(recorder: Recorder) -> None:
    recorder.subscribed = {topics.PERSON}
    engine = Oracle({"right_wrist": np.array([0.0, 0, 1])})
    application = Application(Parameters(), engine, MESSAGES, recorder, decode_image)
    application.start()
    for stamp, text in enumerate(("right_wrist", "do not touch my right_wrist", "don't touch me"), 1):
        send_command(application, text)
        process(application, image(stamp))
    application.stop()
    assert [len(poses.poses) for poses in recorder.on(topics.KEYPOINTS)] == [1, 0, 0]
    assert [len(person.keypoints) for person in recorder.on(topics.PERSON)] == [1, 0, 0]
    assert len(recorder.transforms) == 1
    assert len(engine.requests) == 1
    newest = recorder.active_commands[-1]
    assert (newest.text, newest.source, newest.joints) == ("don't touch me", newest.NONE, [])
    assert newest.reason.startswith('the command is negated by "don\'t"')


def test_the_active_command_says_what_the_model_chose(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="taihri_ros.node.running_command")
    engine = Oracle({"head": np.array([0.0, 0, 1])})
    application = Application(Parameters(), engine, MESSAGES, recorder, decode_image)
    application.start()
    send_command(application, "where is the head of the table")
    for stamp in (1, 2, 3):
        process(application, image(stamp))
    application.stop()
    found = [(each.text, each.source, each.joints) for each in recorder.active_commands]
    text, kind = "where is the head of the table", recorder.active_commands[0]
    assert found == [("", kind.NONE, []), (text, kind.PENDING, []), (text, kind.MODEL, ["head"])]
    assert caplog.messages == [f"command: {text}", f"joints for {text!r}: head (the model chose them)"]


def test_a_command_that_the_model_refuses_is_reported_once_and_chooses_no_joint(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    application = Application(Parameters(), Oracle({}), MESSAGES, recorder, decode_image)
    application.start()
    send_command(application, "shake my hand")
    for stamp in (1, 2, 3):
        process(application, image(stamp))
    application.stop()
    assert [len(poses.poses) for poses in recorder.on(topics.KEYPOINTS)] == [0, 0, 0]
    newest = recorder.active_commands[-1]
    assert (newest.source, newest.reason) == (newest.NONE, f"the model chose no joint: {ADVICE}")
    assert len(recorder.active_commands) == 3
    assert caplog.messages == [f"no joint for 'shake my hand': the model chose no joint: {ADVICE}"]


def test_an_unreadable_task_file_is_rejected(recorder: Recorder, tmp_path: Path) -> None:
    parameters = Parameters(command_tasks=str(tmp_path / "none.yaml"))
    with pytest.raises(TaskError, match=r"none\.yaml is not readable"):
        Application(parameters, Oracle({}), MESSAGES, recorder, decode_image)


def test_localize_answers_a_service_call_without_publishing(
    start: Callable[..., Application], recorder: Recorder
) -> None:
    application = start()
    application.on_camera_info(camera_info(0))
    recorder.placement = Placement("base", np.eye(3), np.zeros(3))
    command = application.read_command("head")
    assert command is not None
    results: list[Any] = []
    caller = threading.Thread(target=lambda: results.append(application.scheduler.localize(command, TIMEOUT_S)))
    caller.start()
    while caller.is_alive():
        application.on_image(image(9))
        caller.join(0.05)
    person = application.person(results[0])
    assert (person.command, person.header.frame_id, stamp_ns(person.header)) == ("head", "base", 9)
    assert recorder.published == []


def test_a_result_that_cannot_be_published_is_counted_and_the_next_is_published(
    start: Callable[..., Application], recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    application = start(command_initial="left_wrist")
    recorder.broken = True
    process(application, image(1))
    assert application.scheduler.counters.snapshot().dropped == {"not_published": 1}
    assert caplog.text.count("the transport is gone") == 1
    recorder.broken = False
    process(application, image(2))
    assert [stamp_ns(message.header) for message in recorder.on(topics.KEYPOINTS)] == [2]


def test_the_stage_times_add_up_to_the_total(start: Callable[..., Application], recorder: Recorder) -> None:
    recorder.subscribed = {topics.PERSON}
    application = start(command_initial="left_wrist")
    application.on_camera_info(camera_info(0))
    application.on_image(image(time.time_ns() - 250_000_000))
    wait_idle(application)
    stages = dict(zip(recorder.on(topics.PERSON)[0].stages, recorder.on(topics.PERSON)[0].durations, strict=True))
    assert stages["receive"] == pytest.approx(0.25, abs=0.05)
    parts = sum(stages[name] for name in ("queue", "decode", "view", "engine", "parse"))
    assert stages["total"] == pytest.approx(parts, abs=0.02)
    assert application.scheduler.counters.snapshot().stages_ms["publish"][0] > 0


def test_images_are_decoded_by_the_function_of_the_host(engine: EngineProcess, recorder: Recorder) -> None:
    encodings: list[str] = []

    def decode(message: Any) -> Any:
        encodings.append(message.encoding)
        return cv2.cvtColor(decode_image(message), cv2.COLOR_RGB2BGR)

    application = Application(Parameters(command_initial="head"), engine, MESSAGES, recorder, decode)
    application.start()
    process(application, image(1, encoding="bgr8"))
    application.stop()
    assert encodings == ["bgr8"]
    assert len(recorder.on(topics.KEYPOINTS)) == 1


WRIST = np.array([0.0, 0.0, 1.5])
WIDE_SPREAD = (1 / 41,) * 41
"""Bin probabilities with a standard deviation of 65 mm in depth."""
SURFACE_OFFSET = 0.025
"""Surface-to-joint offset of the wrist, metres."""


@pytest.fixture
def application(recorder: Recorder) -> Iterator[Application]:
    """An application with depth fusion, whose model answers the true wrist with a wide spread."""
    recorder.subscribed = {topics.PERSON}
    parameters = Parameters(command_initial="left_wrist", person_crop_mode="never", depth_enabled=True)
    oracle = Oracle({"left_wrist": WRIST}, spread=WIDE_SPREAD)
    application = Application(parameters, oracle, MESSAGES, recorder, decode_image)
    application.start()
    yield application
    application.stop()


def wrist_at(application: Application, recorder: Recorder, stamp: int) -> Any:
    """Send an image and return the published wrist."""
    process(application, image(stamp))
    (keypoint,) = recorder.on(topics.PERSON)[-1].keypoints
    assert keypoint.state == keypoint.MEASURED
    return keypoint


def test_a_depth_image_of_the_same_time_is_fused(application: Application, recorder: Recorder) -> None:
    unfused = wrist_at(application, recorder, 1_000_000_000)
    assert unfused.depth == unfused.DEPTH_NONE
    application.on_depth(depth(2_000_000_000, 1.45))
    fused = wrist_at(application, recorder, 2_010_000_000)
    assert fused.depth == fused.DEPTH_FUSED
    assert fused.position.z == pytest.approx(1.45 + SURFACE_OFFSET, abs=0.01)
    assert fused.covariance[8] < 0.2 * unfused.covariance[8]
    late = wrist_at(application, recorder, 2_100_000_000)
    assert late.depth == late.DEPTH_NONE, "a depth image of another time is not used"


def test_a_depth_image_that_disagrees_does_not_move_the_joint(application: Application, recorder: Recorder) -> None:
    application.on_depth(depth(1_000_000_000, 0.8))
    keypoint = wrist_at(application, recorder, 1_000_000_000)
    assert keypoint.depth == keypoint.DEPTH_DISAGREES
    assert keypoint.position.z == pytest.approx(WRIST[2], abs=0.004)


@pytest.mark.parametrize(("accepted", "used"), [("same", False), ("any", True)])
@pytest.mark.handles(
    "Depth images", "depth with another frame_id than the image", "not used, unless camera_info_frame is any"
)
def test_a_depth_image_of_another_frame_is_used_only_if_it_is_accepted(
    recorder: Recorder, caplog: pytest.LogCaptureFixture, accepted: str, used: bool
) -> None:
    recorder.subscribed = {topics.PERSON}
    parameters = Parameters.from_mapping(
        {"command.initial": "left_wrist", "depth.enabled": True, "camera_info_frame": accepted}
    )
    application = Application(
        parameters, Oracle({"left_wrist": WRIST}, spread=WIDE_SPREAD), MESSAGES, recorder, decode_image
    )
    application.start()
    message = depth(1_000_000_000, 1.45)
    message.header.frame_id = "depth_optical_frame"
    application.on_depth(message)
    keypoint = wrist_at(application, recorder, 1_000_000_000)
    application.stop()
    assert (keypoint.depth == keypoint.DEPTH_NONE) != used
    assert ("'depth_optical_frame', but the colour image has" in caplog.text) != used


def test_an_invalid_depth_image_does_not_drop_the_result(
    application: Application, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for number, changes in enumerate([{"encoding": "rgb8"}, {"width": WIDTH // 2, "step": WIDTH * 2}]):
            stamp = (1 + number) * 1_000_000_000
            message = depth(stamp, 1.45, **changes)
            application.on_depth(message)
            keypoint = wrist_at(application, recorder, stamp)
            assert keypoint.depth == keypoint.DEPTH_NONE
    warnings = [
        record.getMessage() for record in caplog.records if "the depth image is not used" in record.getMessage()
    ]
    assert warnings


def test_the_thresholds_are_parameters_that_take_effect_while_the_node_runs(recorder: Recorder) -> None:
    recorder.subscribed = {topics.PERSON, topics.MARKERS}
    oracle = Oracle({"left_wrist": WRIST}, spread=WIDE_SPREAD)
    spec = dataclasses.replace(oracle.info.spec, belief=Belief(min_confidence=0.999, min_presence=0.0))
    oracle.info = dataclasses.replace(oracle.info, spec=spec)
    application = Application(Parameters(command_initial="left_wrist"), oracle, MESSAGES, recorder, decode_image)
    application.start()
    states: list[tuple[int, int, int]] = []
    for number, changes in enumerate(({}, {"min_confidence": 0.01}, {"min_presence": 1.0}, {"min_confidence": 0.0})):
        application.apply(Parameters(**changes))
        process(application, image(1 + number))
        person = recorder.on(topics.PERSON)[-1]
        (keypoint,) = person.keypoints
        published = len(recorder.on(topics.KEYPOINTS)[-1].poses)
        assert published == (len(recorder.on(topics.MARKERS)[-1].markers) > 0) == (keypoint.state == keypoint.MEASURED)
        assert 0.2 < keypoint.confidence < 0.999, "a refused joint shows its confidence"
        states.append((keypoint.state, person.min_confidence, person.min_presence))
    application.stop()
    np.testing.assert_allclose(
        states,
        [
            (keypoint.LOW_CONFIDENCE, 0.999, 0.0),
            (keypoint.MEASURED, 0.01, 0.0),
            (keypoint.NOBODY, 0.999, 1.0),
            (keypoint.MEASURED, 0.0, 0.0),
        ],
        atol=1e-6,
    )
    assert len(recorder.transforms) == 2


def test_the_motion_filter_reduces_the_published_covariance(recorder: Recorder) -> None:
    recorder.subscribed = {topics.PERSON}
    parameters = Parameters(command_initial="left_wrist", person_crop_mode="never", filter_enabled=True)
    application = Application(
        parameters, Oracle({"left_wrist": WRIST}, spread=WIDE_SPREAD), MESSAGES, recorder, decode_image
    )
    application.start()
    variances = [wrist_at(application, recorder, number * 100_000_000).covariance[8] for number in range(1, 5)]
    application.stop()
    assert variances == sorted(variances, reverse=True)
    assert variances[-1] < 0.8 * variances[0]


def test_a_body_is_fitted_to_joints_that_the_command_does_not_ask_for(recorder: Recorder) -> None:
    standing = BodyRecovery().rest_joints() + np.array([0.0, 0.15, 3.3])
    oracle = Oracle(dict(zip(JOINTS, standing, strict=True)))
    recorder.subscribed = {topics.PERSON, topics.BODY, topics.OVERLAY}
    parameters = Parameters(body_enabled=True, command_initial="head")
    application = Application(parameters, oracle, MESSAGES, recorder, decode_image)
    application.start()
    try:
        process(application, image(1))
        request = SimpleNamespace(frame_id="", start=SimpleNamespace(x=0.0, y=0.0, z=0.0), max_age=1e12)
        request.end = request.start
        distance = application.distance(request)
    finally:
        application.stop()
    (keypoints,), (person,), (joints,), (surface,) = map(
        recorder.on, (topics.KEYPOINTS, topics.PERSON, topics.BODY_JOINTS, topics.BODY)
    )
    assert len(keypoints.poses) == 1
    assert [keypoint.name for keypoint in person.keypoints] == ["head"]
    assert tuple(joints.names) == JOINTS
    assert surface.points
    frames = [each.child_frame_id for each in recorder.transforms]
    assert frames == ["person/head", *(f"person/body/{joint}" for joint in JOINTS)]
    assert 2.6 < distance["distance"] < 3.3
    with pytest.raises(TaihriError, match=r"set the parameter body\.enabled"):
        Application(Parameters(), oracle, MESSAGES, recorder, decode_image).distance(request)


def test_frames_filter_and_limits_change_while_the_node_runs(recorder: Recorder) -> None:
    application = Application(
        Parameters(command_initial="left_wrist"), Oracle({"left_wrist": WRIST}), MESSAGES, recorder, decode_image
    )
    application.start()
    process(application, image(1))
    assert application._tracker._filter is None
    application.apply(Parameters(tf_prefix="guest/", filter_enabled=True, person_crop_mode="never"))
    process(application, image(2))
    motion = application._tracker._filter
    assert motion is not None
    application.apply(Parameters(publish_tf=False, command_allow=("left_wrist",)))
    process(application, image(3))
    assert application._tracker._filter is None
    send_command(application, "head")
    application.stop()
    assert [each.child_frame_id for each in recorder.transforms] == ["person/left_wrist", "guest/left_wrist"]
    assert application.running_command.command is not None
    assert application.running_command.command.text == "left_wrist"


def test_a_paused_node_answers_no_image_and_keeps_the_newest_command(recorder: Recorder) -> None:
    oracle = Oracle({"left_wrist": WRIST, "head": WRIST})
    application = Application(Parameters(command_initial="left_wrist"), oracle, MESSAGES, recorder, decode_image)
    application.start()
    process(application, image(1))
    application.enable(False)
    process(application, image(2))
    send_command(application, "head")
    process(application, image(3))
    assert len(recorder.on(topics.KEYPOINTS)) == 1
    application.enable(True)
    process(application, image(4))
    application.stop()
    assert [each.child_frame_id for each in recorder.transforms] == ["person/left_wrist", "person/head"]
