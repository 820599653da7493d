"""The messages about the people of an image, and the life of their topics."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from posed_bodies import TEMPLATE, posed

from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.messages import Messages, Placement
from taihri_ros.node.ros4hri.humans import TRACKED, BodyTopics, Human, Humans
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.frames import Result
from taihri_ros.skeleton import JOINTS

BOX = np.array([10.0, 5.5, 40.0, 30.0])
KAMUL = BodyTopics.of("kamul")


class Recorder:
    """Outputs that keep the newest message of each topic, serialized and read again, and the topics that are alive."""

    def __init__(self, types: RosTypes) -> None:
        self.types = types
        self.alive: set[Topic] = set()
        self.newest: dict[Topic, Any] = {}
        self.transforms: list[Any] = []
        self.subscribed = True

    def publish(self, topic: Topic, message: Any) -> None:
        self.alive.add(topic)
        self.newest[topic] = self.types.deserialize(self.types.serialize(message, topic.type), topic.type)

    def subscribers(self, topic: Topic) -> int:
        self.alive.add(topic)
        return int(self.subscribed)

    def retire(self, retired: Iterable[Topic]) -> None:
        self.alive -= set(retired)

    def broadcast(self, transforms: list[Any]) -> None:
        self.transforms = transforms

    def place(self, frame_id: str, stamp: int) -> Placement:
        return Placement(frame_id)


@pytest.fixture
def recorder(types: RosTypes) -> Recorder:
    return Recorder(types)


@pytest.fixture
def humans(messages: Messages, recorder: Recorder) -> Humans:
    return Humans(messages, recorder)


@pytest.fixture
def picture(result: Result) -> Result:
    pixels = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    return dataclasses.replace(result, image=pixels)


def person() -> Person:
    pixels = np.linspace([5.0, 5.0], [60.0, 40.0], len(JOINTS))
    joints = tuple(
        Keypoint(name, State.MEASURED, position=np.ones(3), confidence=0.75, pixel=pixel)
        for name, pixel in zip(JOINTS, pixels, strict=True)
    )
    return Person(joints, None, presence=0.875)


def kamul(**changes: Any) -> Human:
    return Human(**({"id": "kamul", "person": person(), "body": posed(), "box": BOX} | changes))


def send(humans: Humans, people: list[Human], result: Result) -> None:
    for each in humans.prepare(people, result):
        each()


def test_everything_about_a_person_is_published(humans: Humans, recorder: Recorder, picture: Result) -> None:
    send(humans, [kamul()], picture)
    got = recorder.newest
    assert set(got) == {TRACKED, *KAMUL.all}
    assert got[TRACKED].ids == ["kamul"]
    for topic in (TRACKED, KAMUL.roi, KAMUL.cropped, KAMUL.skeleton, KAMUL.joint_states):
        header = got[topic].header
        assert header.frame_id == picture.frame.frame_id
        assert header.stamp.sec * 1_000_000_000 + header.stamp.nanosec == picture.frame.stamp_ns
    roi, cropped = got[KAMUL.roi], got[KAMUL.cropped]
    np.testing.assert_allclose([roi.xmin, roi.ymin, roi.xmax, roi.ymax], BOX / [64, 48, 64, 48], rtol=1e-6)
    assert roi.c == 0.875
    assert (cropped.encoding, cropped.width, cropped.height, cropped.step) == ("rgb8", 30, 25, 90)
    np.testing.assert_array_equal(cropped.data.reshape(25, 30, 3), picture.image[5:30, 10:40])
    assert len(got[KAMUL.skeleton].skeleton) == 18
    assert {round(float(point.c), 6) for point in got[KAMUL.skeleton].skeleton} == {0.0, 0.75}
    states = got[KAMUL.joint_states]
    assert len(states.name) == len(states.position) == 22
    assert all(name.endswith("_kamul") for name in states.name)
    assert (len(states.velocity), len(states.effort)) == (0, 0)
    assert "body_kamul" in got[KAMUL.urdf].data


def test_the_frames_form_a_tree_under_the_camera(humans: Humans, recorder: Recorder, picture: Result) -> None:
    body = posed(turn=(0.1, 2.0, 0.3))
    send(humans, [kamul(body=body)], picture)
    parents = {each.child_frame_id: each.header.frame_id for each in recorder.transforms}
    assert parents.pop("body_kamul") == picture.frame.frame_id
    known = {"body_kamul"}
    for child, parent in parents.items():
        assert parent in known, "a parent comes before its children"
        known.add(child)
    assert {"waist_kamul", "torso_kamul", "head_kamul", "l_wrist_kamul", "r_ankle_kamul"} <= known
    root = recorder.transforms[0].transform
    place = np.array([root.translation.x, root.translation.y, root.translation.z])
    np.testing.assert_allclose(place, body.joints[[1, 2]].mean(axis=0))
    quaternion = np.array([root.rotation.x, root.rotation.y, root.rotation.z, root.rotation.w])
    np.testing.assert_allclose(quaternion, body.quaternions[0])


def test_frames_are_not_broadcast_without_publish_tf_or_a_camera_frame(
    messages: Messages, recorder: Recorder, picture: Result
) -> None:
    send(Humans(messages, recorder, publish_tf=False), [kamul()], picture)
    nameless = dataclasses.replace(picture, frame=dataclasses.replace(picture.frame, frame_id=""))
    send(Humans(messages, recorder), [kamul()], nameless)
    assert recorder.transforms == []


def test_the_crop_is_made_only_for_subscribers(humans: Humans, recorder: Recorder, picture: Result) -> None:
    recorder.subscribed = False
    send(humans, [kamul()], picture)
    assert KAMUL.cropped not in recorder.newest
    assert KAMUL.cropped in recorder.alive, "it can be subscribed to"


def test_the_urdf_is_published_again_when_the_size_changes(humans: Humans, recorder: Recorder, picture: Result) -> None:
    def urdf_for(size: float) -> Any:
        shape = np.zeros(len(TEMPLATE.shape_joints))
        shape[0] = size
        recorder.newest.clear()
        send(humans, [kamul(body=posed(shape=shape))], picture)
        return recorder.newest.get(KAMUL.urdf)

    first = urdf_for(0.0)
    assert first is not None
    assert urdf_for(0.05) is None
    again = urdf_for(1.5)
    assert again.data != first.data
    assert urdf_for(1.5) is None


def test_somebody_who_is_not_seen_is_tracked_without_new_messages(
    humans: Humans, recorder: Recorder, picture: Result
) -> None:
    send(humans, [kamul()], picture)
    recorder.newest.clear()
    send(humans, [kamul(person=None, body=None)], picture)
    assert set(recorder.newest) == {TRACKED}
    assert recorder.newest[TRACKED].ids == ["kamul"]
    assert set(KAMUL.all) <= recorder.alive


def test_without_a_body_there_is_still_the_picture(humans: Humans, recorder: Recorder, picture: Result) -> None:
    send(humans, [kamul(body=None)], picture)
    assert set(recorder.newest) == {TRACKED, KAMUL.roi, KAMUL.cropped, KAMUL.skeleton}


def test_the_topics_end_with_the_person(humans: Humans, recorder: Recorder, picture: Result) -> None:
    send(humans, [kamul(), kamul(id="jodan")], picture)
    send(humans, [kamul(id="jodan")], picture)
    assert recorder.alive == {TRACKED, *BodyTopics.of("jodan").all}
    send(humans, [], picture)
    assert recorder.alive == {TRACKED}
    assert recorder.newest[TRACKED].ids == []


def test_a_result_that_is_given_up_leaves_no_topic_and_loses_no_urdf(
    humans: Humans, recorder: Recorder, picture: Result
) -> None:
    humans.prepare([kamul()], picture)
    send(humans, [kamul()], picture)
    assert KAMUL.urdf in recorder.newest
    humans.prepare([], picture)
    send(humans, [], picture)
    assert recorder.alive == {TRACKED}


def test_closing_ends_everybody(humans: Humans, recorder: Recorder, picture: Result) -> None:
    humans.close()
    assert recorder.alive == set(), "nothing was published before"
    send(humans, [kamul()], picture)
    humans.close()
    assert recorder.alive == {TRACKED}
    assert recorder.newest[TRACKED].ids == []
