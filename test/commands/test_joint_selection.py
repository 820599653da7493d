"""JointSelection: named joints, the model's choice, the task table's choice, and no joint for a negated command."""

from __future__ import annotations

import pytest

from taihri_ros.commands.command import Command, joint_command, parse_command
from taihri_ros.commands.joint_selection import JointSelection, Selection, Source
from taihri_ros.commands.tasks import Tasks

SHAKE, HUG = Command("shake my hand"), Command("Give me a hug.")
ADVICE = "say it in other words, or name the joints"


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks.load()


def test_the_joints_of_the_model_are_kept_for_the_same_command() -> None:
    joint_selection = JointSelection()
    assert joint_selection.select(SHAKE, 0.0).source is Source.PENDING
    joint_selection.remember(SHAKE, ("right_wrist",), 0.0)
    kept = Selection(("right_wrist",), Source.MODEL, "the model chose them")
    assert joint_selection.select(SHAKE, 1e6) == joint_selection.current(SHAKE) == kept
    assert joint_selection.select(HUG, 1.0).source is Source.PENDING, "the model chooses for another command"
    joint_selection.remember(Command("shake my hand", ("right_wrist",)), (), 2.0)
    assert joint_selection.select(SHAKE, 3.0) == kept, "an answer for named joints does not change the selection"


def test_the_model_chooses_again_after_the_refresh_time() -> None:
    joint_selection = JointSelection(refresh_s=5.0)
    joint_selection.remember(SHAKE, ("right_wrist",), 100.0)
    assert joint_selection.select(SHAKE, 104.9).joints == ("right_wrist",)
    assert joint_selection.select(SHAKE, 105.0).source is Source.PENDING
    assert joint_selection.current(SHAKE).joints == ("right_wrist",), "until the model has chosen again"
    joint_selection.remember(SHAKE, ("left_wrist",), 105.0)
    assert joint_selection.select(SHAKE, 105.1).joints == ("left_wrist",)


def test_a_model_that_chose_no_joint_is_asked_again_on_the_next_image() -> None:
    joint_selection = JointSelection()
    joint_selection.remember(SHAKE, (), 0.0)
    assert joint_selection.current(SHAKE) == Selection((), Source.NONE, f"the model chose no joint: {ADVICE}")
    assert joint_selection.select(SHAKE, 0.1).source is Source.PENDING
    joint_selection.remember(SHAKE, ("right_wrist",), 0.1)
    assert joint_selection.select(SHAKE, 0.2).joints == ("right_wrist",)


def test_named_joints_are_selected(tasks: Tasks) -> None:
    joint_selection, wrist = JointSelection(tasks), joint_command(["left_wrist"])
    joint_selection.remember(wrist, (), 0.0)
    joint_selection.remember(wrist, ("head",), 0.0)
    assert joint_selection.select(wrist, 0.0) == Selection(("left_wrist",), Source.NAMED, "the command names them")


@pytest.mark.parametrize("with_table", [True, False])
def test_nobody_chooses_a_joint_for_a_negated_command(tasks: Tasks, with_table: bool) -> None:
    joint_selection = JointSelection(tasks if with_table else None)
    command = parse_command("Please don't shake my hand")
    assert command is not None
    joint_selection.remember(command, ("right_wrist",), 0.0)
    assert joint_selection.select(command, 0.0) == Selection(
        (), Source.NONE, 'the command is negated by "don\'t": say what to do, or name the joints'
    )


def test_the_task_table_chooses_instead_of_the_model(tasks: Tasks) -> None:
    joint_selection = JointSelection(tasks)
    assert joint_selection.select(SHAKE, 0.0) == Selection(
        ("right_elbow", "right_wrist"), Source.TABLE, "the task handshake needs them"
    )
    assert joint_selection.select(Command("vacuum the living room"), 0.0) == Selection(
        (), Source.NONE, f"the command matches no task of the task table: {ADVICE}"
    )


@pytest.mark.handles(
    "Commands", "command that the model refuses", "no joint: the task table does not overrule the model"
)
def test_the_task_table_is_used_only_where_it_is_asked_for(tasks: Tasks) -> None:
    asked_for = False
    joint_selection = JointSelection(tasks, use_table=lambda: asked_for)
    joint_selection.remember(SHAKE, (), 0.0)
    assert joint_selection.select(SHAKE, 1.0).source is Source.PENDING, "the model is asked again"
    asked_for = True
    assert joint_selection.select(SHAKE, 2.0).source is Source.TABLE


def test_only_the_last_sixteen_commands_are_remembered() -> None:
    joint_selection = JointSelection()
    commands = [Command(f"do number {number}") for number in range(40)]
    for command in commands:
        joint_selection.remember(command, ("head",), 0.0)
    known = [bool(joint_selection.select(command, 0.0).joints) for command in commands]
    assert known == [False] * 24 + [True] * 16
