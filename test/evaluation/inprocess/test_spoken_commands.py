"""taihri-nano with the node's default parameters, on commands that people say: which joints are chosen for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from spoken_commands import ASKING, ASKING_ABROAD, LATER_ASKING, LATER_NOTHING, NEGATED, NOTHING

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import parse_command
from taihri_ros.inference.factory import open_engine
from taihri_ros.node.configured_tracker import make_tracker
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.resources import NANO

IMAGE = np.full((120, 160, 3), 128, np.uint8)
CAMERA = Camera(160, 120, np.array([[120.0, 0, 79.5], [0, 120.0, 59.5], [0, 0, 1]]), np.array([]), DistortionModel.NONE)
KNOWN_SHARE = 0.94
"""Smallest share of the English commands that ask for something for which exactly their joints are chosen."""


@pytest.fixture(scope="module")
def nano() -> Iterator[Tracker]:
    with open_engine("transformers", str(NANO)) as engine:
        yield make_tracker(engine, Parameters())


UNKNOWN_LANGUAGES = ("dammi la tazza", "abbracciami forte", "geef me een knuffel", "obejmij mnie", "hvor er mitt kne")


def chosen(tracker: Tracker, text: str) -> tuple[str, ...]:
    command = parse_command(text)
    if command is None:
        return ()
    person = tracker.estimate(IMAGE, CAMERA, command, 0, one_shot=True).person
    return tuple(keypoint.name for keypoint in person.keypoints)


def test_commands_that_ask_for_something_choose_their_joints(nano: Tracker) -> None:
    right = [set(chosen(nano, text)) == set(joints) for text, joints in (*ASKING, *LATER_ASKING)]
    assert sum(right) / len(right) >= KNOWN_SHARE


@pytest.mark.handles("Commands", "turn off the lights, or another command that asks for nothing", "no joint")
@pytest.mark.handles(
    "Commands", "command in a language that the task table does not know", "no joint, with taihri-nano"
)
def test_commands_that_ask_for_nothing_or_forbid_something_choose_no_joint(nano: Tracker) -> None:
    texts = (*NOTHING, *NEGATED, *LATER_NOTHING, *UNKNOWN_LANGUAGES)
    assert {text: chosen(nano, text) for text in texts if chosen(nano, text)} == {}


def test_commands_in_other_languages_that_ask_for_something_choose_joints(nano: Tracker) -> None:
    assert [text for text in ASKING_ABROAD if not chosen(nano, text)] == []
