"""Answers of the light engine are read by the parser and the decoder like those of a language model."""

from __future__ import annotations

import numpy as np
import pytest

from taihri_ros.inference.engine import TopK
from taihri_ros.inference.mediapipe.answers import AnswerWriter, Distributions, spread_top_k
from taihri_ros.inference.top_k import as_arrays, find_fault, find_unsorted, split_absent
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import free_grammar, named_grammar
from taihri_ros.model.parser import Outcome, parse
from taihri_ros.model.quantization import ABSENT, BinEstimates, estimate_bins
from taihri_ros.skeleton import INDEX, JOINTS

FORMAT = AnswerFormat(box=False, absent=True)
WRISTS = ("left_wrist", "right_wrist")
LONG = 500


def found(absent: float = 0.1) -> Distributions:
    """Return joints with the means 10, 11, 12 ... in the order of joints and axes."""
    means = 10.0 + np.arange(len(JOINTS) * 5, dtype=np.float64).reshape(-1, 5)
    return Distributions(means, np.full(means.shape, 4.0), absent)


def entry(mean: float, deviation: float, count: int = 20, absent: float = 0.1) -> TopK:
    (top_k,) = spread_top_k(np.array([mean]), np.array([deviation]), absent, count)
    return top_k


def estimate(top_k: TopK, chosen: int) -> tuple[BinEstimates, float]:
    """Return what the decoder reads from an entry, after its checks, and the probability of `<absent>`."""
    bins, logprobs = as_arrays([top_k], [0])
    assert find_fault(np.array([chosen]), bins, logprobs, FORMAT.coordinate_tokens) is None
    assert find_unsorted(logprobs) is None
    there, absent = split_absent(bins, logprobs)
    return estimate_bins(np.array([chosen]), bins, there), float(absent[0])


@pytest.mark.parametrize("count", [2, 3, 7, 19, 20])
@pytest.mark.parametrize("deviation", [1.0, 3.0, 40.0, 150.0])
@pytest.mark.parametrize("mean", [500.0, 500.3, 499.6])
def test_mean_and_variance_can_be_read_from_an_entry(mean: float, deviation: float, count: int) -> None:
    top_k = entry(mean, deviation, count)
    read, absent = estimate(top_k, round(mean))
    assert len(top_k.bins) <= count
    assert absent == pytest.approx(0.1)
    assert read.mean[0] == pytest.approx(mean, abs=0.15 if count >= 19 else 0.5)
    assert read.variance[0] == pytest.approx(deviation**2 + 1 / 12, rel=0.2)
    assert not read.censored[0]


def test_the_bins_of_an_entry_are_spread_over_three_standard_deviations() -> None:
    bins = sorted(set(entry(500.0, 30.0).bins) - {ABSENT})
    assert (bins[0], bins[-1], len(bins)) == (410, 590, 19)


@pytest.mark.parametrize(("mean", "deviation"), [(5.2, 20.0), (994.0, 60.0), (3.3, 1.5), (0.8, 10.0)])
def test_the_mean_remains_near_the_end_of_the_range(mean: float, deviation: float) -> None:
    read, _ = estimate(entry(mean, deviation), round(mean))
    assert read.mean[0] == pytest.approx(mean, abs=0.5)
    assert read.variance[0] == pytest.approx(deviation**2, rel=0.1)
    assert not read.censored[0]


@pytest.mark.parametrize(("mean", "edge"), [(-30.0, 0), (1400.0, 999), (0.2, 0)])
def test_a_coordinate_beyond_the_range_is_in_its_last_bin(mean: float, edge: int) -> None:
    read, _ = estimate(entry(mean, 20.0), edge)
    assert read.censored[0]


def test_one_entry_is_the_bin_of_the_mean() -> None:
    assert entry(500.3, 10.0, 1).bins == (500,)


@pytest.mark.parametrize("absent", [0.0, 1.0])
def test_whether_there_is_a_person_is_never_certain(absent: float) -> None:
    _, read = estimate(entry(500.0, 10.0, absent=absent), 500)
    assert 0.0 < read < 1.0


def test_the_joints_of_a_question_are_answered_in_its_order() -> None:
    answer = AnswerWriter(found(), 20).answer(named_grammar(WRISTS[::-1], FORMAT), LONG)
    assert answer.finish_reason == "stop"
    parsed = {joint.joint: joint for joint in parse(answer.tokens, WRISTS).joints}
    for name, joint in parsed.items():
        assert joint.outcome is Outcome.ANSWERED
        means = [coordinate.bin for coordinate in (*joint.pixel, *joint.point)]
        assert means == [10 + 5 * INDEX[name] + axis for axis in range(5)]
    assert [row is not None for row in answer.top_k] == [token[1:-1].isdigit() for token in answer.tokens]


@pytest.mark.parametrize("text", [FORMAT, AnswerFormat(False, "text", " ", ", ", "; ".replace(";", ","), "\n", True)])
def test_any_answer_format_is_written(text: AnswerFormat) -> None:
    answer = AnswerWriter(found(), 5).answer(named_grammar(WRISTS, text), LONG)
    assert [joint.outcome for joint in parse(answer.tokens, WRISTS).joints] == [Outcome.ANSWERED] * 2


def test_nobody_is_absent() -> None:
    answer = AnswerWriter(None, 20).answer(named_grammar(WRISTS, FORMAT), LONG)
    assert [joint.outcome for joint in parse(answer.tokens, WRISTS).joints] == [Outcome.ABSENT] * 2
    assert {one.bins for one in answer.top_k if one is not None} == {(ABSENT,)}


@pytest.mark.parametrize("person", [found(), None], ids=["somebody", "nobody"])
@pytest.mark.parametrize("gap", ["", ","])
@pytest.mark.handles("Engine", "engine.kind mediapipe is asked in free words", "answered without joints")
def test_free_words_get_no_joints(person: Distributions | None, gap: str) -> None:
    grammar = free_grammar(AnswerFormat(box=False, between_joints=gap, absent=True))
    answer = AnswerWriter(person, 20).answer(grammar, LONG)
    assert parse(answer.tokens, None).joints == ()


@pytest.mark.parametrize("person", [found(), None], ids=["somebody", "nobody"])
def test_without_top_k(person: Distributions | None) -> None:
    answer = AnswerWriter(person, 0).answer(named_grammar(WRISTS, FORMAT), LONG)
    assert set(answer.top_k) == {None}


@pytest.mark.parametrize(("max_tokens", "reason"), [(11, "stop"), (10, "length"), (1, "length")])
def test_the_end_of_an_answer_counts_as_a_token(max_tokens: int, reason: str) -> None:
    answer = AnswerWriter(found(), 20).answer(named_grammar(("head",), FORMAT), max_tokens + 1)
    assert (len(answer.tokens), answer.finish_reason) == (min(max_tokens + 1, 11), reason)
    assert len(answer.top_k) == len(answer.tokens)
