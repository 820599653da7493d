from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from camera_messages import FRAME_ID, HEIGHT, MESSAGES, TYPES, WIDTH, camera_info, compressed, depth, image
from oracle import Oracle

from taihri_ros.commands.command import CommandError
from taihri_ros.commands.task_table import TaskError
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.node import topics
from taihri_ros.node.application import Application
from taihri_ros.node.images import decode_compressed, decode_image
from taihri_ros.node.messages import Placement, stamp_ns
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.topics import Topic

TIMEOUT_S = 30.0


@dataclass
class Recorder:
    """Outputs that go nowhere but into lists; a topic in `listened` has one subscriber."""

    listened: set[Topic] = field(default_factory=set)
    published: list[tuple[Topic, Any]] = field(default_factory=list)
    transforms: list[Any] = field(default_factory=list)
    placement: Placement = field(default_factory=lambda: Placement(FRAME_ID))
    broken: bool = False

    def publish(self, topic: Topic, message: Any) -> None:
        if self.broken:
            raise RuntimeError("the transport is gone")
        self.published.append((topic, message))

    def subscribers(self, topic: Topic) -> int:
        return int(topic in self.listened)

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


def answer(application: Application, message: Any) -> None:
    """Give an image and wait until it has been dealt with."""
    application.on_camera_info(camera_info(0))
    application.on_image(message)
    settle(application)


def settle(application: Application) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while application.scheduler.counters.snapshot().pending:
        assert time.monotonic() < deadline, "an image is still pending"
        time.sleep(0.005)


def say(application: Application, text: str) -> None:
    application.on_command(MESSAGES.make("std_msgs/msg/String", data=text))


def test_keypoints_and_transforms_are_always_published(start: Callable[..., Application], recorder: Recorder) -> None:
    answer(start(command_initial="left_wrist, head"), image(7_000_000_001))
    assert {topic for topic, _ in recorder.published} == {topics.KEYPOINTS}
    (poses,) = recorder.on(topics.KEYPOINTS)
    assert (stamp_ns(poses.header), poses.header.frame_id) == (7_000_000_001, FRAME_ID)
    assert [each.child_frame_id for each in recorder.transforms] == ["person/head", "person/left_wrist"]
    assert len(poses.poses) == 2


def test_what_costs_time_is_only_made_for_subscribers(start: Callable[..., Application], recorder: Recorder) -> None:
    application = start(command_initial="left_wrist")
    for topic in (topics.PERSON, topics.MARKERS, topics.OVERLAY):
        recorder.listened = {topic}
        recorder.published.clear()
        answer(application, image(1))
        assert {name for name, _ in recorder.published} == {topics.KEYPOINTS, topic}
        TYPES.serialize(recorder.on(topic)[0], topic.type)


def test_overlay_is_the_picture_with_something_drawn(start: Callable[..., Application], recorder: Recorder) -> None:
    recorder.listened = {topics.OVERLAY}
    plain = image(1, data=np.full(WIDTH * HEIGHT * 3, 255, np.uint8))
    answer(start(command_initial="left_wrist", overlay_jpeg_quality=95), plain)
    drawn = decode_compressed(recorder.on(topics.OVERLAY)[0].data)
    assert drawn.shape == (HEIGHT, WIDTH, 3)
    assert drawn.min() < 128
    assert np.mean(drawn > 200) > 0.5, "most of it is the picture itself"


def test_the_quality_of_the_overlay_is_a_parameter(start: Callable[..., Application], recorder: Recorder) -> None:
    recorder.listened = {topics.OVERLAY}
    for quality in (5, 95):
        answer(start(command_initial="left_wrist", overlay_jpeg_quality=quality), image(1))
    low, high = recorder.on(topics.OVERLAY)
    assert len(low.data) < len(high.data) / 3


def test_transforms_can_be_switched_off_and_renamed(start: Callable[..., Application], recorder: Recorder) -> None:
    answer(start(command_initial="left_wrist", publish_tf=False), image(1))
    assert recorder.transforms == []
    answer(start(command_initial="left_wrist", tf_prefix="guest_"), image(1))
    assert [each.child_frame_id for each in recorder.transforms] == ["guest_left_wrist"]


