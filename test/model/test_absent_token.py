"""The token `<absent>`: a joint with one is not there, and nothing else changes."""

from __future__ import annotations

import pytest
from oracle import answer_tokens

from taihri_ros.errors import TaihriError
from taihri_ros.model.answer_format import AnswerFormat, infer_answer_format
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.parser import Answer, Outcome, parse
from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN, BINS
from taihri_ros.model.spec import Belief, ModelSpec

ANSWERED = ("<5>", "<6>", "<7>", "<8>", "<9>")


def answer(head: tuple[str, ...], requested: tuple[str, ...] | None = ("head", "left_wrist")) -> Answer:
    """Parse an answer about the head with these coordinate tokens, and about an answered wrist."""
    tokens = answer_tokens({"head": (1, 2), "left_wrist": (5, 6)}, {"head": (1, 2, 3), "left_wrist": (7, 8, 9)})
    texts, places = list(tokens), iter(head)
    for index, token in enumerate(tokens):
        if token in ("<1>", "<2>", "<3>"):
            texts[index] = next(places)
    return parse(tuple(texts), requested)


@pytest.mark.parametrize("place", range(5))
def test_a_joint_with_any_absent_coordinate_is_absent(place: int) -> None:
    coordinates = list(ANSWERED)
    coordinates[place] = ABSENT_TOKEN
    for requested in (("head", "left_wrist"), None):
        head, wrist = answer(tuple(coordinates), requested).joints
        assert (head.outcome, wrist.outcome) == (Outcome.ABSENT, Outcome.ANSWERED)
        found = (*head.pixel, *head.point)
        assert [coordinate.absent for coordinate in found] == [index == place for index in range(5)]
        assert found[place].bin == ABSENT == BINS


def test_the_text_of_bin_1000_is_out_of_range_and_not_absent() -> None:
    head, _ = answer(("<1000>", *ANSWERED[1:])).joints
    assert head.outcome is Outcome.OUT_OF_RANGE


def test_a_joint_that_is_absent_in_one_block_may_be_missing_in_the_other() -> None:
    tokens = ("<|kpt2d_start|>", "<|head|>", ABSENT_TOKEN, ABSENT_TOKEN, "<|kpt2d_end|>")
    (head,) = parse((*tokens, "<|kpt3d_start|>", "<|kpt3d_end|>"), None).joints
    assert (head.outcome, len(head.pixel), head.point) == (Outcome.ABSENT, 2, ())


def test_a_joint_that_was_not_requested_or_answered_twice_is_not_absent() -> None:
    head, _ = answer((ABSENT_TOKEN,) * 5, ("left_wrist",)).joints
    assert head.outcome is Outcome.NOT_ASKED
    once = ("<|head|>", ABSENT_TOKEN, ABSENT_TOKEN)
    twice = ("<|kpt2d_start|>", *once, *once, "<|kpt2d_end|>", "<|kpt3d_start|>", "<|kpt3d_end|>")
    assert parse(twice, ("head",)).joints[0].outcome is Outcome.DUPLICATE


def test_a_box_with_an_absent_coordinate_is_no_box() -> None:
    tokens = list(answer_tokens({"head": (1, 2)}, {"head": (3, 4, 5)}, (10, 10, 20, 20)))
    assert parse(tuple(tokens), None).box is not None
    tokens[1] = ABSENT_TOKEN
    assert parse(tuple(tokens), None).box is None


def test_the_format_declares_it_and_the_grammar_stays_the_same() -> None:
    with_absent = AnswerFormat(absent=True)
    assert (AnswerFormat().coordinate_tokens, with_absent.coordinate_tokens) == (1000, 1001)
    assert named_grammar(("head",), with_absent) == named_grammar(("head",), AnswerFormat())
    assert infer_answer_format(answer_tokens({"head": (1, 2)}, {"head": (3, 4, 5)})) == AnswerFormat(box=False)
    spec = ModelSpec.from_dict({"answer": {"absent": True}, "belief": {"log_odds": [1, 2]}})
    assert spec.has_absent
    assert spec.belief == Belief(log_odds=(1, 2))
    assert not ModelSpec().has_absent
    assert ModelSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"answer": {"absent": 1}}, "answer.absent must be true or false"),
        ({"belief": {"log_odds": [0, float("nan")]}}, "belief.log_odds must be two numbers from"),
        ({"belief": {"log_odds": [1]}}, "belief.log_odds must be a list of 2 numbers"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(TaihriError, match=message):
        ModelSpec.from_dict(values)
