"""Lists of joint names, misspelt names in them, and words that are no list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.commands.joint_lists import misspelt_joint, named_joints
from taihri_ros.commands.tasks import Tasks
from taihri_ros.skeleton import JOINTS


@pytest.mark.parametrize(
    ("text", "name", "resembled"),
    [
        ("left_wirst", "left_wirst", ("left_wrist",)),
        ("left wrsit", "left wrsit", ("left_wrist",)),
        ("leftwirst", "leftwirst", ("left_wrist",)),
        ("lfet_wrist", "lfet_wrist", ("left_wrist",)),
        ("rigth wrist", "rigth wrist", ("right_wrist",)),
        ("left_wirst, right_wrist", "left_wirst", ("left_wrist",)),
        ("left_wrist right_wirst", "right_wirst", ("right_wrist",)),
        ("left_wrist/right_wirst", "right_wirst", ("right_wrist",)),
        ("left_wrist, right_writs, head", "right_writs", ("right_wrist",)),
        ("left shoudler and right shoulder", "left shoudler", ("left_shoulder",)),
        ("left_elbow; Right_Elbwo.", "right_elbwo", ("right_elbow",)),
        ("left wirst, please", "left wirst", ("left_wrist",)),
        ("head, nekc", "nekc", ("neck",)),
        ("pelvsi", "pelvsi", ("pelvis",)),
        ("spine4", "spine4", ("spine3",)),
        ("spine_4", "spine_4", ("spine1", "spine2", "spine3")),
        ("neck, spine", "spine", ("spine1", "spine2", "spine3")),
        ("left_wrists", "left_wrists", ("left_wrist",)),
        ("left_wrist, elbow", "elbow", ("left_elbow", "right_elbow")),
        ("left_wrist, wrists", "wrists", ("left_wrist", "right_wrist")),
        ("both wrists, head", "both wrists", ("left_wrist", "right_wrist")),
        ("wrist_left", "wrist_left", ("left_wrist",)),
        ("l_wrist, r_wrist", "l_wrist", ("left_wrist",)),
        ("left_hand, right_hand", "left_hand", ("left_wrist",)),
        ("left wrist, right hand", "right hand", ("right_wrist",)),
        ("left_thumb", "left_thumb", ()),
        ("nose, left_wrist", "nose", ()),
        ("left_knee_cap", "left_knee_cap", ()),
    ],
)
def test_a_wrong_name_in_a_list_is_found_with_the_joints_that_it_resembles(
    text: str, name: str, resembled: tuple[str, ...]
) -> None:
    assert named_joints(text) == ()
    assert misspelt_joint(text) == (name, resembled)


@pytest.mark.parametrize(
    "text",
    [
        *("left, right", "head over here", "left", "wrist", "wrists", "both wrists", "hands", "left hand", "left fist"),
        *("left hand, right hand", "left arm", "left waist", "lift wrist", "right angle", "right now", "turn_left"),
        *("shake_my_hand", "left and right wrist", "left wrist please", "head, please", "look here, head", "head on"),
        *("hear", "heads up", "waist", "hip hop", "kneel", "umarme mich", "straighten my shoulders", "no", ",,", "_"),
    ],
)
def test_free_words_are_no_list(text: str) -> None:
    assert named_joints(text) == ()
    assert misspelt_joint(text) is None


def test_no_sentence_of_the_task_table_is_a_list() -> None:
    tasks = Tasks.load()
    for task in tasks.tasks:
        for sentence in (*task.phrasings, *task.held_out):
            assert misspelt_joint(sentence) is None, sentence


@given(st.text())
def test_any_text_is_judged_without_an_error(text: str) -> None:
    misspelt = misspelt_joint(text)
    assert misspelt is None or set(misspelt[1]) <= set(JOINTS)


@given(st.sampled_from([joint for joint in JOINTS if "_" in joint]), st.integers(1, 20), st.booleans())
def test_two_letters_in_the_wrong_order_are_found(joint: str, place: int, listed: bool) -> None:
    place = joint.index("_") + 1 + place % (len(joint) - joint.index("_") - 2)
    swapped = joint[:place] + joint[place + 1] + joint[place] + joint[place + 2 :]
    if swapped != joint:
        found = misspelt_joint(f"{swapped}, head" if listed else swapped)
        assert found is not None
        assert found[0] == swapped
