"""Several people are found, told apart, selected, and each has its own joints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from people_oracle import Joints, PeopleOracle, SightedEstimator, box_of
from zoom_oracle import stand

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import CommandError, joint_command, parse_command
from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.commands.person_words import Whom, parse_select
from taihri_ros.commands.tasks import Tasks
from taihri_ros.keypoints import State
from taihri_ros.model.zoom import ROOT
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.guards import Guards, Workspace
from taihri_ros.pipeline.motion_filter import MotionFilter
from taihri_ros.pipeline.people.group_tracker import GroupTracker
from taihri_ros.pipeline.people.person_track import TrackState
from taihri_ros.pipeline.people.whereabouts import Boxes
from taihri_ros.skeleton import JOINTS

IMAGE = np.zeros((480, 640, 3), np.uint8)
CAMERA = Camera(640, 480, [[500.0, 0, 320], [0, 500.0, 240], [0, 0, 1]], [], DistortionModel.NONE)
WRIST = joint_command(["right_wrist"])
PERIOD_NS = 100_000_000
LEFT, RIGHT = stand(-0.7, 0.0, 2.0), stand(0.7, 0.0, 2.4)


class Scene:
    """A tracker of people whom a detector sees, or not, frame by frame."""

    def __init__(self, *people: Joints, detected: bool = True, **options: Any) -> None:
        self.engine, self.detected, self.of_image, self.stamp = PeopleOracle(*people), detected, True, 0
        options = {"select": parse_select("nearest"), "boxes_at": self.boxes_at, "seed": 1} | options
        self.tracker = GroupTracker(SightedEstimator(self.engine), **options)

    def boxes_at(self, _: int) -> Boxes | None:
        boxes = [box_of(CAMERA, person) for person in self.engine.people]
        return Boxes(np.array(boxes).reshape(-1, 4), self.of_image) if self.detected else None

    def frame(self, command: Any = WRIST, **options: Any) -> Estimate:
        self.stamp += PERIOD_NS
        self.engine.views.clear()
        estimate = self.tracker.estimate(IMAGE, CAMERA, command, self.stamp, **options)
        return self.tracker.refine(estimate, self.stamp, **options)

    def frames(self, count: int, command: Any = WRIST) -> Estimate:
        return [self.frame(command) for _ in range(count)][-1]


def ids(estimate: Estimate) -> list[str]:
    return [each.track.id for each in estimate.people]


def assert_is(estimate: Estimate, person: Joints) -> None:
    (wrist,) = estimate.person.keypoints
    assert wrist.state is State.MEASURED, wrist.reason
    np.testing.assert_allclose(wrist.position, person["right_wrist"], atol=0.02)


def test_detected_people_are_asked_about_in_views_of_their_own_and_the_nearest_is_selected() -> None:
    scene = Scene(RIGHT, LEFT)
    first = scene.frame()
    assert [each.reason for each in first.person.keypoints] == [
        "the person whom the command means is not known, or was seen in too few images so far"
    ]
    third = scene.frames(2)
    assert len(scene.engine.views) == 2
    assert_is(third, LEFT)
    assert third.stages_ms["engine"] > 0.0
    by_id = {each.track.id: each for each in third.people}
    assert third.person_id in by_id
    assert [each.selected for each in third.people].count(True) == 1
    for each in third.people:
        assert each.person is not None
        assert [keypoint.name for keypoint in each.person.keypoints] == ["right_wrist"], "the pelvis was not asked for"
        truth = LEFT if each.selected else RIGHT
        np.testing.assert_allclose(each.track.root, truth[ROOT], atol=0.05)
        np.testing.assert_allclose(each.person.keypoints[0].position, truth["right_wrist"], atol=0.02)


def test_who_is_found_twice_counts_once() -> None:
    scene = Scene(LEFT)
    scene.boxes_at = lambda _: Boxes(np.array([box_of(CAMERA, LEFT), box_of(CAMERA, LEFT) + 3.0]), of_image=True)
    scene.tracker._boxes_at = scene.boxes_at
    assert len(scene.frames(3).people) == 1
    assert len(scene.engine.views) == 2


def test_the_words_of_a_command_say_whom_it_means_and_that_person_stays_selected() -> None:
    command = parse_command("shake the hand of the person on the right", people=())
    assert command is not None
    scene = Scene(LEFT, RIGHT, joint_selection=JointSelection(Tasks.load()))
    assert scene.tracker.selection(command).joints == ("right_elbow", "right_wrist")
    found = scene.frames(3, command)
    assert found.command.text == "shake the hand of the person"
    chosen = found.person_id
    assert [each.track.root[0] > 0.0 for each in found.people if each.selected] == [True]
    for step in range(1, 13):
        scene.engine.people = [stand(-0.7 + 0.1 * step, 0.0, 2.0), stand(0.7 - 0.1 * step, 0.0, 2.4)]
        found = scene.frame(command)
    assert found.person_id == chosen
    assert [each.track.root[0] < 0.0 for each in found.people if each.selected] == [True]


def test_a_command_about_an_unclear_person_is_refused() -> None:
    with pytest.raises(CommandError, match="depends on where the speaker stands"):
        parse_command("shake the hand of the person on my left", people=())


def test_words_about_people_do_not_count_for_the_allowed_commands() -> None:
    allow = ["shake the hand of the person"]
    command = parse_command("Shake the hand of person_kamul", allow=allow, people=())
    assert command is not None
    assert command.whom is not None
    assert (command.whom.id, command.text) == ("kamul", "Shake the hand of person_kamul")
    with pytest.raises(CommandError, match="not on the list"):
        parse_command("Shake the hand of person_kamul", allow=allow)


def test_a_selected_person_who_is_hidden_is_missing_and_keeps_the_id() -> None:
    scene = Scene(LEFT, RIGHT)
    before = scene.frames(3)
    scene.engine.people = [RIGHT]
    hidden = scene.frame()
    assert hidden.person_id == before.person_id
    assert [each.reason for each in hidden.person.keypoints] == [f"{before.person_id} is not seen in this image"]
    assert {each.track.state for each in hidden.people if each.selected} == {TrackState.LOST}
    scene.engine.people = [RIGHT, LEFT]
    assert_is(scene.frame(), LEFT)


def test_nobody_in_view_is_answered_with_no_joint() -> None:
    scene = Scene()
    assert [each.reason for each in scene.frame().person.keypoints] == ["nobody was detected in this image"]
    scene.detected = False
    empty = scene.frame()
    assert (empty.people, empty.person.located) == ((), ())
    assert [each.name for each in empty.person.keypoints] == ["right_wrist"]


def test_without_a_detector_people_are_searched_for_and_then_followed_by_their_own_crops() -> None:
    scene = Scene(LEFT, RIGHT, detected=False)
    found = [scene.frame() for _ in range(60)]
    assert len({each for estimate in found for each in ids(estimate)}) == 2, "nobody gets a second id"
    assert_is(found[-1], LEFT)
    assert {each.track.state for each in found[-1].people} == {TrackState.CONFIRMED}
    assert len(scene.engine.views) == 2
    assert all(view.width * view.height < 256 * 192 for view in scene.engine.views)


def test_older_detections_lead_to_newcomers_only() -> None:
    scene = Scene(LEFT, RIGHT)
    scene.of_image = False
    found = scene.frames(3)
    assert len(found.people) == len(scene.engine.views) == 2


def test_as_many_people_are_looked_at_as_the_setting_says() -> None:
    scene = Scene(LEFT, RIGHT, most=1)
    scene.frames(3)
    assert len(scene.engine.views) == 1


def test_everyone_can_be_selected_and_the_nearest_has_the_keypoints() -> None:
    scene = Scene(RIGHT, LEFT, select=parse_select("everyone"))
    found = scene.frames(3)
    assert [each.selected for each in found.people] == [True, True]
    assert_is(found, LEFT)


def test_everybody_has_a_motion_filter_of_their_own() -> None:
    scene = Scene(LEFT, RIGHT, make_filter=lambda: MotionFilter(predict_s=0.5))
    scene.frames(5)
    scene.engine.people = [LEFT, stand(0.1, 0.0, 1.5)]
    for _ in range(3):
        found = scene.frame()
        assert found.person.keypoints[0].state is State.MEASURED, found.person.keypoints[0].reason
    scene = Scene(LEFT, make_filter=lambda: MotionFilter(predict_s=0.5))
    scene.frames(5)
    scene.engine.people = []
    assert scene.frame().person.keypoints[0].state is State.PREDICTED


def test_all_joints_of_everybody_can_be_asked_for() -> None:
    found = Scene(LEFT, RIGHT, whole_body=True).frames(3)
    assert found.whole is not None
    assert [keypoint.name for keypoint in found.whole.keypoints] == list(JOINTS)
    assert [keypoint.name for keypoint in found.person.keypoints] == ["right_wrist"]


def test_a_one_shot_command_means_who_is_known_and_needs_no_second_image_for_whom_a_detector_sees() -> None:
    right = parse_command("right_wrist of the person on the right", people=())
    assert right is not None
    scene = Scene(LEFT, RIGHT)
    once = scene.frame(WRIST, one_shot=True)
    assert_is(once, LEFT)
    alone = Scene(LEFT, detected=False)
    assert_is(alone.frame(WRIST, one_shot=True), LEFT)
    assert alone.tracker.person_ids == ()


def test_an_id_is_selected_only_while_it_is_tracked() -> None:
    scene = Scene(LEFT, RIGHT)
    other = next(each.track.id for each in scene.frames(3).people if not each.selected)
    command = parse_command(f"right_wrist of {other}", people=scene.tracker.person_ids)
    assert command is not None
    assert command.whom == Whom(parse_select(other).who, other)
    scene = Scene(LEFT, select=parse_select("zotin"))
    assert scene.frames(3).person.located == ()


def test_others_are_asked_about_in_turn_and_their_boxes_keep_their_ids() -> None:
    far = stand(0.0, 0.0, 3.5)
    scene = Scene(LEFT, RIGHT, far, others_per_frame=lambda: 1)
    scene.frames(6)
    known, asked = set(ids(scene.frame())), 0
    for _ in range(10):
        found = scene.frame()
        assert len(scene.engine.views) == 2
        assert_is(found, LEFT)
        assert set(ids(found)) == known
        assert {each.track.state for each in found.people} == {TrackState.CONFIRMED}
        others = [each for each in found.people if not each.selected]
        (silent,) = [each for each in others if each.person is not None and not each.person.located]
        assert silent.person is not None
        assert silent.person.keypoints[0].reason == "in this image the model was asked about others"
        asked += others.index(silent)
    assert len(known) == 3
    assert asked == 5, "each of them every second time"
    once = scene.frame(joint_command(["right_wrist"]), one_shot=True)
    assert len(scene.engine.views) == 3, "a one-shot command may mean anybody"
    assert_is(once, LEFT)


def test_without_a_detector_others_are_looked_for_in_turn() -> None:
    scene = Scene(LEFT, RIGHT, stand(0.0, 0.0, 3.5), others_per_frame=lambda: 1)
    known = set(ids(scene.frames(6)))
    scene.detected = False
    looks = []
    for _ in range(20):
        found = scene.frame()
        assert_is(found, LEFT)
        assert set(ids(found)) == known
        looks.append(len(scene.engine.views))
    assert len(known) == 3
    assert sorted(looks) == [2] * 18 + [3] * 2, "and once a second a look for newcomers"


@pytest.mark.parametrize("detected", [True, False])
def test_a_command_does_not_mean_somebody_outside_of_the_workspace(detected: bool) -> None:
    near, inside = stand(-0.4, 0.0, 2.0), stand(0.4, 0.0, 3.5)
    guards = Guards(workspace=Workspace.parse("-3 3 -3 3 2.8 5"))
    scene = Scene(near, inside, detected=detected, guards=guards)
    found = guards.check(scene.frames(8), scene.stamp)
    assert_is(found, inside)
    confirmed = [each for each in found.people if each.track.state is TrackState.CONFIRMED]
    assert [each.track.id for each in confirmed] == [found.person_id]
    placed = [each.track.root for each in found.people if np.isfinite(each.track.root).all()]
    assert all(root[2] > 2.8 for root in placed)
    assert_is(Scene(near, inside).frames(8), near)
