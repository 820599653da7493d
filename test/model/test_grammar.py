"""The parser accepts every answer that a grammar allows."""

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


def test_the_named_grammar_of_the_official_format() -> None:
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
def test_every_answer_of_a_named_grammar_has_every_joint(
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
def test_every_answer_of_the_free_grammar_is_parsed(data: st.DataObject, answer_format: AnswerFormat) -> None:
    grammar = free_grammar(answer_format)
    tokens = data.draw(sentences(grammar))
    answer = parse(tokens, None)
    assert {joint.outcome for joint in answer.joints} <= {Outcome.ANSWERED, Outcome.NO_2D, Outcome.NO_3D}
    assert len(tokens) <= max_length(grammar)
    assert {token for token in tokens if not token[1:-1].isdigit()} <= literals(grammar)


@pytest.mark.parametrize("gap", ["", ", "])
def test_the_free_grammar_allows_any_subset_with_each_joint_once(gap: str) -> None:
    grammar = free_grammar(AnswerFormat(box=False, between_joints=gap))
    start = grammar.index(Text("<|kpt2d_start|>"))
    end = grammar.index(Text("<|kpt2d_end|>"))
    answers = answers_of(grammar[start + 1 : end], 4)
    ordered = [tuple(text.replace("<#><#>", "").split(gap) if gap else text.split("<#><#>")[:-1]) for text in answers]
    names = [tuple(name.strip("<|>") for name in names if name) for names in ordered]
    assert len(set(names)) == len(names)
    assert {(), ("pelvis",), ("right_wrist",), ("pelvis", "right_wrist"), ("left_hip", "spine1")} <= set(names)
    for subset in names:
        assert list(subset) == [joint for joint in JOINTS if joint in subset]


def answers_of(grammar: tuple[object, ...], max_coordinates: int) -> list[str]:
    """Return every answer with at most the given number of coordinates (two for each joint)."""
    answers = [""]
    for element in grammar:
        if isinstance(element, Text):
            answers = [text + element.text for text in answers]
        elif isinstance(element, Coordinate):
            answers = [text + "<#>" for text in answers]
        elif isinstance(element, Choice):
            branches = [answers_of(branch, max_coordinates) for branch in element.branches]
            answers = [text + more for text in answers for branch in branches for more in branch]
        answers = [text for text in answers if text.count("<#>") <= max_coordinates]
    return answers


def test_literals_and_length_of_a_choice() -> None:
    grammar = (Text("a"), Choice(((), (Text("b"), C, C))), C)
    assert literals(grammar) == {"a", "b"}
    assert max_length(grammar) == 5
