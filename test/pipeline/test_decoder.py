"""The decoder censors the edge bins, and refuses log-probabilities that contradict the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from oracle import SPEC, answer_tokens

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.inference.engine import TopK
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.model.parser import MalformedAnswerError, parse
from taihri_ros.pipeline.decoder import AnswerDecoder, XySource
from taihri_ros.pipeline.person_views import full_view

CAMERA = Camera(
    640, 480, np.array([[600.0, 0, 319.5], [0, 600.0, 239.5], [0, 0, 1]]), np.empty(0), DistortionModel.NONE
)
VIEW = full_view(CAMERA, SPEC)
SOURCES: tuple[XySource, ...] = ("bins", "pixel")
INSIDE = {"u": 500, "v": 500, "x": 520, "y": 480, "z": 250}

Row = Mapping[int, float]
"""Probabilities of the top-k of one coordinate, by bin."""


def decode(xy_source: XySource, *, rows: Mapping[str, Row] | None = None, **bins: int) -> Person:
    """Decode an answer about the head.

    Args:
        xy_source: Source of x and y.
        rows: Top-k of the coordinates by name; by default 0.9 for the coordinate itself.
        bins: Coordinates that differ from `INSIDE`.
    """
    chosen = INSIDE | bins
    u, v, x, y, z = chosen.values()
    tokens = answer_tokens({"head": (u, v)}, {"head": (x, y, z)})
    entries = iter((rows or {}).get(name, {index: 0.9}) for name, index in chosen.items())
    top_k = tuple(
        TopK(tuple(row), tuple(math.log(value) for value in row.values()))
        if token[1:-1].isdigit() and (row := next(entries))
        else None
        for token in tokens
    )
    return AnswerDecoder(parse(tokens, ("head",)), top_k, VIEW, SPEC, "the answer").person(xy_source)


def head(xy_source: XySource, *, rows: Mapping[str, Row] | None = None, **bins: int) -> Keypoint:
    (keypoint,) = decode(xy_source, rows=rows, **bins).keypoints
    return keypoint


def test_a_joint_inside_of_all_ranges_is_measured() -> None:
    for source in SOURCES:
        keypoint = head(source)
        assert (keypoint.state, keypoint.reason) == (State.MEASURED, "")
        assert np.isfinite([*keypoint.position, *keypoint.pixel]).all()


@pytest.mark.parametrize("xy_source", SOURCES)
@pytest.mark.parametrize("edge", [0, 999])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.handles("People and belief", "x, y or z in the first or last bin", "OUT_OF_RANGE: no position")
def test_a_joint_at_the_edge_of_the_range_is_out_of_range(axis: str, edge: int, xy_source: XySource) -> None:
    keypoint = head(xy_source, **{axis: edge})
    assert (keypoint.state, keypoint.has_position) == (State.OUT_OF_RANGE, False)
    assert keypoint.reason == f"{axis} at or beyond the edge of the range"
    values = [*keypoint.position, *keypoint.covariance.ravel(), *keypoint.pixel, keypoint.confidence]
    assert np.isnan(values).all()


@pytest.mark.parametrize("edge", [0, 999])
@pytest.mark.parametrize("axis", ["u", "v"])
@pytest.mark.handles("People and belief", "u or v in the first or last bin", "OUT_OF_VIEW: no pixel")
def test_a_joint_at_the_edge_of_the_view_has_a_position_only_without_its_pixel(axis: str, edge: int) -> None:
    keypoint, inside = head("bins", **{axis: edge}), head("bins")
    assert (keypoint.state, keypoint.has_position) == (State.OUT_OF_VIEW, True)
    assert keypoint.reason == f"{axis} at or beyond the edge of the view"
    assert np.isnan(keypoint.pixel).all()
    np.testing.assert_array_equal(keypoint.position, inside.position)
    np.testing.assert_array_equal(keypoint.covariance, inside.covariance)
    assert keypoint.confidence == inside.confidence
    keypoint = head("pixel", **{axis: edge})
    assert (keypoint.state, keypoint.has_position) == (State.OUT_OF_VIEW, False)
    assert np.isnan([*keypoint.position, *keypoint.pixel, keypoint.confidence]).all()


@pytest.mark.parametrize("xy_source", SOURCES)
def test_a_joint_at_both_edges_is_out_of_range(xy_source: XySource) -> None:
    keypoint = head(xy_source, u=0, v=999, z=999)
    assert (keypoint.state, keypoint.has_position) == (State.OUT_OF_RANGE, False)
    assert keypoint.reason == "u, v, z at or beyond the edge of the range"


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({998: 0.4, 999: 0.41}, State.OUT_OF_RANGE),
        ({998: 0.05, 999: 0.9}, State.OUT_OF_RANGE),
        ({998: 0.1, 0: 0.2}, State.OUT_OF_RANGE),
        ({998: 0.45, 999: 0.45}, State.MEASURED),
        ({998: 0.9, 999: 0.1}, State.MEASURED),
        ({998: 0.3, 997: 0.4}, State.MEASURED),
    ],
)
@pytest.mark.handles(
    "People and belief",
    "a coordinate inside the range, but the edge bin is more probable",
    "treated as in the edge bin",
)
def test_an_edge_bin_that_is_more_probable_than_the_answer_counts_as_the_answer(row: Row, state: State) -> None:
    for source in SOURCES:
        keypoint = head(source, z=998, rows={"z": row})
        assert keypoint.state is state
        assert keypoint.has_position == (state is State.MEASURED)


@pytest.mark.parametrize("index", [1, 998])
def test_the_bins_next_to_the_edge_are_inside(index: int) -> None:
    for source in SOURCES:
        assert head(source, u=index, v=index, x=index, y=index, z=index).state is State.MEASURED


def test_a_box_may_touch_the_edge_of_the_view() -> None:
    tokens = answer_tokens({}, {}, (0, 0, 999, 999))
    person = AnswerDecoder(parse(tokens, ("head",)), (None,) * len(tokens), VIEW, SPEC).person("bins")
    assert person.box is not None
    corners = VIEW.view_to_source_pixels(np.array([[0.0, 0.0], [VIEW.width, VIEW.height]]))
    np.testing.assert_allclose(person.box, corners.ravel(), atol=1e-9)


NAN, POSITIVE = float("nan"), math.exp(0.5)


@pytest.mark.parametrize("axis", ["u", "v", "x", "y", "z"])
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({7: 0.9}, "the chosen bin <{}> is not among its top-k"),
        ({7: 0.5, 8: 0.2}, "the chosen bin <{}> is not among its top-k"),
        ({7: NAN, -1: 0.1}, "a log-probability is NaN"),
        ({-1: POSITIVE}, "a log-probability is positive"),
        ({-1: 0.7, 7: 0.7}, "the probabilities sum to more than 1"),
    ],
)
@pytest.mark.handles(
    "Engine",
    "an answer whose log-probabilities contradict its coordinates",
    "the answer is malformed: no joint is published",
)
def test_log_probabilities_that_contradict_the_answer_make_it_malformed(axis: str, row: Row, reason: str) -> None:
    chosen = INSIDE[axis]
    rows = {axis: {chosen if index == -1 else index: value for index, value in row.items()}}
    for source in SOURCES:
        with pytest.raises(MalformedAnswerError, match=f"{axis} of head: {reason.format(chosen)}") as error:
            decode(source, rows=rows)
        assert error.value.raw == "the answer"


def test_a_bin_that_is_listed_twice_makes_the_answer_malformed() -> None:
    tokens = answer_tokens({"head": (500, 500)}, {"head": (520, 480, 250)})
    entry = TopK((500, 499, 499), (-1.0, -2.0, -2.0))
    top_k = tuple(entry if token == "<500>" else None for token in tokens)
    decoder = AnswerDecoder(parse(tokens, ("head",)), top_k, VIEW, SPEC)
    with pytest.raises(MalformedAnswerError, match="u of head: a bin is listed twice"):
        decoder.person("bins")


@pytest.mark.parametrize("logprob", [-math.inf, -1e308, -800.0])
def test_a_chosen_bin_without_probability_is_not_among_its_top_k(logprob: float) -> None:
    tokens = answer_tokens({"head": (500, 500)}, {"head": (520, 480, 250)})
    entry = TopK((499, 500), (0.0, logprob))
    top_k = tuple(entry if token == "<500>" else None for token in tokens)
    decoder = AnswerDecoder(parse(tokens, ("head",)), top_k, VIEW, SPEC)
    with pytest.raises(MalformedAnswerError, match="u of head: the chosen bin <500> is not among its top-k"):
        decoder.person("bins")


def test_without_log_probabilities_there_is_a_position_of_unknown_confidence() -> None:
    tokens = answer_tokens({"head": (500, 500)}, {"head": (520, 480, 250)})
    decoder = AnswerDecoder(parse(tokens, ("head",)), (None,) * len(tokens), VIEW, SPEC)
    person = decoder.person("bins")
    assert person.keypoints[0].state is State.MEASURED
    assert np.isnan([person.keypoints[0].confidence, person.presence]).all()


@pytest.mark.handles("Engine", "an answer whose coordinates have no probabilities", "points without a covariance")
def test_a_joint_of_json_has_a_position_without_a_pixel_and_nothing_is_known_of_its_error() -> None:
    tokens = ('{"keypoints": {"head": "', "<520>", "<480>", "<250>", '"}}')
    answer = parse(tokens, ("head",))
    decoder = AnswerDecoder(answer, (None,) * len(tokens), VIEW, SPEC, "".join(tokens))
    (found,), (unknown,) = (decoder.person(source, sub_bin=False).keypoints for source in SOURCES)
    np.testing.assert_allclose(found.position, head("bins").position)
    assert found.has_position
    assert np.isnan([*found.pixel, *found.covariance.ravel(), found.confidence]).all()
    assert not unknown.has_position, "x and y cannot come from a pixel that was not answered"
    assert found.state is unknown.state is State.NO_2D
