"""A model and its peers on the same pictures, compared with a plain computation joint by joint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluated_people import STANDING, answered, free_answer, moved, person, truth
from numpy.typing import NDArray

from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.peer_comparison import (
    MEAN_POSE,
    ModelAnswers,
    ModelErrors,
    compare_models,
    number_same_names,
)
from taihri_ros.evaluation.predictions import Prediction
from taihri_ros.model.spec import Belief
from taihri_ros.skeleton import INDEX, JOINTS

MEAN = MeanPose(STANDING, "one person", 1)
PICTURES = 12
LOST_BY_THE_PEER = (2, 5, 9)
NOT_OF_THE_PEER = ("left_collar", "right_collar")


def answers(seed: int, noise_m: float, lost: tuple[int, ...] = (), without: tuple[str, ...] = ()) -> ModelAnswers:
    """Return answers about twelve people, which are the same for every seed."""
    people, rng = np.random.default_rng(0), np.random.default_rng(seed)
    entries: list[LabelledAnswer] = []
    for number in range(PICTURES):
        joints = person(people)
        guess = joints + rng.normal(0, noise_m, joints.shape)
        guess[[INDEX[name] for name in without]] = np.nan
        if number in lost:
            guess[:] = np.nan
        entries.append(answered(truth(joints, f"{number}.png"), guess, number=number))
    return ModelAnswers(f"model {seed}", entries)


def compared(*models: ModelAnswers) -> dict[str, Any]:
    model, *peers = [ModelErrors.collect(model, MEAN, "bins") for model in models]
    return compare_models(model, peers)


def positions(model: ModelAnswers, replaced: bool = True) -> NDArray[np.float64]:
    """Return the answered positions (12, 22, 3), with those of the mean pose where there is none."""
    found = np.array([[entry.prediction.joints[name].positions["bins"] for name in JOINTS] for entry in model.answered])
    return np.where(np.isnan(found), STANDING, found) if replaced else found


def true(model: ModelAnswers) -> NDArray[np.float64]:
    return np.array([entry.truth.joints for entry in model.answered])


def errors(model: ModelAnswers) -> NDArray[np.float64]:
    return np.asarray(1e3 * np.linalg.norm(positions(model) - true(model), axis=-1))


@pytest.fixture(scope="module")
def model() -> ModelAnswers:
    return answers(1, 0.10)


@pytest.fixture(scope="module")
def peer() -> ModelAnswers:
    return answers(2, 0.03, LOST_BY_THE_PEER, NOT_OF_THE_PEER)


@pytest.fixture(scope="module")
def comparison(model: ModelAnswers, peer: ModelAnswers) -> dict[str, Any]:
    return compared(model, peer)


def test_all_joints_with_the_mean_pose_for_those_without_a_position(
    comparison: dict[str, Any], model: ModelAnswers, peer: ModelAnswers
) -> None:
    assert (comparison["model"], comparison["pictures"], comparison["joints"]) == ("model 1", 12, 12 * 22)
    found = comparison["all"]
    assert list(found) == ["model 1", "model 2", MEAN_POSE]
    for entry, mm in ((found["model 1"], errors(model)), (found["model 2"], errors(peer))):
        assert entry["g_mpjpe_mm"]["value"] == pytest.approx(mm.mean(), abs=0.01)
        assert entry["median_mm"] == pytest.approx(np.median(mm), abs=0.01)
        low, high = entry["g_mpjpe_mm"]["interval"]
        assert low < mm.mean() < high
    relative = positions(model) - true(model)
    relative -= relative[:, [INDEX["pelvis"]]]
    expected = 1e3 * np.linalg.norm(relative, axis=-1).mean()
    assert found["model 1"]["root_relative_mpjpe_mm"]["value"] == pytest.approx(expected, abs=0.01)
    mean_pose = 1e3 * np.linalg.norm(STANDING - true(model), axis=-1)
    assert found[MEAN_POSE]["g_mpjpe_mm"]["value"] == pytest.approx(mean_pose.mean(), abs=0.01)


def test_the_differences_are_paired_by_picture(
    comparison: dict[str, Any], model: ModelAnswers, peer: ModelAnswers
) -> None:
    found = comparison["all"]["model 2"]["difference"]["g_mpjpe_mm"]
    by_picture = (errors(peer) - errors(model)).mean(axis=1)
    assert found["value"] == pytest.approx(by_picture.mean(), abs=0.01)
    low, high = found["interval"]
    assert high - low == pytest.approx(2 * 1.96 * by_picture.std() / np.sqrt(PICTURES), rel=0.25)
    assert "difference" not in comparison["all"]["model 1"]


def test_only_the_joints_that_both_place(comparison: dict[str, Any], model: ModelAnswers, peer: ModelAnswers) -> None:
    shared = comparison["shared"]["model 2"]
    both = np.isfinite(positions(peer, replaced=False)).all(axis=-1)
    assert (shared["pictures"], shared["joints"]) == (9, 9 * 20)
    assert both.sum() == 9 * 20
    for name, answers_of in (("model 1", model), ("model 2", peer)):
        expected = errors(answers_of)[both].mean()
        assert shared["models"][name]["g_mpjpe_mm"]["value"] == pytest.approx(expected, abs=0.01)
    assert shared["models"]["model 2"]["difference"]["g_mpjpe_mm"]["interval"][1] < 0, "the peer is surely nearer"


def test_what_is_missing(comparison: dict[str, Any]) -> None:
    model, peer = comparison["all"]["model 1"], comparison["all"]["model 2"]
    assert (peer["found"]["count"], peer["found"]["of"], peer["found"]["share"]) == (9, 12, 0.75)
    assert peer["not_found"] == ["2.png", "5.png", "9.png"]
    assert peer["never_answered"] == {"left_collar": 9, "right_collar": 9}
    assert peer["missing_share"] == pytest.approx((3 * 22 + 9 * 2) / (12 * 22), abs=1e-4)
    assert (model["not_found"], model["never_answered"], model["missing_share"]) == ([], {}, 0.0)
    assert model["latency_ms"] == {"p50": 21.5, "p95": 21.5}


def test_a_peer_that_finds_nobody(model: ModelAnswers) -> None:
    """A malformed answer has no joints, too."""
    blind = [LabelledAnswer(e.truth, e.question, Prediction(malformed="cut off")) for e in model.answered]
    found = compared(model, ModelAnswers("blind", blind))
    assert found["all"]["blind"]["found"]["share"] == 0
    assert found["all"]["blind"]["g_mpjpe_mm"] == found["all"][MEAN_POSE]["g_mpjpe_mm"]
    assert found["all"]["blind"]["never_answered"] == {}, "in no picture was anybody found"
    assert (found["shared"]["blind"]["pictures"], found["shared"]["blind"]["joints"]) == (0, 0)
    assert found["shared"]["blind"]["models"]["blind"]["g_mpjpe_mm"] == {"value": None, "interval": None}


def test_several_questions_about_one_picture_are_one_picture() -> None:
    joints = moved(0.1, 0.0, 0.3)
    arms, legs = ("left_wrist", "left_elbow"), ("left_knee", "left_ankle")
    entries = [answered(truth(joints, "a.png"), STANDING, names, number=0) for names in (arms, legs)]
    lost = [entries[0], answered(truth(joints, "a.png"), np.full((22, 3), np.nan), legs, number=0)]
    found = compared(ModelAnswers("model", entries), ModelAnswers("peer", lost))
    assert (found["pictures"], found["joints"]) == (1, 4)
    assert found["all"]["peer"]["found"]["share"] == 1
    assert found["all"]["peer"]["never_answered"] == {"left_knee": 1, "left_ankle": 1}


def test_free_commands_are_not_compared(model: ModelAnswers, peer: ModelAnswers, comparison: dict[str, Any]) -> None:
    talking = ModelAnswers(model.name, [*model.answered, free_answer(("head",), ("head",))])
    assert compared(talking, peer) == comparison


def test_what_the_node_would_publish(model: ModelAnswers) -> None:
    """The confidences of the first half of the joints are below the threshold; there is no threshold of presence."""
    unsure = JOINTS[:11]
    entries = []
    for entry in model.answered:
        sure = {
            name: replace(joint, confidences={"bins": 0.1 if name in unsure else 0.9})
            for name, joint in entry.prediction.joints.items()
        }
        entries.append(replace(entry, prediction=replace(entry.prediction, joints=sure)))
    believing = ModelAnswers("sure", entries, Belief(min_confidence=0.5, min_presence=0.0))
    never = ModelAnswers("never", entries, Belief(min_confidence=0.95, min_presence=0.0))
    found = compared(model, believing, never)["all"]
    assert (found["model 1"]["published"]["joints"], found["sure"]["published"]["joints"]) == (1.0, 0.5)
    assert found["sure"]["published"]["pictures"]["share"] == 1.0
    expected = errors(model)[:, 11:].mean()
    assert found["sure"]["published"]["g_mpjpe_mm"]["value"] == pytest.approx(expected, abs=0.01)
    assert found["sure"]["g_mpjpe_mm"] == found["model 1"]["g_mpjpe_mm"], "the errors are those of all answers"
    assert found["never"]["published"]["pictures"]["share"] == 0.0
    assert found["never"]["published"]["g_mpjpe_mm"] == {"value": None, "interval": None}


def test_models_of_the_same_name_are_numbered() -> None:
    models = number_same_names([ModelAnswers(name, []) for name in ("nano", "blazepose", "nano", "nano")])
    assert [model.name for model in models] == ["nano", "blazepose", "nano (2)", "nano (3)"]
