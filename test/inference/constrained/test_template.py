"""Answers without choices: what is written and what is decoded, over a tokenizer of one token a character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taihri_ros.inference.constrained.automaton import Automaton
from taihri_ros.inference.engine import Alternatives
from taihri_ros.inference.constrained.template import Filling, Run, Straight, straighten
from taihri_ros.model.grammar import Choice, Coordinate, Grammar, Text, free_grammar, named_grammar
from taihri_ros.model.answer_format import AnswerStyle
from taihri_ros.skeleton import JOINTS

COORDINATES = range(10_000, 11_000)
STYLES = {
    "official": AnswerStyle(),
    "no box": AnswerStyle(box=False),
    "gap after the joint": AnswerStyle(box=False, after_joint=" "),
    "separated coordinates": AnswerStyle(between_coordinates=", "),
    "everything": AnswerStyle(
        joint="text", after_joint=" ", between_coordinates=", ", between_joints=", ", between_blocks="\n"
    ),
}
GROUPS = {"one joint": ("head",), "two joints": ("left_wrist", "right_wrist"), "all joints": JOINTS}
NAMED = {
    f"{group}, {style}": named_grammar(joints, STYLES[style]) for group, joints in GROUPS.items() for style in STYLES
}
COUNTS = {f"{group}, {style}": 5 * len(GROUPS[group]) + 4 * STYLES[style].box for group in GROUPS for style in STYLES}


def encode(text: str) -> tuple[int, ...]:
    return tuple(map(ord, text))


def straight(grammar: Grammar) -> Straight:
    found = straighten(grammar, encode)
    assert found is not None
    return found


def found(token: int) -> Alternatives:
    return Alternatives((token - COORDINATES.start,), (0.0,))


@pytest.mark.parametrize("name", NAMED)
def test_the_parts_are_the_grammar(name: str) -> None:
    """Whatever the style: written texts and coordinates stand as in the grammar, and nothing else."""
    cut, grammar = straight(NAMED[name]), NAMED[name]
    spelled = "".join("".join(map(chr, run.forced)) + "@" * run.count for run in cut.runs)
    spelled += "".join(map(chr, cut.ending))
    assert spelled == "".join(element.text if isinstance(element, Text) else "@" for element in grammar)
    assert cut.length == len(spelled)
    assert all(run.count > 0 for run in cut.runs)
    assert all(run.forced for run in cut.runs), "between two runs of coordinates stands something that is written"
    assert sum(run.count for run in cut.runs) == COUNTS[name]


def test_coordinates_side_by_side_are_one_run() -> None:
    counts = [run.count for run in straight(named_grammar(("head",), AnswerStyle())).runs]
    assert counts == [4, 2, 3]
    separated = AnswerStyle(box=False, between_coordinates=",")
    assert [run.count for run in straight(named_grammar(("head",), separated)).runs] == [1] * 5


def test_an_answer_may_begin_and_end_with_coordinates() -> None:
    cut = straight((Coordinate(), Coordinate(), Text("a"), Text("b"), Coordinate()))
    assert cut == Straight((Run((), 2), Run((ord("a"), ord("b")), 1)), ())
    assert cut.length == 5


def test_texts_side_by_side_are_tokenised_as_one() -> None:
    seen: list[str] = []

    def note(text: str) -> tuple[int, ...]:
        seen.append(text)
        return (7,)

    assert straighten((Text("a"), Text("b"), Coordinate(), Text("c")), note) == Straight((Run((7,), 1),), (7,))
    assert seen == ["ab", "c"]


@pytest.mark.parametrize("style", STYLES)
def test_an_answer_whose_joints_the_model_chooses_is_not_straight(style: str) -> None:
    assert straighten(free_grammar(STYLES[style]), encode) is None


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
    assert straighten(grammar, encode) is None


def fill(cut: Straight, draw: st.DataObject) -> tuple[Filling[Alternatives], list[int], list[int]]:
    """Choose every coordinate; gives what was read in all passes, and what was chosen."""
    filling, read, chosen = Filling[Alternatives](cut), [], []
    while filling.left:
        assert filling.unread, "the model must read something to say a coordinate"
        read += filling.unread
        chosen.append(draw.draw(st.sampled_from(COORDINATES)))
        filling.choose(chosen[-1], found(chosen[-1]))
    return filling, read, chosen


@pytest.mark.parametrize("name", NAMED)
@settings(max_examples=20)
@given(draw=st.data())
def test_whatever_is_chosen_the_automaton_accepts_every_token(name: str, draw: st.DataObject) -> None:
    automaton = Automaton(NAMED[name], encode, COORDINATES)
    filling, _, chosen = fill(straight(NAMED[name]), draw)
    assert automaton.accepts(filling.tokens)
    state = automaton.start
    coordinates = iter(chosen)
    for token in filling.tokens:
        allowed = automaton.allowed(state)
        forced = set() if allowed.coordinates else {token}
        assert allowed.ids == forced, "what is written is what alone is allowed"
        assert not allowed.coordinates or token == next(coordinates)
        state = automaton.advance(state, token)
    assert next(coordinates, None) is None, "all that was chosen stands in the answer, in its order"


@pytest.mark.parametrize("name", NAMED)
@settings(max_examples=20)
@given(draw=st.data())
def test_a_pass_for_each_coordinate_reads_the_answer_once(name: str, draw: st.DataObject) -> None:
    cut = straight(NAMED[name])
    filling, read, chosen = fill(cut, draw)
    assert len(chosen) == COUNTS[name]
    assert [*read, chosen[-1], *cut.ending] == filling.tokens
    assert filling.left == 0


@given(draw=st.data())
def test_alternatives_stand_at_the_coordinates_and_nowhere_else(draw: st.DataObject) -> None:
    filling, _, _ = fill(straight(NAMED["two joints, everything"]), draw)
    assert len(filling.alternatives) == len(filling.tokens)
    for token, alternatives in zip(filling.tokens, filling.alternatives, strict=True):
        assert alternatives == (found(token) if token in COORDINATES else None)


def test_left_counts_down_to_the_next_forced_token() -> None:
    cut = straight(named_grammar(("head",), AnswerStyle(box=False)))
    filling, lefts, unread = Filling[Alternatives](cut), [], []
    while filling.left:
        lefts.append(filling.left)
        unread.append(len(filling.unread))
        filling.choose(COORDINATES[0], None)
    between = len("<|kpt2d_end|><|kpt3d_start|><|head|>")
    assert lefts == [2, 1, 3, 2, 1]
    assert unread == [len("<|kpt2d_start|><|head|>"), 1, 1 + between, 1, 1]


def test_what_was_not_chosen_yet_is_not_there() -> None:
    """An answer that is given up on the way ends before its next coordinate."""
    filling = Filling[Alternatives](straight(NAMED["one joint, no box"]))
    filling.choose(COORDINATES[5], None)
    assert "".join(map(chr, filling.tokens[:-1])) == "<|kpt2d_start|><|head|>"
    assert filling.tokens[-1] == COORDINATES[5]
    assert (filling.left, filling.unread) == (1, (COORDINATES[5],))


def test_two_answers_of_one_grammar_do_not_share_anything() -> None:
    cut = straight(NAMED["one joint, official"])
    one, other = Filling[Alternatives](cut), Filling[Alternatives](cut)
    for token in COORDINATES[:9]:
        one.choose(token, None)
    assert other.tokens == list(cut.runs[0].forced)
    assert other.left == 4
