"""Answers without choices: what is written and what is decoded, over a tokenizer of one token a character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taihri_ros.inference.constrained.automaton import Automaton
from taihri_ros.inference.constrained.template import Segment, Template, TemplateState, make_template
from taihri_ros.inference.engine import TopK
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Choice, Coordinate, Grammar, Text, free_grammar, named_grammar
from taihri_ros.skeleton import JOINTS

COORDINATES = range(10_000, 11_000)
ANSWER_FORMATS = {
    "official": AnswerFormat(),
    "no box": AnswerFormat(box=False),
    "gap after the joint": AnswerFormat(box=False, after_joint=" "),
    "separated coordinates": AnswerFormat(between_coordinates=", "),
    "everything": AnswerFormat(
        joint="text", after_joint=" ", between_coordinates=", ", between_joints=", ", between_blocks="\n"
    ),
}
GROUPS = {"one joint": ("head",), "two joints": ("left_wrist", "right_wrist"), "all joints": JOINTS}
NAMED = {
    f"{group}, {answer_format}": named_grammar(joints, ANSWER_FORMATS[answer_format])
    for group, joints in GROUPS.items()
    for answer_format in ANSWER_FORMATS
}
COUNTS = {
    f"{group}, {answer_format}": 5 * len(GROUPS[group]) + 4 * ANSWER_FORMATS[answer_format].box
    for group in GROUPS
    for answer_format in ANSWER_FORMATS
}


def encode(text: str) -> tuple[int, ...]:
    return tuple(map(ord, text))


def template(grammar: Grammar) -> Template:
    found = make_template(grammar, encode)
    assert found is not None
    return found


def found(token: int) -> TopK:
    return TopK((token - COORDINATES.start,), (0.0,))


@pytest.mark.parametrize("name", NAMED)
def test_the_parts_are_the_grammar(name: str) -> None:
    """Whatever the style: written texts and coordinates stand as in the grammar, and nothing else."""
    cut, grammar = template(NAMED[name]), NAMED[name]
    spelled = "".join("".join(map(chr, segment.fixed)) + "@" * segment.count for segment in cut.segments)
    spelled += "".join(map(chr, cut.ending))
    assert spelled == "".join(element.text if isinstance(element, Text) else "@" for element in grammar)
    assert cut.length == len(spelled)
    assert all(segment.count > 0 for segment in cut.segments)
    assert all(segment.fixed for segment in cut.segments), (
        "between two runs of coordinates stands something that is written"
    )
    assert sum(segment.count for segment in cut.segments) == COUNTS[name]


def test_coordinates_side_by_side_are_one_run() -> None:
    counts = [segment.count for segment in template(named_grammar(("head",), AnswerFormat())).segments]
    assert counts == [4, 2, 3]
    separated = AnswerFormat(box=False, between_coordinates=",")
    assert [segment.count for segment in template(named_grammar(("head",), separated)).segments] == [1] * 5


def test_an_answer_may_begin_and_end_with_coordinates() -> None:
    cut = template((Coordinate(), Coordinate(), Text("a"), Text("b"), Coordinate()))
    assert cut == Template((Segment((), 2), Segment((ord("a"), ord("b")), 1)), ())
    assert cut.length == 5


def test_texts_side_by_side_are_tokenised_as_one() -> None:
    seen: list[str] = []

    def note(text: str) -> tuple[int, ...]:
        seen.append(text)
        return (7,)

    assert make_template((Text("a"), Text("b"), Coordinate(), Text("c")), note) == Template((Segment((7,), 1),), (7,))
    assert seen == ["ab", "c"]


@pytest.mark.parametrize("answer_format", ANSWER_FORMATS)
def test_an_answer_whose_joints_the_model_chooses_is_not_straight(answer_format: str) -> None:
    assert make_template(free_grammar(ANSWER_FORMATS[answer_format]), encode) is None


@pytest.mark.parametrize(
    "grammar",
    [
        (),
        (Text("nothing to decode"),),
        (Coordinate(), Choice(((), (Text("a"),)))),
        (Choice(((Coordinate(),), (Text("a"),))), Text("b"), Coordinate()),
    ],
)
def test_choices_and_answers_without_coordinates_are_not_straight(grammar: Grammar) -> None:
    assert make_template(grammar, encode) is None


def fill(cut: Template, draw: st.DataObject) -> tuple[TemplateState[TopK], list[int], list[int]]:
    """Choose every coordinate; gives what was read in all passes, and what was chosen."""
    template_state, read, chosen = TemplateState[TopK](cut), [], []
    while template_state.left:
        assert template_state.unread, "the model must read something to say a coordinate"
        read += template_state.unread
        chosen.append(draw.draw(st.sampled_from(COORDINATES)))
        template_state.choose(chosen[-1], found(chosen[-1]))
    return template_state, read, chosen


@pytest.mark.parametrize("name", NAMED)
@settings(max_examples=20)
@given(draw=st.data())
def test_whatever_is_chosen_the_automaton_accepts_every_token(name: str, draw: st.DataObject) -> None:
    automaton = Automaton(NAMED[name], encode, COORDINATES)
    template_state, _, chosen = fill(template(NAMED[name]), draw)
    assert automaton.accepts(template_state.tokens)
    state = automaton.start
    coordinates = iter(chosen)
    for token in template_state.tokens:
        allowed = automaton.allowed(state)
        fixed = set() if allowed.coordinates else {token}
        assert allowed.ids == fixed, "what is written is what alone is allowed"
        assert not allowed.coordinates or token == next(coordinates)
        state = automaton.advance(state, token)
    assert next(coordinates, None) is None, "all that was chosen stands in the answer, in its order"


@pytest.mark.parametrize("name", NAMED)
@settings(max_examples=20)
@given(draw=st.data())
def test_a_pass_for_each_coordinate_reads_the_answer_once(name: str, draw: st.DataObject) -> None:
    cut = template(NAMED[name])
    template_state, read, chosen = fill(cut, draw)
    assert len(chosen) == COUNTS[name]
    assert [*read, chosen[-1], *cut.ending] == template_state.tokens
    assert template_state.left == 0


@given(draw=st.data())
def test_alternatives_stand_at_the_coordinates_and_nowhere_else(draw: st.DataObject) -> None:
    template_state, _, _ = fill(template(NAMED["two joints, everything"]), draw)
    assert len(template_state.top_k) == len(template_state.tokens)
    for token, top_k in zip(template_state.tokens, template_state.top_k, strict=True):
        assert top_k == (found(token) if token in COORDINATES else None)


def test_left_counts_down_to_the_next_forced_token() -> None:
    cut = template(named_grammar(("head",), AnswerFormat(box=False)))
    template_state, lefts, unread = TemplateState[TopK](cut), [], []
    while template_state.left:
        lefts.append(template_state.left)
        unread.append(len(template_state.unread))
        template_state.choose(COORDINATES[0], None)
    between = len("<|kpt2d_end|><|kpt3d_start|><|head|>")
    assert lefts == [2, 1, 3, 2, 1]
    assert unread == [len("<|kpt2d_start|><|head|>"), 1, 1 + between, 1, 1]


def test_what_was_not_chosen_yet_is_not_there() -> None:
    """An answer that is given up on the way ends before its next coordinate."""
    template_state = TemplateState[TopK](template(NAMED["one joint, no box"]))
    template_state.choose(COORDINATES[5], None)
    assert "".join(map(chr, template_state.tokens[:-1])) == "<|kpt2d_start|><|head|>"
    assert template_state.tokens[-1] == COORDINATES[5]
    assert (template_state.left, template_state.unread) == (1, (COORDINATES[5],))


def test_two_answers_of_one_grammar_do_not_share_anything() -> None:
    cut = template(NAMED["one joint, official"])
    one, other = TemplateState[TopK](cut), TemplateState[TopK](cut)
    for token in COORDINATES[:9]:
        one.choose(token, None)
    assert other.tokens == list(cut.segments[0].fixed)
    assert other.left == 4
