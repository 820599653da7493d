"""The application publishes several people: ~/people, TF of each, and the keypoints of the selected one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from camera_messages import FRAME_ID, MESSAGES, TYPES, camera_info, image
from detection_messages import detection, detections
from people_oracle import PeopleOracle, SightedEstimator, box_of
from test_application import Recorder, process, send_command
from zoom_oracle import stand

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.node import topics
from taihri_ros.node.application import Application
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Placement
from taihri_ros.node.parameters import ParameterError, Parameters

PERIOD_NS = 100_000_000
LEFT, RIGHT = stand(-0.7, 0.0, 3.0), stand(0.7, 0.0, 2.6)
CAMERA = Camera(96, 64, [[100.0, 0, 48], [0, 100.0, 32], [0, 0, 1]], [], DistortionModel.NONE)
"""The camera of `camera_messages`."""


@dataclass
class Robot:
    """An application, whose camera and detector see people."""

    application: Application
    recorder: Recorder
    engine: PeopleOracle
    stamp: int = 0

    def see(self, frames: int = 1, frame_id: str = FRAME_ID) -> None:
        for _ in range(frames):
            self.stamp += PERIOD_NS
            boxes = [detection(self.stamp, box_of(CAMERA, person)) for person in self.engine.people]
            message = detections(self.stamp, *boxes)
            message.header.frame_id = frame_id
            self.application.on_detections(message)
            process(self.application, image(self.stamp))

    @property
    def people(self) -> dict[str, Any]:
        """The newest message of each person, by the side on which they are."""
        newest = self.recorder.on(topics.PEOPLE)[-1]
        TYPES.serialize(newest, topics.PEOPLE.type)
        return {"right" if person.position.x > 0.0 else "left": person for person in newest.people}


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Robot]]:
    monkeypatch.setattr("taihri_ros.node.configured_tracker.Estimator", SightedEstimator)
    started: list[Application] = []

    def start(**parameters: Any) -> Robot:
        recorder, engine = Recorder({topics.PEOPLE, topics.PERSON, topics.OVERLAY}), PeopleOracle(LEFT, RIGHT)
        settings = {"people_enabled": True, "people_detections": True, "command_initial": "left_wrist"} | parameters
        application = Application(Parameters(**settings), engine, MESSAGES, recorder, decode_image)
        application.start()
        started.append(application)
        return Robot(application, recorder, engine)

    yield start
    for application in started:
        application.stop()


def test_everybody_is_published_and_the_selected_person_as_before(start: Callable[..., Robot]) -> None:
    robot = start()
    robot.see(3)
    assert set(robot.people) == {"left", "right"}
    nearest, other = robot.people["right"], robot.people["left"]
    assert (nearest.selected, other.selected) == (True, False)
    assert {nearest.state, other.state} == {nearest.CONFIRMED}
    assert (nearest.since_seen, nearest.age) == (0.0, pytest.approx(0.2))
    for person, truth in ((nearest, RIGHT), (other, LEFT)):
        (wrist,) = person.joints.keypoints
        assert wrist.name == "left_wrist"
        assert wrist.position.x == pytest.approx(truth["left_wrist"][0], abs=0.03)
    selected = robot.recorder.on(topics.PERSON)[-1]
    assert selected.keypoints[0].position.x == nearest.joints.keypoints[0].position.x
    frames = {each.child_frame_id for each in robot.recorder.transforms}
    assert frames == {"person/left_wrist", f"person_{nearest.id}/left_wrist", f"person_{other.id}/left_wrist"}


def test_a_person_who_is_hidden_is_lost_with_a_growing_covariance(start: Callable[..., Robot]) -> None:
    robot = start(tf_prefix="")
    robot.see(3)
    seen = robot.people["right"]
    robot.engine.people = [LEFT]
    robot.recorder.transforms.clear()
    robot.see()
    lost = robot.people["right"]
    assert (lost.id, lost.state, lost.selected) == (seen.id, lost.LOST, True)
    assert lost.since_seen == pytest.approx(0.1)
    assert lost.covariance[0] > seen.covariance[0]
    assert lost.joints.keypoints == []
    assert robot.recorder.on(topics.KEYPOINTS)[-1].poses == []
    assert {each.child_frame_id for each in robot.recorder.transforms} == {f"{robot.people['left'].id}/left_wrist"}


def test_positions_and_velocities_are_in_the_frame_of_the_host(start: Callable[..., Robot]) -> None:
    robot = start()
    robot.recorder.placement = Placement("base", np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([5.0, 0, 0]))
    for step in range(20):
        robot.engine.people = [stand(0.3, 0.0, 2.8 - 0.05 * step)]
        robot.see()
    (person,) = robot.recorder.on(topics.PEOPLE)[-1].people
    assert person.position.x == pytest.approx(5.0 + 2.8 - 0.95, abs=0.1)
    assert (person.velocity.x, person.velocity.y) == (pytest.approx(-0.5, abs=0.15), pytest.approx(0.0, abs=0.1))


def test_nobody_outside_of_the_workspace_is_placed_or_meant(start: Callable[..., Robot]) -> None:
    robot = start(guards_workspace="-2 2 -2 2 2.8 4")
    behind = stand(-0.7, 0.0, 3.4)
    robot.engine.people = [behind, RIGHT]
    robot.see(4)
    people = robot.recorder.on(topics.PEOPLE)[-1].people
    (selected,) = [person for person in people if person.selected]
    assert selected.position.z == pytest.approx(behind["pelvis"][2], abs=0.1), "the nearest is outside"
    for person in people:
        places = [person.position, *(joint.position for joint in person.joints.keypoints)]
        assert all(np.isnan(place.z) or place.z >= 2.8 for place in places)
    assert {each.child_frame_id for each in robot.recorder.transforms} == {
        "person/left_wrist",
        f"person_{selected.id}/left_wrist",
    }


def test_a_command_says_whom_it_means(start: Callable[..., Robot], caplog: pytest.LogCaptureFixture) -> None:
    robot = start(command_initial="", command_selection="table")
    send_command(robot.application, "shake the hand of the person on the left")
    robot.see(3)
    left = robot.people["left"]
    assert left.selected
    assert robot.recorder.active_commands[-1].text == "shake the hand of the person on the left"
    assert robot.recorder.on(topics.PERSON)[-1].command == "shake the hand of the person"
    send_command(robot.application, "shake the hand of the person nearest the door")
    assert caplog.messages[-1].startswith("command rejected: it is not known who is")
    send_command(robot.application, f"touch the head of {robot.people['right'].id}")
    robot.see()
    assert robot.people["right"].selected
    assert robot.recorder.on(topics.KEYPOINTS)[-1].poses[0].position.x == pytest.approx(RIGHT["head"][0], abs=0.03)


@pytest.mark.handles("People and belief", "detections of another camera", "ignored and logged")
def test_detections_of_another_camera_are_ignored_and_logged(
    start: Callable[..., Robot], caplog: pytest.LogCaptureFixture
) -> None:
    robot = start()
    robot.engine.people = []
    robot.see()
    robot.engine.people = [LEFT]
    robot.see(frame_id="rear_camera")
    assert "the detections have the frame_id 'rear_camera', but the image has" in caplog.text
    accepting = start(camera_info_frame="any")
    accepting.see(3, frame_id="rear_camera")
    assert len(accepting.people) == 2


def test_a_wrong_selection_is_rejected(start: Callable[..., Robot]) -> None:
    with pytest.raises(ParameterError, match=r"people\.select must be one of nearest"):
        start(people_select="prettiest")


def test_without_people_enabled_the_words_and_the_detections_mean_nothing(start: Callable[..., Robot]) -> None:
    robot = start(people_enabled=False, command_initial="touch the head of the person on my left")
    robot.see()
    assert robot.recorder.on(topics.PEOPLE) == []
    assert len(robot.engine.views) == 1


def test_camera_info_is_that_of_the_test() -> None:
    np.testing.assert_array_equal(camera_info(0).k, CAMERA.K.ravel())
