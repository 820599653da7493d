"""Two engines agree if their first different tokens are ties."""

from __future__ import annotations

import math

import pytest

from taihri_ros.evaluation.benchmark.token_agreement import compare_answers
from taihri_ros.inference.engine import RawAnswer, TopK

START, END = "<|kpt3d_start|>", "<|kpt3d_end|>"


def answer(bins: list[int], second: int = 7, gap: float = 0.5) -> RawAnswer:
    """Return an answer whose second choice is the same bin everywhere, `gap` nats less likely than the first."""
    tokens = [START, *(f"<{index}>" for index in bins), END]
    top_k = [None, *(TopK((index, second), (-0.1, -0.1 - gap)) for index in bins), None]
    return RawAnswer(tokens=tuple(tokens), top_k=tuple(top_k), finish_reason="stop")


def test_equal_answers_agree() -> None:
    agreement = compare_answers([answer([1, 2, 3])], [answer([1, 2, 3])])
    assert (agreement.answers, agreement.equal_answers, agreement.tokens, agreement.equal_tokens) == (1, 1, 5, 5)
    assert agreement.is_tied
    assert str(agreement) == "1 of 1 answers and 5 of 5 tokens equal"


@pytest.mark.parametrize(("gap", "tied"), [(0.001, True), (0.5, False)])
def test_a_second_choice_is_a_tie_only_if_it_is_as_likely(gap: float, tied: bool) -> None:
    agreement = compare_answers([answer([1, 2, 3], gap=gap)], [answer([1, 7, 900])])
    assert agreement.is_tied == tied
    assert (agreement.second_choices, agreement.equal_tokens) == (1, 3)
    assert agreement.largest_gap == pytest.approx(gap)


@pytest.mark.parametrize(
    "theirs", [answer([1, 500, 3]), RawAnswer(tokens=(START, "<1>"), top_k=(None, None), finish_reason="length")]
)
def test_a_token_of_unknown_probability_is_no_tie(theirs: RawAnswer) -> None:
    agreement = compare_answers([answer([1, 2, 3])], [theirs])
    assert not agreement.is_tied
    assert math.isinf(agreement.largest_gap)
    assert "unknown probability" in str(agreement)


def test_different_numbers_of_answers_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        compare_answers([answer([1])], [])
