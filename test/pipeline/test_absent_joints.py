"""Absent joints: they are missing, their probability decides about the presence, and the bins are estimated alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from oracle import SPEC, answer_tokens
from test_decoder import CAMERA

from taihri_ros.inference.engine import TopK
from taihri_ros.keypoints import State
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.parser import MalformedAnswerError, parse
from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN
from taihri_ros.model.spec import Belief, ModelSpec
from taihri_ros.pipeline.belief import Thresholds, refuse_unbelieved
from taihri_ros.pipeline.decoder import AnswerDecoder
from taihri_ros.pipeline.person_views import full_view
from taihri_ros.skeleton import INDEX

WITH_ABSENT = replace(SPEC, answer=AnswerFormat(absent=True))
VIEW = full_view(CAMERA, SPEC)
BELIEVED = Thresholds(0.0, 0.5)
COORDINATES = {"head": (500, 400, 520, 480, 250), "neck": (500, 500, 520, 500, 250)}

Row = Mapping[int, float]


def decoder(
    rows: Mapping[str, Row] | None, *, spec: ModelSpec = WITH_ABSENT, absent: tuple[str, ...] = ()
) -> AnswerDecoder:
    """Return the decoder of an answer about head and neck.

    Args:
        rows: Probabilities of the top-k of u by joint; 0.9 for the chosen one of all other coordinates; None for an
            engine without log-probabilities.
        spec: Specification of the checkpoint.
        absent: Joints whose coordinates are all absent.
    """
    chosen = {name: (ABSENT,) * 5 if name in absent else bins for name, bins in COORDINATES.items()}
    blocks = [{name: bins[part] for name, bins in chosen.items()} for part in (slice(0, 2), slice(2, 5))]
    tokens = tuple(ABSENT_TOKEN if token == "<1000>" else token for token in answer_tokens(*blocks))
    listed = [(name, column) for part in ((0, 1), (2, 3, 4)) for name in chosen for column in part]
    entries = iter(listed)
    top_k: list[TopK | None] = []
    for token in tokens:
        if token != ABSENT_TOKEN and not token[1:-1].isdigit():
            top_k.append(None)
            continue
        name, column = next(entries)
        row = {chosen[name][column]: 0.9}
        if rows is not None and column == 0:
            row = dict(rows.get(name, row))
        entry = TopK(tuple(row), tuple(math.log(value) for value in row.values()))
        top_k.append(entry if rows is not None else None)
    return AnswerDecoder(parse(tokens, tuple(chosen)), top_k, VIEW, spec, "the answer")


@pytest.mark.parametrize("source", ["bins", "pixel"])
@pytest.mark.handles("People and belief", "model answers that a joint is not there", "NOT_ANSWERED with this reason")
def test_an_absent_joint_is_missing_with_its_reason(source: str) -> None:
    person = decoder({}, absent=("neck",)).person(source)  # type: ignore[arg-type]
    neck, head = person.keypoints
    assert (neck.state, neck.reason) == (State.NOT_ANSWERED, "the model answered that it is not there")
    assert np.isnan([*neck.position, *neck.pixel, neck.confidence]).all()
    assert (neck.has_position, head.state) == (False, State.MEASURED)


@pytest.mark.handles("People and belief", "model answers that no joint is there", "presence 0, every joint NOBODY")
def test_nobody_is_there_if_all_joints_are_absent() -> None:
    for rows in ({}, None):
        person = decoder(rows, absent=("head", "neck")).person("bins")
        assert person.presence == 0.0
        refused = refuse_unbelieved(person, BELIEVED)
        assert {keypoint.state for keypoint in refused.keypoints} == {State.NOBODY}


def test_the_mean_log_odds_at_the_first_coordinate_are_a_part_of_the_presence() -> None:
    rows = {"head": {500: 0.5, ABSENT: 0.2}, "neck": {ABSENT: 0.6, 500: 0.1}}
    alone = Belief(presence=(0.0, 0.0, 0.0))
    found = decoder(rows, spec=replace(WITH_ABSENT, belief=alone), absent=("neck",))
    odds = found.log_odds()
    assert odds[[INDEX["head"], INDEX["neck"]]] == pytest.approx([math.log(0.8 / 0.2), math.log(0.4 / 0.6)])
    assert np.isnan(np.delete(odds, [INDEX["head"], INDEX["neck"]])).all()
    mean = (math.log(4.0) + math.log(2 / 3)) / 2
    assert found.person("bins").presence == pytest.approx(1 / (1 + math.exp(-mean)))
    for offset in (0.0, 0.5):
        calibrated = replace(WITH_ABSENT, belief=Belief(presence=(offset, 0.0, 0.0), log_odds=(-1.0, 2.0)))
        presence = decoder(rows, spec=calibrated, absent=("neck",)).person("bins").presence
        assert presence == pytest.approx(1 / (1 + math.exp(1.0 - offset - 2.0 * mean)))


def test_an_unlisted_absent_has_the_largest_probability_that_it_can_have() -> None:
    found = decoder({"head": {500: 0.9, 501: 0.04}, "neck": {500: 0.9, 501: 0.09}}).log_odds()
    assert found[INDEX["head"]] == pytest.approx(math.log(0.96 / 0.04)), "less probable than the last one listed"
    assert found[INDEX["neck"]] == pytest.approx(math.log(0.99 / 0.01)), "no more than the rest"
    sure = decoder({"head": {500: 1.0}, "neck": {ABSENT: 1.0}}, absent=("neck",)).log_odds()
    assert sure[INDEX["head"]] == pytest.approx(-sure[INDEX["neck"]])
    assert np.isfinite(sure[[INDEX["head"], INDEX["neck"]]]).all()


def test_coordinates_are_estimated_from_the_bins_alone() -> None:
    mixed = decoder({"head": {500: 0.3, 502: 0.3, ABSENT: 0.4}, "neck": {500: 0.5, ABSENT: 0.5}}).person("bins")
    alone = decoder({"head": {500: 0.5, 502: 0.5}, "neck": {500: 1.0}}).person("bins")
    for found, wanted in zip(mixed.keypoints, alone.keypoints, strict=True):
        np.testing.assert_allclose(found.pixel, wanted.pixel)
        np.testing.assert_allclose(found.covariance, wanted.covariance)


@pytest.mark.parametrize(
    ("rows", "absent", "complaint"),
    [
        ({"head": {500: 0.9}}, ("head",), "u of head: the chosen bin <absent> is not among its top-k"),
        ({"head": {ABSENT: 0.9}}, (), "u of head: the chosen bin <500> is not among its top-k"),
        ({"head": {500: 0.6, 1001: 0.3}}, (), "u of head: a bin is out of range"),
    ],
)
def test_log_probabilities_that_contradict_the_answer_are_refused(
    rows: dict[str, Row], absent: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(MalformedAnswerError, match=complaint):
        decoder(rows, absent=absent).person("bins")


def test_a_checkpoint_without_the_token_has_no_absent_bin_and_its_presence_is_unchanged() -> None:
    with pytest.raises(MalformedAnswerError, match="u of head: a bin is out of range"):
        decoder({"head": {500: 0.6, ABSENT: 0.3}}, spec=SPEC).person("bins")
    rows = {"head": {500: 0.9, 501: 0.1}}
    plain, other = decoder(rows, spec=SPEC), decoder(rows)
    assert np.isnan(plain.log_odds()).all()
    assert plain.person("bins").presence != other.person("bins").presence
    for one, two in zip(plain.person("bins").keypoints, other.person("bins").keypoints, strict=True):
        assert one.position.tolist() == two.position.tolist()
        assert one.covariance.tolist() == two.covariance.tolist()


def test_without_log_probabilities_the_presence_is_unknown_unless_all_joints_are_absent() -> None:
    assert np.isnan(decoder(None, absent=("neck",)).person("bins").presence)
