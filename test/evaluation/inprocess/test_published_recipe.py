"""The published recipe and the comparison with the node, on the model of the package."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.evaluation.benchmark.aggregates import quantiles
from taihri_ros.evaluation.benchmark.comparison import Times, compare, joint_count_command
from taihri_ros.evaluation.benchmark.published_recipe import PublishedRecipe
from taihri_ros.evaluation.benchmark.simulated_frames import SimulatedFrames
from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.model.prompts import make_prompt
from taihri_ros.pipeline.belief import OFF, BeliefGate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.resources import NANO
from taihri_ros.skeleton import JOINTS


@pytest.fixture(scope="module")
def nano() -> Iterator[LocalEngine]:
    with open_engine("transformers", str(NANO)) as engine:
        yield engine


@pytest.fixture
def frames() -> SimulatedFrames:
    return SimulatedFrames((640, 480), gesture="stand")


def test_both_frameworks_give_the_same_answer(transformers_engine: LocalEngine, vllm_engine: LocalEngine) -> None:
    """This test must run first: vLLM inspects loaded modules and fails after those of the synthetic people."""
    matrix = np.array([[500.0, 0.0, 159.5], [0.0, 500.0, 119.5], [0.0, 0.0, 1.0]])
    camera = Camera(320, 240, matrix, np.empty(0), DistortionModel.NONE)
    prompt = make_prompt(joint_count_command(2), vllm_engine.info.spec)
    engines = (transformers_engine, vllm_engine)
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    answers = [PublishedRecipe(engine).answer(noise, camera, prompt, 12) for engine in engines]
    assert [answer.tokens for answer in answers] == [12, 12]
    assert answers[0].text == answers[1].text


def test_the_commands_name_the_wrists_first() -> None:
    assert joint_count_command(2).joints == ("left_wrist", "right_wrist")
    assert [len(joint_count_command(count).joints) for count in (1, 8, 22)] == [1, 8, 22]
    assert joint_count_command(22).joints == JOINTS


def test_recipe_and_node_agree_on_the_positions(nano: LocalEngine, frames: SimulatedFrames) -> None:
    command = joint_count_command(2)
    (frame,) = frames.take(1)
    found = PublishedRecipe(nano).answer(frame.image, frames.camera, make_prompt(command, nano.info.spec), 64)
    assert set(found.joints) == set(command.joints)
    assert found.tokens == 19, "two joints, delimiters, end"
    ours = Estimator(nano, gate=BeliefGate(*OFF)).estimate(frame.image, frames.camera, command).person.located
    for keypoint in ours:
        assert np.linalg.norm(found.joints[keypoint.name] - keypoint.position) < 0.5


def test_a_long_answer_of_the_recipe_is_truncated(nano: LocalEngine, frames: SimulatedFrames) -> None:
    (frame,) = frames.take(1)
    prompt = make_prompt(joint_count_command(22), nano.info.spec)
    assert PublishedRecipe(nano).answer(frame.image, frames.camera, prompt, 10).tokens == 10


def test_the_comparison_measures_both_on_every_image(nano: LocalEngine, frames: SimulatedFrames) -> None:
    tracker = Tracker(Estimator(nano, gate=BeliefGate(*OFF)))
    times = compare(tracker, PublishedRecipe(nano), frames, joint_count_command(2), images=3)
    summary = times.summary()
    assert summary["images"] == len(times.recipe_ms) == 3
    assert summary["recipe_whole_share"] == 1.0
    assert summary["recipe_tokens"] == {"p50": 19.0, "p95": 19.0}
    assert summary["visual_tokens"]["p50"] == 20
    assert 0 < summary["engine_only_ms"]["p50"] < summary["engine_ms"]["p50"] < summary["ours_ms"]["p50"]
    assert summary["g_mpjpe_mm"] < 1000
    assert len(times.errors_mm) == len(times.recipe_errors_mm) == 6


def test_ratios_compare_latencies_of_the_same_image() -> None:
    times = Times([10.0, 40.0], [5.0, 20.0], [8.0, 32.0], [20.0, 160.0], [20, 20], [19, 19], [True, False], [1.0], [])
    summary = times.summary()
    assert summary["ratio"] == quantiles([2.0, 4.0])
    assert summary["node_over_engine_only"] == quantiles([2.0, 2.0])
    assert summary["node_over_engine"] == quantiles([1.25, 1.25])
    assert summary["recipe_whole_share"] == 0.5
    assert summary["recipe_g_mpjpe_mm"] is None
