"""Tests of the automaton, with a tokenizer that has one token for each character and each special token."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taihri_ros.inference.constrained.automaton import Automaton, Encode, Tokens, tokenize
from taihri_ros.inference.constrained.lark import to_lark
from taihri_ros.inference.coordinate_ids import CoordinateIds
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import Choice, Coordinate, Grammar, Text, free_grammar, named_grammar
from taihri_ros.model.parser import parse
from taihri_ros.skeleton import JOINTS

COORDINATES = range(10_000, 11_000)
SPECIAL: dict[str, int] = {}
ANSWER_FORMATS = [
    AnswerFormat(),
    AnswerFormat(box=False, between_coordinates=", "),
    AnswerFormat(joint="text", after_joint=" ", between_coordinates=", ", between_joints=", ", between_blocks="\n"),
]
GRAMMARS = [named_grammar(("left_wrist", "right_wrist"), answer_format) for answer_format in ANSWER_FORMATS] + [
    free_grammar(answer_format) for answer_format in ANSWER_FORMATS
]


def encode(text: str) -> list[int]:
    return [
        SPECIAL.setdefault(piece, 20_000 + len(SPECIAL)) if len(piece) > 1 else ord(piece)
        for piece in re.findall(r"<\|\w+\|>|.", text, re.DOTALL)
    ]


def decode(token: int) -> str:
    if token in COORDINATES:
        return f"<{token - COORDINATES.start}>"
    return next((text for text, known in SPECIAL.items() if known == token), None) or chr(token)


def walk(automaton: Automaton, data: st.DataObject) -> list[int]:
    state, tokens = automaton.start, []
    while True:
        allowed = automaton.allowed(state)
        choices = sorted(allowed.ids) + ([data.draw(st.sampled_from(COORDINATES))] if allowed.coordinates else [])
        if allowed.end:
            assert not choices, "these grammars allow no token where the answer may end"
            return tokens
        tokens.append(choices[0] if len(choices) == 1 else data.draw(st.sampled_from(choices)))
        state = automaton.advance(state, tokens[-1])


@pytest.mark.parametrize("grammar", GRAMMARS)
@given(data=st.data())
def test_the_parser_accepts_every_answer_of_the_automaton(grammar: Grammar, data: st.DataObject) -> None:
    automaton = Automaton(grammar, encode, COORDINATES)
    tokens = walk(automaton, data)
    assert automaton.accepts(tokens)
    parse(tuple(map(decode, tokens)), None)


@given(data=st.data(), change=st.sampled_from(["drop", "add", "swap"]))
def test_a_modified_answer_is_not_accepted(data: st.DataObject, change: str) -> None:
    automaton = Automaton(GRAMMARS[0], encode, COORDINATES)
    tokens = walk(automaton, data)
    place = data.draw(st.integers(0, len(tokens) - 1))
    if change == "drop":
        del tokens[place]
    elif change == "add":
        tokens.insert(place, tokens[place])
    else:
        tokens[place] = 7
    assert not automaton.accepts(tokens)


def test_only_the_coordinates_of_a_named_answer_are_open() -> None:
    automaton = Automaton(GRAMMARS[0], encode, COORDINATES)
    answer = "<|box_start|>@@@@<|box_end|><|kpt2d_start|><|left_wrist|>@@<|right_wrist|>@@<|kpt2d_end|>"
    answer += "<|kpt3d_start|><|left_wrist|>@@@<|right_wrist|>@@@<|kpt3d_end|>"
    tokens = [COORDINATES[5] if token == ord("@") else token for token in encode(answer)]
    assert automaton.accepts(tokens)
    assert not automaton.accepts(tokens[:-1])
    state = automaton.start
    for token in tokens:
        allowed = automaton.allowed(state)
        assert allowed.coordinates == (token in COORDINATES)
        assert allowed.ids == (set() if allowed.coordinates else {token})
        state = automaton.advance(state, token)


def test_joint_texts_with_a_common_prefix_are_distinguished() -> None:
    automaton = Automaton(free_grammar(ANSWER_FORMATS[2]), encode, COORDINATES)
    state = automaton.start
    head = [
        *encode("<|box_start|>"),
        *encode("@, @, @, @".replace("@", "\x00")),
        *encode("<|box_end|>\n<|kpt2d_start|><left_"),
    ]
    for token in head:
        state = automaton.advance(state, COORDINATES[0] if token == 0 else token)
    starts = {joint.removeprefix("left_")[0] for joint in JOINTS if joint.startswith("left_")}
    assert automaton.allowed(state).ids == {ord(letter) for letter in starts}


def test_a_forbidden_token_leads_to_a_state_that_allows_nothing() -> None:
    automaton = Automaton(GRAMMARS[0], encode, COORDINATES)
    state = automaton.advance(automaton.start, 7)
    assert state == frozenset()
    assert automaton.allowed(state).ids == set()
    assert not automaton.allowed(state).coordinates
    assert not automaton.allowed(state).end


def test_adjacent_texts_are_tokenised_together() -> None:
    seen: list[str] = []

    def record(text: str) -> list[int]:
        seen.append(text)
        return [1]

    assert tokenize((Text("a"), Text("b"), Coordinate(), Text("c")), record) == (
        Tokens((1,)),
        Coordinate(),
        Tokens((1,)),
    )
    assert seen == ["ab", "c"]


JOINED = 30_000


def encode_joined(text: str) -> list[int]:
    """Encode a text of ordinary characters, in which `><` is one token."""
    return [ord(piece) if len(piece) == 1 else JOINED for piece in re.findall("><|.", text, re.DOTALL)]


def encode_answer(text: str, encode_text: Encode) -> list[int]:
    """Encode an answer with coordinates as its tokenizer does."""
    pieces = re.split(r"<(\d+)>", text)
    return [
        token
        for place, piece in enumerate(pieces)
        for token in ([COORDINATES[int(piece)]] if place % 2 else encode_text(piece))
    ]


@pytest.fixture(scope="module", params=GRAMMARS[len(GRAMMARS) // 2 :], ids=range(len(GRAMMARS) // 2))
def automata(request: pytest.FixtureRequest) -> tuple[Automaton, Automaton]:
    """The automata of a grammar with choices, with and without joined text."""
    return Automaton(request.param, encode_joined, COORDINATES), Automaton(request.param, encode, COORDINATES)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_ordinary_text_is_encoded_across_the_choices_of_a_grammar(
    automata: tuple[Automaton, Automaton], data: st.DataObject
) -> None:
    joined, plain = automata
    tokens = walk(joined, data)
    texts = tuple("><" if token == JOINED else decode(token) for token in tokens)
    parse(texts, None)
    assert plain.accepts(encode_answer("".join(texts), encode))
    if not re.search(r"_start\|>\s*<\|\w+_end", "".join(texts)):  # a block without joints is encoded in two parts
        assert tokens == encode_answer("".join(texts), encode_joined)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_joined_text_leaves_no_answer_out(automata: tuple[Automaton, Automaton], data: st.DataObject) -> None:
    joined, plain = automata
    tokens = walk(plain, data)
    text = "".join(map(decode, tokens))
    if not re.search(r"_start\|>\s*<\|\w+_end", text):
        assert joined.accepts(encode_answer(text, encode_joined))


def test_equal_choices_share_a_lark_rule() -> None:
    maybe = Choice(((), (Text("x"), Coordinate())))
    grammar: Grammar = (Text("a"), maybe, Choice(((Text("y"),), (Text("z"), maybe))))
    assert to_lark(grammar, encode, CoordinateIds(COORDINATES)) == (
        "start: <[97]> choice_0? choice_1\n"
        "choice_0: <[120]> coordinate\n"
        "choice_1: <[121]> | <[122]> choice_0?\n"
        "coordinate: <[10000-10999]>\n"
    )


def test_coordinates_may_stand_anywhere_in_the_vocabulary() -> None:
    coordinates = CoordinateIds([7, 5, 900, 6, 901, 8])
    assert to_lark((Coordinate(),), encode, coordinates).endswith("coordinate: <[5-8,900-901]>\n")
    automaton = Automaton((Text("a"), Coordinate()), encode, coordinates)
    assert all(automaton.accepts([ord("a"), token]) for token in coordinates)
    assert not automaton.accepts([ord("a"), 9])
