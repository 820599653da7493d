"""The comparison of engines on the same images; this process stands for the engine's."""

from __future__ import annotations

import os

import pytest

from taihri_ros.evaluation.benchmark.comparison import joint_count_command
from taihri_ros.evaluation.benchmark.engine_comparison import EngineTimes, TimedEngine, compare_engines
from taihri_ros.evaluation.benchmark.simulated_frames import SimulatedFrames
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.pipeline.belief import OFF, BeliefGate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.tracker import Tracker


def test_each_engine_answers_every_image(transformers_engine: LocalEngine) -> None:
    """With thresholds that refuse every joint, none is found."""
    gates = {"every joint": BeliefGate(*OFF), "no joint": BeliefGate(1.0, 1.0)}
    engines = [
        TimedEngine(name, Tracker(Estimator(transformers_engine, gate=gate)), os.getpid())
        for name, gate in gates.items()
    ]
    first, second = compare_engines(engines, SimulatedFrames((320, 240)), joint_count_command(1), images=3)
    assert [first["name"], second["name"], first["images"], second["images"]] == [*gates, 3, 3]
    assert first["relative_latency"] == {"p50": 1.0, "p95": 1.0}
    assert [first["found_share"], second["found_share"]] == [1.0, 0.0]
    assert 0 < first["latency_ms"]["p50"] <= first["latency_ms"]["p95"]
    assert first["engine_cpu_ms"] > 0
    assert first["engine_memory_mb"] > 100


def test_ratios_compare_latencies_of_the_same_image() -> None:
    first = EngineTimes("first", [10.0, 40.0], [True, True], 0.1, 200.0)
    summary = EngineTimes("second", [20.0, 20.0], [True, False], 0.03, 300.0).summary(first)
    assert summary["relative_latency"]["p50"] == pytest.approx((2.0 + 0.5) / 2)
    assert summary["images_per_s"] == 50.0
    assert (summary["engine_cpu_ms"], summary["engine_memory_mb"], summary["found_share"]) == (15.0, 300.0, 0.5)
