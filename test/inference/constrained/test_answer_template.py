"""Tests of templates, with a tokenizer that has one token for each character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taihri_ros.inference.constrained.answer_template import Segment, Template, TemplateState, make_template
from taihri_ros.inference.constrained.automaton import Automaton
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


def compile_template(grammar: Grammar) -> Template:
    found = make_template(grammar, encode)
    assert found is not None
    return found


def entry(token: int) -> TopK:
    return TopK((token - COORDINATES.start,), (0.0,))


@pytest.mark.parametrize("name", NAMED)
def test_the_segments_reproduce_the_grammar(name: str) -> None:
    template, grammar = compile_template(NAMED[name]), NAMED[name]
    text = "".join("".join(map(chr, segment.fixed)) + "@" * segment.count for segment in template.segments)
    text += "".join(map(chr, template.ending))
    assert text == "".join(element.text if isinstance(element, Text) else "@" for element in grammar)
    assert template.length == len(text)
    assert all(segment.count > 0 for segment in template.segments)
    assert all(segment.fixed for segment in template.segments), "segments must be separated by fixed tokens"
    assert sum(segment.count for segment in template.segments) == COUNTS[name]


def test_consecutive_coordinates_are_one_segment() -> None:
    counts = [segment.count for segment in compile_template(named_grammar(("head",), AnswerFormat())).segments]
    assert counts == [4, 2, 3]
    separated = AnswerFormat(box=False, between_coordinates=",")
    assert [segment.count for segment in compile_template(named_grammar(("head",), separated)).segments] == [1] * 5


def test_an_answer_may_start_and_end_with_coordinates() -> None:
    template = compile_template((Coordinate(), Coordinate(), Text("a"), Text("b"), Coordinate()))
    assert template == Template((Segment((), 2), Segment((ord("a"), ord("b")), 1)), ())
    assert template.length == 5


def test_adjacent_texts_are_tokenised_together() -> None:
    seen: list[str] = []

    def record(text: str) -> tuple[int, ...]:
        seen.append(text)
        return (7,)

    assert make_template((Text("a"), Text("b"), Coordinate(), Text("c")), record) == Template((Segment((7,), 1),), (7,))
    assert seen == ["ab", "c"]


@pytest.mark.parametrize("answer_format", ANSWER_FORMATS)
def test_a_free_grammar_has_no_template(answer_format: str) -> None:
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
def test_grammars_with_choices_or_without_coordinates_have_no_template(grammar: Grammar) -> None:
    assert make_template(grammar, encode) is None


def fill(template: Template, data: st.DataObject) -> tuple[TemplateState[TopK], list[int], list[int]]:
    """Decode random coordinates; return the final state, all input tokens, and all decoded tokens."""
    template_state, inputs, decoded = TemplateState[TopK](template), [], []
    while template_state.remaining:
        assert template_state.pending, "each forward pass needs an input token"
        inputs += template_state.pending
        decoded.append(data.draw(st.sampled_from(COORDINATES)))
        template_state.append(decoded[-1], entry(decoded[-1]))
    return template_state, inputs, decoded


@pytest.mark.parametrize("name", NAMED)
@settings(max_examples=20)
@given(data=st.data())
def test_the_automaton_accepts_every_filled_template(name: str, data: st.DataObject) -> None:
    automaton = Automaton(NAMED[name], encode, COORDINATES)
    template_state, _, decoded = fill(compile_template(NAMED[name]), data)
    assert automaton.accepts(template_state.tokens)
    state = automaton.start
    coordinates = iter(decoded)
    for token in template_state.tokens:
        allowed = automaton.allowed(state)
        fixed = set() if allowed.coordinates else {token}
        assert allowed.ids == fixed, "a fixed token is the only allowed one"
        assert not allowed.coordinates or token == next(coordinates)
        state = automaton.advance(state, token)
    assert next(coordinates, None) is None, "the answer must contain all decoded coordinates in order"


@pytest.mark.parametrize("name", NAMED)
@settings(max_examples=20)
@given(data=st.data())
def test_one_pass_for_each_coordinate_processes_every_token_once(name: str, data: st.DataObject) -> None:
    template = compile_template(NAMED[name])
    template_state, inputs, decoded = fill(template, data)
    assert len(decoded) == COUNTS[name]
    assert [*inputs, decoded[-1], *template.ending] == template_state.tokens
    assert template_state.remaining == 0


@given(data=st.data())
def test_only_coordinates_have_top_k_entries(data: st.DataObject) -> None:
    template_state, _, _ = fill(compile_template(NAMED["two joints, everything"]), data)
    assert len(template_state.top_k) == len(template_state.tokens)
    for token, top_k in zip(template_state.tokens, template_state.top_k, strict=True):
        assert top_k == (entry(token) if token in COORDINATES else None)


def test_remaining_counts_down_within_each_segment() -> None:
    template = compile_template(named_grammar(("head",), AnswerFormat(box=False)))
    template_state, remaining, pending = TemplateState[TopK](template), [], []
    while template_state.remaining:
        remaining.append(template_state.remaining)
        pending.append(len(template_state.pending))
        template_state.append(COORDINATES[0], None)
    between = len("<|kpt2d_end|><|kpt3d_start|><|head|>")
    assert remaining == [2, 1, 3, 2, 1]
    assert pending == [len("<|kpt2d_start|><|head|>"), 1, 1 + between, 1, 1]


def test_an_incomplete_answer_ends_before_its_next_coordinate() -> None:
    template_state = TemplateState[TopK](compile_template(NAMED["one joint, no box"]))
    template_state.append(COORDINATES[5], None)
    assert "".join(map(chr, template_state.tokens[:-1])) == "<|kpt2d_start|><|head|>"
    assert template_state.tokens[-1] == COORDINATES[5]
    assert (template_state.remaining, template_state.pending) == (1, (COORDINATES[5],))


def test_states_of_one_template_are_independent() -> None:
    template = compile_template(NAMED["one joint, official"])
    one, other = TemplateState[TopK](template), TemplateState[TopK](template)
    for token in COORDINATES[:9]:
        one.append(token, None)
    assert other.tokens == list(template.segments[0].fixed)
    assert other.remaining == 4