def test_poses_are_given_where_the_host_places_them(start: Callable[..., Application], recorder: Recorder) -> None:
    recorder.listened = {topics.PERSON, topics.MARKERS}
    application = start(command_initial="left_wrist", person_crop_mode="never")
    answer(application, image(1))
    recorder.placement = Placement("base", np.eye(3), np.array([10.0, 0, 0]))
    answer(application, image(1))
    in_camera, in_base = recorder.on(topics.KEYPOINTS)
    assert (in_camera.header.frame_id, in_base.header.frame_id) == (FRAME_ID, "base")
    assert in_base.poses[0].position.x == pytest.approx(in_camera.poses[0].position.x + 10)
    assert recorder.on(topics.PERSON)[1].header.frame_id == "base"
    assert recorder.on(topics.MARKERS)[1].markers[0].header.frame_id == "base"
    assert {each.header.frame_id for each in recorder.transforms} == {FRAME_ID}


def test_compressed_images(start: Callable[..., Application], recorder: Recorder) -> None:
    application = start(command_initial="left_wrist")
    application.on_camera_info(camera_info(0))
    application.on_compressed_image(compressed(42))
    settle(application)
    assert [stamp_ns(message.header) for message in recorder.on(topics.KEYPOINTS)] == [42]


def test_rectified_images_are_described_by_p(start: Callable[..., Application], recorder: Recorder) -> None:
    application = start(command_initial="left_wrist", rectified=True)
    application.on_camera_info(camera_info(0, p=np.zeros(12)))
    application.on_image(image(1))
    settle(application)
    assert application.scheduler.counters.snapshot().dropped == {"bad_camera_info": 1}
    assert recorder.published == []


