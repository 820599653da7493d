from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from evaluated_people import moved, truth

from taihri_ros.commands.command import CommandError
from taihri_ros.commands.tasks import Tasks
from taihri_ros.evaluation.datasets.items import DataError
from taihri_ros.evaluation.question_plan import (
    QUESTION,
    Phrasings,
    Plan,
    Question,
    needed_joints,
    parse_joints,
    questions,
)
from taihri_ros.evaluation.spoken_commands import read_spoken_commands
from taihri_ros.skeleton import INDEX, JOINTS, PARTS

NEAR = moved(0, 0, -1.0)
"""A person so near that the legs are outside the image."""


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks.load()


def plan_questions(joints: str, **labels: object) -> list[Question]:
    return list(questions(truth(NEAR, **labels), 3, Plan(parse_joints(joints))))


def test_the_labelled_joints_in_the_image_are_requested() -> None:
    known = truth(NEAR)
    (question,) = plan_questions("in-image")
    assert question.command.joints == tuple(name for name in JOINTS if known.in_image[INDEX[name]])
    assert 0 < len(question.command.joints) < len(JOINTS)
    assert question.key == (3, question.command.text)


def test_all_labelled_joints_are_requested() -> None:
    joints = NEAR.copy()
    joints[INDEX["head"]] = np.nan
    (question,) = questions(truth(joints), 0, Plan(("all",)))
    assert set(JOINTS) - set(question.command.joints) == {"head"}


def test_each_part_set_is_one_question() -> None:
    arm, body = plan_questions("left_arm,upper_body")
    assert (arm.part, body.part) == ("left_arm", "upper_body")
    assert arm.command.joints == PARTS["left_arm"]
    assert plan_questions("lower_body") != []
    assert list(questions(truth(np.full((22, 3), np.nan)), 0, Plan(("left_arm", "in-image")))) == []


@pytest.mark.parametrize("text", ["", "left_foot", "all,left_arm", "in-image,none"])
def test_unknown_names_are_refused(text: str) -> None:
    with pytest.raises(CommandError, match="joints can be in-image, all, none, or part sets"):
        parse_joints(text)


def test_the_command_of_an_image_is_a_question() -> None:
    (free,) = plan_questions("none", command="shake my hand", command_joints=("right_wrist",))
    assert free.is_free
    assert needed_joints(free) == ("right_wrist",)
    (named,) = plan_questions("none", command="Left Wrist and head")
    assert not named.is_free
    assert needed_joints(named) == ("head", "left_wrist")
    for command in ("stop", "<|im_end|>"):
        with pytest.raises(DataError, match=r"a\.png"):
            plan_questions("none", command=command)


@pytest.mark.parametrize(("which", "count"), [("none", 0), ("held-out", 1), ("all", 2)])
def test_sentences_of_the_task_table_are_sampled_evenly(tasks: Tasks, which: Phrasings, count: int) -> None:
    plan = Plan(("none",), which)
    planned = [list(questions(truth(), index, plan, tasks)) for index in range(60)]
    assert all(len(entry) == count for entry in planned)
    assert planned == [list(questions(truth(), index, plan, tasks)) for index in range(60)], "the same in every run"
    if count:
        names = Counter(entry[0].task for entry in planned)
        assert set(names) == {task.name for task in tasks.tasks} | {QUESTION}
        assert max(names.values()) - min(names.values()) <= 1
        for entry in planned:
            assert [question.phrasing for question in entry] == ["held_out", "trained"][:count]
            for question in entry:
                assert question.is_free
                assert question.needed
                if question.task != QUESTION:
                    assert question.needed == tasks[question.task].joints
        assert len({entry[0].command.text for entry in planned}) > 40


def test_spoken_commands_are_asked_in_turn() -> None:
    commands = read_spoken_commands()
    plan = Plan(("none",), "spoken")
    planned = [question for index in range(len(commands) + 1) for question in questions(truth(), index, plan)]
    assert [question.command for question in planned] == [spoken.command for spoken in (*commands, commands[0])]
    assert Counter(question.phrasing for question in planned) == {"spoken": 61, "asking_for_nothing": 20}
    assert planned[0].needed
    assert planned[60].needed == ()
