"""The answers about a picture are those of all views in which a node looks for somebody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from oracle import SPEC
from zoom_oracle import ZOOMING, OracleEstimator, ZoomOracle, stand

from taihri_ros.camera.camera import Camera
from taihri_ros.evaluation.belief.answers import PLAN, QUESTIONS, BeliefAnswers
from taihri_ros.evaluation.belief.search_answers import search_answers
from taihri_ros.evaluation.belief.trade_off import false_alarms
from taihri_ros.evaluation.datasets.items import Data, Item, joint_array, label
from taihri_ros.evaluation.evaluate import LabelledAnswer, evaluate
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.person_views import PersonViews

CAMERA = Camera.ideal(400.0, 640, 480)
FAR = stand(-0.4, 0.1, 3.6)
"""Only zoomed views show this person legibly to the oracle."""


def ask(engine: ZoomOracle) -> Sequence[LabelledAnswer]:
    data = one_picture()
    (answered,) = search_answers(OracleEstimator(engine), data, engine.info.spec)
    return answered


def one_picture() -> Data:
    item = Item(label("room/1", CAMERA, joint_array({})), lambda: np.zeros((480, 640, 3), np.uint8))
    return Data("nobody", Path("test"), 1, lambda: iter([item]))


def test_a_person_whom_only_the_search_shows_is_a_false_alarm() -> None:
    engine = ZoomOracle(FAR)
    found = BeliefAnswers.collect(ask(engine), "bins")
    views = 1 + len(PersonViews(CAMERA, ZOOMING).search)
    assert views > 2
    for question in ("task", "every"):
        of_question = found.select(found.question == question)
        assert len(of_question.picture) == views
        assert not of_question.located[0].any(), "the full view"
    assert found.select(found.question == "every").located.any()
    assert np.unique(found.picture).tolist() == [0]
    alarms = false_alarms(found, Belief(0.0, 0.0))
    assert (alarms["count"], alarms["share"]) == (1, 1.0)


def test_an_empty_picture_is_none() -> None:
    assert false_alarms(BeliefAnswers.collect(ask(ZoomOracle({})), "bins"), Belief(0.0, 0.0))["share"] == 0.0


def test_a_malformed_answer_ends_the_search() -> None:
    engine = ZoomOracle(FAR)
    engine.finish_reason = "length"
    answered = ask(engine)
    assert len(answered) == len(QUESTIONS)
    assert all(entry.prediction.malformed for entry in answered)


def test_a_checkpoint_without_zoom_is_asked_as_in_an_evaluation() -> None:
    engine = ZoomOracle(FAR, replace(ZOOMING, zoom=SPEC.zoom), legible_m=9.0)
    (evaluated,) = evaluate(OracleEstimator(engine), one_picture(), PLAN)
    searched = ask(engine)
    assert len(searched) == len(QUESTIONS)
    for one, other in zip(searched, evaluated, strict=True):
        assert one.question == other.question
        assert one.prediction.answer == other.prediction.answer
