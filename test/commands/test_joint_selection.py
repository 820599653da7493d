"""A free command is put to the model once; what it chose, or the table of tasks in its stead, is asked by name."""

from __future__ import annotations

import logging

import pytest

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.commands.tasks import Tasks

SHAKE, HUG = Command("shake my hand"), Command("Give me a hug.")


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks.load()


def test_the_models_choice_is_kept_until_the_command_changes() -> None:
    joint_selection = JointSelection()
    assert joint_selection.with_joints(SHAKE, 0.0) == SHAKE
    joint_selection.learn(SHAKE, ("right_wrist",), 0.0)
    kept = Command("shake my hand", ("right_wrist",))
    assert joint_selection.with_joints(SHAKE, 1e6) == kept
    assert joint_selection.with_joints(HUG, 1.0) == HUG, "another command is the model's to answer"
    joint_selection.learn(kept, (), 2.0)
    assert joint_selection.with_joints(SHAKE, 3.0) == kept, "a question by name teaches nothing about the choice"


def test_the_model_chooses_anew_after_a_while() -> None:
    joint_selection = JointSelection(refresh_s=5.0)
    joint_selection.learn(SHAKE, ("right_wrist",), 100.0)
    assert joint_selection.with_joints(SHAKE, 104.9).joints == ("right_wrist",)
    assert joint_selection.with_joints(SHAKE, 105.0) == SHAKE
    joint_selection.learn(SHAKE, ("left_wrist",), 105.0)
    assert joint_selection.with_joints(SHAKE, 105.1).joints == ("left_wrist",)


def test_named_joints_stay_as_they_are(tasks: Tasks) -> None:
    joint_selection, wrist = JointSelection(tasks), joint_command(["left_wrist"])
    joint_selection.learn(wrist, (), 0.0)
    joint_selection.learn(wrist, ("head",), 0.0)
    assert joint_selection.with_joints(wrist, 0.0) == wrist


def test_where_the_model_finds_none_the_table_names_the_joints(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    joint_selection = JointSelection(tasks)
    with caplog.at_level(logging.WARNING):
        joint_selection.learn(SHAKE, (), 0.0)
        joint_selection.learn(SHAKE, (), 1.0)
    assert joint_selection.with_joints(SHAKE, 2.0).joints == ("right_elbow", "right_wrist")
    assert [record.getMessage() for record in caplog.records] == [
        "the model chose no joint for 'shake my hand'; asking for right_elbow, right_wrist, as the task handshake needs"
    ]


def test_the_model_may_choose_again_after_thirty_images(tasks: Tasks) -> None:
    joint_selection = JointSelection(tasks)
    with_joints = []
    for _ in range(70):
        asked = joint_selection.with_joints(SHAKE, 0.0)
        with_joints.append(bool(asked.joints))
        joint_selection.learn(asked, (), 0.0)
    assert [image for image, named_ in enumerate(with_joints) if not named_] == [0, 31, 62]


def test_words_that_no_task_has_stay_the_models(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    joint_selection, strange = JointSelection(tasks), Command("vacuum the living room")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert joint_selection.with_joints(strange, 0.0) == strange
            joint_selection.learn(strange, (), 0.0)
    assert [record.getMessage() for record in caplog.records] == [
        "the model chose no joint for 'vacuum the living room'; "
        "no task is said like that either: say it in another way or name the joints"
    ]


def test_without_a_table_nothing_is_named() -> None:
    joint_selection = JointSelection()
    joint_selection.learn(SHAKE, (), 0.0)
    assert joint_selection.with_joints(SHAKE, 0.0) == SHAKE


def test_the_memory_does_not_grow_for_ever() -> None:
    joint_selection = JointSelection()
    commands = [Command(f"do number {number}") for number in range(40)]
    for command in commands:
        joint_selection.learn(command, ("head",), 0.0)
    known = [bool(joint_selection.with_joints(command, 0.0).joints) for command in commands]
    assert known == [False] * 24 + [True] * 16
