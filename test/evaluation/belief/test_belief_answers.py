"""Answers to questions become arrays, with the errors of the labelled joints that are in the image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from belief_answers import answers
from evaluated_people import STANDING, free_answer, moved, truth
from oracle import Oracle

from taihri_ros.commands.tasks import Tasks
from taihri_ros.evaluation.belief.answers import PLAN, QUESTIONS, BeliefAnswers
from taihri_ros.evaluation.datasets.items import Data, Item, Visibility
from taihri_ros.evaluation.evaluate import evaluate
from taihri_ros.evaluation.predictions import Prediction
from taihri_ros.evaluation.question_plan import questions
from taihri_ros.evaluation.reports.belief_report import summary, write_belief_report
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.skeleton import INDEX, JOINTS


def test_every_picture_is_asked_about_as_users_do() -> None:
    tasks = Tasks.load()
    for index in (0, 7):
        nobody = truth(np.full((22, 3), np.nan))
        task, every, sentence = questions(nobody, index, PLAN, tasks)
        assert task.command.joints == sentence.needed
        assert 1 <= len(task.command.joints) <= 4
        assert every.command.joints == JOINTS
        assert sentence.is_free
        assert sentence.phrasing == "held_out"
    assert len({question.key for question in (task, every, sentence)}) == 3


def test_errors_are_those_of_labelled_joints_in_the_image() -> None:
    joints = STANDING.copy()
    joints[INDEX["head"]] = np.nan
    joints[INDEX["left_wrist"]] = [5.0, 0.0, 0.5]
    known = truth(joints)
    assert known.visibility[INDEX["left_wrist"]] == Visibility.OUT_OF_IMAGE
    engine = Oracle({name: moved(0.1, 0, 0)[INDEX[name]] for name in JOINTS})
    height, width = known.camera.height, known.camera.width
    item = Item(known, lambda: np.zeros((height, width, 3), np.uint8))
    data = Data("test", Path("one"), 1, lambda: iter([item]))
    (answered,) = evaluate(Estimator(engine), data, PLAN)
    found = BeliefAnswers.collect(answered, "bins")
    assert sorted(found.question.tolist()) == sorted(QUESTIONS)
    every = found.select(found.question == "every")
    assert every.located.all()
    assert np.isfinite(every.confidence).all()
    unjudged = np.isin(np.arange(22), [INDEX["head"], INDEX["left_wrist"]])
    assert np.isnan(every.error_mm[0, unjudged]).all()
    assert every.error_mm[0, ~unjudged] == pytest.approx(100, abs=5)
    assert every.correct[0].tolist() == (~unjudged).tolist()
    assert np.isfinite(every.sharpness).all()


def test_a_malformed_answer_publishes_nothing() -> None:
    entry = replace(free_answer((), None), prediction=Prediction(malformed="nonsense"))
    found = BeliefAnswers.collect([entry], "bins")
    assert not found.published(Belief(0.0, 0.0)).any()
    assert np.isnan(found.presence(Belief())).all()


def test_the_report_has_the_shares_the_curves_and_the_plot(tmp_path: Path) -> None:
    nobody = answers([3.0] + [-3.0] * 49, [0.5] * 50)
    people = answers([3.0] * 30 + [-3.0] * 10, [0.5] * 40, error_mm=[100.0] * 40)
    belief = Belief(min_confidence=0.2, min_presence=0.5, presence=(0.0, 1.0, 1.0))
    found = write_belief_report(tmp_path, {"name": "test", "data": "seed 1"}, belief, nobody, people)
    assert found == json.loads((tmp_path / "belief.json").read_text())
    assert (found["false_alarms"]["share"], found["lost"]["share"]) == (0.02, 0.25)
    assert summary(found).splitlines() == [
        "thresholds: min_confidence 0.2, min_presence 0.5",
        "pictures without people with any joint published: 2.0 % (0.4 to 10.5) of 50",
        "joints within 200 mm of the truth that are lost: 25.0 % (14.2 to 40.2) of 40",
    ]
    assert {"false_alarms": 0.0, "lost": 1.0} in [
        {name: point[name] for name in ("false_alarms", "lost")} for point in found["curves"]["both"]
    ]
    text = (tmp_path / "belief.md").read_text()
    assert "| room | 2.0 % (0.4 to 10.5) of 50 |" in text
    assert (tmp_path / "false_alarms.png").stat().st_size > 5000

    alone = write_belief_report(tmp_path, {"name": "test", "data": "seed 1"}, belief, nobody, None)
    assert "lost" not in alone