def test_commands_from_the_topic(
    start: Callable[..., Application], recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recorder.listened = {topics.PERSON}
    application = start(command_max_length=30, command_allow=("left wrist", "head"))
    answer(application, image(1))
    assert recorder.published == [], "there is no command yet"
    say(application, "Left Wrist")
    answer(application, image(2))
    for refused in ("", "\0\0", "do something else", "x" * 31):
        caplog.clear()
        say(application, refused)
        assert [record.message.split(":")[0] for record in caplog.records] == ["command refused"]
    answer(application, image(3))
    say(application, "head")
    answer(application, image(4))
    say(application, "stop")
    answer(application, image(5))
    found = [(stamp_ns(person.header), person.command) for person in recorder.on(topics.PERSON)]
    assert found == [(2, "Left Wrist"), (3, "Left Wrist"), (4, "head")]


def test_an_initial_command_that_is_none_is_refused(engine: EngineProcess, recorder: Recorder) -> None:
    with pytest.raises(CommandError, match="holds no words"):
        Application(Parameters(command_initial="<|im_end|>"), engine, MESSAGES, recorder, decode_image)


@pytest.mark.parametrize(("fallback", "asked"), [(True, 1), (False, 0)])
def test_a_model_that_cannot_choose_is_asked_for_the_joints_of_the_users_task(
    recorder: Recorder, tmp_path: Path, fallback: bool, asked: int
) -> None:
    (tmp_path / "tasks.yaml").write_text("tasks: {salute: {joints: [head], phrasings: [salute the flag]}}")
    parameters = Parameters(command_fallback=fallback, command_tasks=str(tmp_path / "tasks.yaml"))
    engine = Oracle({"head": np.array([0.0, 0, 1])})
    application = Application(parameters, engine, MESSAGES, recorder, decode_image)
    application.start()
    say(application, "Please salute the flag!")
    for stamp in (1, 2):
        answer(application, image(stamp))
    application.stop()
    assert [len(poses.poses) for poses in recorder.on(topics.KEYPOINTS)] == [0, asked]


def test_a_task_file_that_cannot_be_used_is_refused(recorder: Recorder, tmp_path: Path) -> None:
    parameters = Parameters(command_tasks=str(tmp_path / "none.yaml"))
    with pytest.raises(TaskError, match=r"none\.yaml is not readable"):
        Application(parameters, Oracle({}), MESSAGES, recorder, decode_image)


def test_one_answer_for_a_service(start: Callable[..., Application], recorder: Recorder) -> None:
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


def test_a_result_that_cannot_be_published_is_counted_and_the_next_goes_out(
    start: Callable[..., Application], recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    application = start(command_initial="left_wrist")
    recorder.broken = True
    answer(application, image(1))
    assert application.scheduler.counters.snapshot().dropped == {"not_published": 1}
    assert caplog.text.count("the transport is gone") == 1
    recorder.broken = False
    answer(application, image(2))
    assert [stamp_ns(message.header) for message in recorder.on(topics.KEYPOINTS)] == [2]


def test_the_stages_add_up_to_what_the_frame_took(start: Callable[..., Application], recorder: Recorder) -> None:
    recorder.listened = {topics.PERSON}
    application = start(command_initial="left_wrist")
    application.on_camera_info(camera_info(0))
    application.on_image(image(time.time_ns() - 250_000_000))
    settle(application)
    stages = dict(zip(recorder.on(topics.PERSON)[0].stages, recorder.on(topics.PERSON)[0].durations, strict=True))
    assert stages["receive"] == pytest.approx(0.25, abs=0.05)
    parts = sum(stages[name] for name in ("queue", "decode", "view", "engine", "parse"))
    assert stages["total"] == pytest.approx(parts, abs=0.02)
    assert application.scheduler.counters.snapshot().stages_ms["publish"][0] > 0


def test_an_image_of_another_encoding_is_decoded_as_the_host_decodes(engine: EngineProcess, recorder: Recorder) -> None:
    seen: list[str] = []

    def decode(message: Any) -> Any:
        seen.append(message.encoding)
        return cv2.cvtColor(decode_image(message), cv2.COLOR_RGB2BGR)

    application = Application(Parameters(command_initial="head"), engine, MESSAGES, recorder, decode)
    application.start()
    answer(application, image(1, encoding="bgr8"))
    application.stop()
    assert seen == ["bgr8"]
    assert len(recorder.on(topics.KEYPOINTS)) == 1


WRIST = np.array([0.0, 0.0, 1.5])
UNSURE = (1 / 41,) * 41
"""Probabilities of bins that make a standard deviation of 65 mm in depth."""
SURFACE_OFFSET = 0.025
"""How far a wrist lies beneath what a depth camera sees of it, metres."""


@pytest.fixture
def seen(recorder: Recorder) -> Iterator[Application]:
    """Give an application whose model knows where the wrist is, but is not sure."""
    recorder.listened = {topics.PERSON}
    parameters = Parameters(command_initial="left_wrist", person_crop_mode="never", depth_enabled=True)
    oracle = Oracle({"left_wrist": WRIST}, spread=UNSURE)
    application = Application(parameters, oracle, MESSAGES, recorder, decode_image)
    application.start()
    yield application
    application.stop()


def wrist(application: Application, recorder: Recorder, stamp: int) -> Any:
    answer(application, image(stamp))
    (keypoint,) = recorder.on(topics.PERSON)[-1].keypoints
    assert keypoint.state == keypoint.MEASURED
    return keypoint


def test_a_depth_image_of_the_same_moment_is_fused(seen: Application, recorder: Recorder) -> None:
    alone = wrist(seen, recorder, 1_000_000_000)
    assert alone.depth == alone.DEPTH_NONE
    seen.on_depth(depth(2_000_000_000, 1.45))
    fused = wrist(seen, recorder, 2_010_000_000)
    assert fused.depth == fused.DEPTH_FUSED
    assert fused.position.z == pytest.approx(1.45 + SURFACE_OFFSET, abs=0.01)
    assert fused.covariance[8] < 0.2 * alone.covariance[8]
    late = wrist(seen, recorder, 2_100_000_000)
    assert late.depth == late.DEPTH_NONE, "a depth image of another moment says nothing of this one"


def test_a_depth_image_that_disagrees_leaves_the_model_its_point(seen: Application, recorder: Recorder) -> None:
    seen.on_depth(depth(1_000_000_000, 0.8))
    keypoint = wrist(seen, recorder, 1_000_000_000)
    assert keypoint.depth == keypoint.DEPTH_DISAGREES
    assert keypoint.position.z == pytest.approx(WRIST[2], abs=0.004)


def test_a_depth_image_that_cannot_be_used_costs_no_answer(
    seen: Application, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for number, changes in enumerate([{"encoding": "rgb8"}, {"width": WIDTH // 2, "step": WIDTH * 2}]):
            stamp = (1 + number) * 1_000_000_000
            message = depth(stamp, 1.45, **changes)
            seen.on_depth(message)
            keypoint = wrist(seen, recorder, stamp)
            assert keypoint.depth == keypoint.DEPTH_NONE
    said = [record.getMessage() for record in caplog.records if "the depth image is not used" in record.getMessage()]
    assert said


def test_the_filter_smooths_what_is_published(recorder: Recorder) -> None:
    recorder.listened = {topics.PERSON}
    parameters = Parameters(command_initial="left_wrist", person_crop_mode="never", filter_enabled=True)
    application = Application(
        parameters, Oracle({"left_wrist": WRIST}, spread=UNSURE), MESSAGES, recorder, decode_image
    )
    application.start()
    variances = [wrist(application, recorder, number * 100_000_000).covariance[8] for number in range(1, 5)]
    application.stop()
    assert variances == sorted(variances, reverse=True)
    assert variances[-1] < 0.8 * variances[0]
