"""The skeleton: the first 22 joints of SMPL, in its order."""

from __future__ import annotations

from taihri_ros.skeleton import BONES, INDEX, JOINTS, PARTS, in_order, joint_token


def test_joints_have_their_smpl_index() -> None:
    assert len(JOINTS) == len(set(JOINTS)) == 22
    assert [INDEX[name] for name in ("pelvis", "neck", "head", "left_wrist", "right_wrist")] == [0, 12, 15, 20, 21]
    assert joint_token("left_wrist") == "<|left_wrist|>"


def test_parts_are_those_of_the_evaluation() -> None:
    assert {part: [INDEX[name] for name in names] for part, names in PARTS.items()} == {
        "left_arm": [16, 18, 20],
        "right_arm": [17, 19, 21],
        "upper_body": [16, 17, 18, 19],
        "lower_body": [1, 2, 4, 5],
    }


def test_bones_form_a_tree_and_never_join_left_to_right() -> None:
    assert len(BONES) == 21
    assert {child for _, child in BONES} == set(JOINTS) - {"pelvis"}
    for parent, child in BONES:
        assert INDEX[parent] < INDEX[child]
        assert {parent.split("_")[0], child.split("_")[0]} != {"left", "right"}
    assert {("left_elbow", "left_wrist"), ("neck", "head"), ("left_knee", "left_ankle")} <= set(BONES)


def test_in_order_sorts_by_smpl_index() -> None:
    assert in_order({"head", "pelvis", "left_wrist"}) == ("pelvis", "head", "left_wrist")
