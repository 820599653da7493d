"""JointSelection: the model chooses joints once, later images request them by name; the task table is the fallback."""

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


def test_the_joints_of_the_model_are_kept_for_the_same_command() -> None:
    joint_selection = JointSelection()
    assert joint_selection.with_joints(SHAKE, 0.0) == SHAKE
    joint_selection.remember(SHAKE, ("right_wrist",), 0.0)
    kept = Command("shake my hand", ("right_wrist",))
    assert joint_selection.with_joints(SHAKE, 1e6) == kept
    assert joint_selection.with_joints(HUG, 1.0) == HUG, "the model chooses the joints of another command"
    joint_selection.remember(kept, (), 2.0)
    assert joint_selection.with_joints(SHAKE, 3.0) == kept, "an answer for named joints does not change the selection"


def test_the_model_chooses_again_after_the_refresh_time() -> None:
    joint_selection = JointSelection(refresh_s=5.0)
    joint_selection.remember(SHAKE, ("right_wrist",), 100.0)
    assert joint_selection.with_joints(SHAKE, 104.9).joints == ("right_wrist",)
    assert joint_selection.with_joints(SHAKE, 105.0) == SHAKE
    joint_selection.remember(SHAKE, ("left_wrist",), 105.0)
    assert joint_selection.with_joints(SHAKE, 105.1).joints == ("left_wrist",)


def test_a_command_with_named_joints_is_unchanged(tasks: Tasks) -> None:
    joint_selection, wrist = JointSelection(tasks), joint_command(["left_wrist"])
    joint_selection.remember(wrist, (), 0.0)
    joint_selection.remember(wrist, ("head",), 0.0)
    assert joint_selection.with_joints(wrist, 0.0) == wrist


def test_the_task_table_selects_the_joints_if_the_model_chooses_none(
    tasks: Tasks, caplog: pytest.LogCaptureFixture
) -> None:
    joint_selection = JointSelection(tasks)
    with caplog.at_level(logging.WARNING):
        joint_selection.remember(SHAKE, (), 0.0)
        joint_selection.remember(SHAKE, (), 1.0)
    assert joint_selection.with_joints(SHAKE, 2.0).joints == ("right_elbow", "right_wrist")
    assert [record.getMessage() for record in caplog.records] == [
        "the model chose no joint for 'shake my hand'; requesting right_elbow, right_wrist for the task handshake"
    ]


def test_the_model_chooses_again_after_thirty_images_of_the_task_table(tasks: Tasks) -> None:
    joint_selection = JointSelection(tasks)
    with_joints = []
    for _ in range(70):
        command = joint_selection.with_joints(SHAKE, 0.0)
        with_joints.append(bool(command.joints))
        joint_selection.remember(command, (), 0.0)
    assert [image for image, has_joints in enumerate(with_joints) if not has_joints] == [0, 31, 62]


def test_a_command_that_matches_no_task_is_unchanged(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    joint_selection, strange = JointSelection(tasks), Command("vacuum the living room")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert joint_selection.with_joints(strange, 0.0) == strange
            joint_selection.remember(strange, (), 0.0)
    assert [record.getMessage() for record in caplog.records] == [
        "the model chose no joint for 'vacuum the living room'; "
        "no task matches it either: use other words or name the joints"
    ]


def test_without_a_task_table_the_command_is_unchanged() -> None:
    joint_selection = JointSelection()
    joint_selection.remember(SHAKE, (), 0.0)
    assert joint_selection.with_joints(SHAKE, 0.0) == SHAKE


def test_only_the_last_sixteen_commands_are_remembered() -> None:
    joint_selection = JointSelection()
    commands = [Command(f"do number {number}") for number in range(40)]
    for command in commands:
        joint_selection.remember(command, ("head",), 0.0)
    known = [bool(joint_selection.with_joints(command, 0.0).joints) for command in commands]
    assert known == [False] * 24 + [True] * 16
