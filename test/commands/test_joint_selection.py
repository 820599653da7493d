"""A free command is put to the model once; what it chose, or the table of tasks in its stead, is asked by name."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from taihri_ros.commands.joint_selection import Choices
from taihri_ros.commands.command import Command, named
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.commands.tasks import Tasks

SHAKE, HUG = Command("shake my hand"), Command("Give me a hug.")


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks.load()


def answer(command: Command, *joints: str) -> Estimate:
    found = tuple(Keypoint(joint, State.MEASURED, position=np.ones(3)) for joint in joints)
    return Estimate(command, Person(found, None), "", {}, "by hand")


def test_the_models_choice_is_kept_until_the_command_changes() -> None:
    choices = Choices()
    assert choices.by_name(SHAKE, 0.0) == SHAKE
    choices.learn(SHAKE, answer(SHAKE, "right_wrist"), 0.0)
    kept = Command("shake my hand", ("right_wrist",))
    assert choices.by_name(SHAKE, 1e6) == kept
    assert choices.by_name(HUG, 1.0) == HUG, "another command is the model's to answer"
    choices.learn(kept, answer(kept), 2.0)
    assert choices.by_name(SHAKE, 3.0) == kept, "a question by name teaches nothing about the choice"


def test_joints_without_a_position_belong_to_the_choice() -> None:
    choices = Choices()
    keypoints = (Keypoint("left_wrist", State.OUT_OF_RANGE), Keypoint("right_wrist", State.MEASURED))
    choices.learn(SHAKE, Estimate(SHAKE, Person(keypoints, None), "", {}, "by hand"), 0.0)
    assert choices.by_name(SHAKE, 0.0).joints == ("left_wrist", "right_wrist")


def test_the_model_chooses_anew_after_a_while() -> None:
    choices = Choices(refresh_s=5.0)
    choices.learn(SHAKE, answer(SHAKE, "right_wrist"), 100.0)
    assert choices.by_name(SHAKE, 104.9).joints == ("right_wrist",)
    assert choices.by_name(SHAKE, 105.0) == SHAKE
    choices.learn(SHAKE, answer(SHAKE, "left_wrist"), 105.0)
    assert choices.by_name(SHAKE, 105.1).joints == ("left_wrist",)


def test_named_joints_stay_as_they_are(tasks: Tasks) -> None:
    choices, wrist = Choices(tasks), named(["left_wrist"])
    choices.learn(wrist, None, 0.0)
    choices.learn(wrist, answer(wrist, "head"), 0.0)
    assert choices.by_name(wrist, 0.0) == wrist


@pytest.mark.parametrize("nothing", [answer(SHAKE), None], ids=["no joint", "malformed"])
def test_where_the_model_finds_none_the_table_names_the_joints(
    tasks: Tasks, nothing: Estimate | None, caplog: pytest.LogCaptureFixture
) -> None:
    choices = Choices(tasks)
    with caplog.at_level(logging.WARNING):
        choices.learn(SHAKE, nothing, 0.0)
        choices.learn(SHAKE, nothing, 1.0)
    assert choices.by_name(SHAKE, 2.0).joints == ("right_elbow", "right_wrist")
    assert [record.getMessage() for record in caplog.records] == [
        "the model chose no joint for 'shake my hand'; asking for right_elbow, right_wrist, as the task handshake needs"
    ]


def test_the_model_may_choose_again_after_thirty_images(tasks: Tasks) -> None:
    choices = Choices(tasks)
    by_name = []
    for _ in range(70):
        asked = choices.by_name(SHAKE, 0.0)
        by_name.append(bool(asked.joints))
        choices.learn(asked, answer(asked), 0.0)
    assert [image for image, named_ in enumerate(by_name) if not named_] == [0, 31, 62]


def test_words_that_no_task_has_stay_the_models(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    choices, strange = Choices(tasks), Command("vacuum the living room")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert choices.by_name(strange, 0.0) == strange
            choices.learn(strange, answer(strange), 0.0)
    assert [record.getMessage() for record in caplog.records] == [
        "the model chose no joint for 'vacuum the living room'; "
        "no task is said like that either: say it in another way or name the joints"
    ]


def test_without_a_table_nothing_is_named() -> None:
    choices = Choices()
    choices.learn(SHAKE, answer(SHAKE), 0.0)
    assert choices.by_name(SHAKE, 0.0) == SHAKE


def test_the_memory_does_not_grow_for_ever() -> None:
    choices = Choices()
    commands = [Command(f"do number {number}") for number in range(40)]
    for command in commands:
        choices.learn(command, answer(command, "head"), 0.0)
    known = [bool(choices.by_name(command, 0.0).joints) for command in commands]
    assert known == [False] * 24 + [True] * 16
