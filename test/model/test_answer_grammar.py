"""Whatever a grammar allows, the parser accepts."""

from __future__ import annotations

import pytest
from answers import answer_formats, sentences, some_joints
from hypothesis import given, settings
from hypothesis import strategies as st

from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Choice, Coordinate, Text, free_grammar, literals, max_length, named_grammar
from taihri_ros.model.parser import Outcome, parse
from taihri_ros.skeleton import JOINTS

C = Coordinate()


def test_the_named_grammar_of_the_official_spelling() -> None:
    assert named_grammar(["left_wrist"], AnswerFormat(box=True)) == (
        *(Text("<|box_start|>"), C, C, C, C, Text("<|box_end|>")),
        *(Text("<|kpt2d_start|>"), Text("<|left_wrist|>"), C, C, Text("<|kpt2d_end|>")),
        *(Text("<|kpt3d_start|>"), Text("<|left_wrist|>"), C, C, C, Text("<|kpt3d_end|>")),
    )


def test_the_named_grammar_with_every_separator() -> None:
    answer_format = AnswerFormat(False, "text", " ", ", ", "; ".replace(";", ","), "\n")
    grammar = named_grammar(["head", "neck"], answer_format)
    assert "".join(e.text if isinstance(e, Text) else "<1>" for e in grammar) == (
        "<|kpt2d_start|><head> <1>, <1>, <neck> <1>, <1><|kpt2d_end|>\n"
        "<|kpt3d_start|><head> <1>, <1>, <1>, <neck> <1>, <1>, <1><|kpt3d_end|>"
    )


@given(st.data(), answer_formats, some_joints)
def test_every_sentence_of_a_named_grammar_answers_every_joint(
    data: st.DataObject, answer_format: AnswerFormat, joints: tuple[str, ...]
) -> None:
    grammar = named_grammar(joints, answer_format)
    tokens = data.draw(sentences(grammar))
    answer = parse(tokens, joints)
    assert [joint.joint for joint in answer.joints] == list(joints)
    assert all(joint.outcome is Outcome.ANSWERED for joint in answer.joints)
    assert (answer.box is not None) == answer_format.box
    assert len(tokens) == max_length(grammar)
    coordinates = [int(token[1:-1]) for token in tokens if token[1:-1].isdigit()]
    read = [c.bin for c in answer.box or ()]
    read += [c.bin for joint in answer.joints for c in joint.pixel]
    read += [c.bin for joint in answer.joints for c in joint.point]
    assert read == coordinates


@settings(max_examples=60)
@given(st.data(), answer_formats)
def test_every_sentence_of_the_free_grammar_parses(data: st.DataObject, answer_format: AnswerFormat) -> None:
    grammar = free_grammar(answer_format)
    tokens = data.draw(sentences(grammar))
    answer = parse(tokens, None)
    assert {joint.outcome for joint in answer.joints} <= {Outcome.ANSWERED, Outcome.NO_2D, Outcome.NO_3D}
    assert len(tokens) <= max_length(grammar)
    assert {token for token in tokens if not token[1:-1].isdigit()} <= literals(grammar)


@pytest.mark.parametrize("gap", ["", ", "])
def test_the_free_grammar_can_say_any_subset_each_joint_once(gap: str) -> None:
    grammar = free_grammar(AnswerFormat(box=False, between_joints=gap))
    start = grammar.index(Text("<|kpt2d_start|>"))
    end = grammar.index(Text("<|kpt2d_end|>"))
    said = spoken(grammar[start + 1 : end], 4)
    ordered = [tuple(text.replace("<#><#>", "").split(gap) if gap else text.split("<#><#>")[:-1]) for text in said]
    names = [tuple(name.strip("<|>") for name in names if name) for names in ordered]
    assert len(set(names)) == len(names)
    assert {(), ("pelvis",), ("right_wrist",), ("pelvis", "right_wrist"), ("left_hip", "spine1")} <= set(names)
    for subset in names:
        assert list(subset) == [joint for joint in JOINTS if joint in subset]


def spoken(grammar: tuple[object, ...], most_joints: int) -> list[str]:
    """List every sentence with at most a few coordinates (two for each joint)."""
    said = [""]
    for element in grammar:
        if isinstance(element, Text):
            said = [text + element.text for text in said]
        elif isinstance(element, Coordinate):
            said = [text + "<#>" for text in said]
        elif isinstance(element, Choice):
            branches = [spoken(branch, most_joints) for branch in element.branches]
            said = [text + more for text in said for branch in branches for more in branch]
        said = [text for text in said if text.count("<#>") <= most_joints]
    return said


def test_texts_and_length_of_a_choice() -> None:
    grammar = (Text("a"), Choice(((), (Text("b"), C, C))), C)
    assert literals(grammar) == {"a", "b"}
    assert max_length(grammar) == 5
