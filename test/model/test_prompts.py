"""Prompts: the wording of the checkpoint for named joints and free words."""

from __future__ import annotations

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.model.prompts import Prompt, make_prompt
from taihri_ros.model.spec import ModelSpec


def test_named_joints_use_the_official_wording() -> None:
    assert make_prompt(joint_command(["right_wrist", "left_wrist"]), ModelSpec()) == Prompt(
        "You are a helpful assistant",
        "Can you provide the 2D and 3D coordinates of the following keypoints of the person: left_wrist, right_wrist?",
    )


def test_free_words_are_unchanged() -> None:
    assert (
        make_prompt(Command("Give the person a {joints} hug."), ModelSpec()).user == "Give the person a {joints} hug."
    )


def test_the_wording_comes_from_the_checkpoint() -> None:
    spec = ModelSpec(system_prompt="Be brief.", named_prompt="{joints}, please", free_prompt="Do: {command}!")
    assert make_prompt(joint_command(["head"]), spec) == Prompt("Be brief.", "head, please")
    assert make_prompt(Command("wave {command}"), spec).user == "Do: wave {command}!"
