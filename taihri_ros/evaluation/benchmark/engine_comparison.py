"""Latency, processor time and memory of engines behind the node's pipeline, in turns on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from taihri_ros.commands.command import Command
from taihri_ros.evaluation.benchmark.aggregates import median, quantiles
from taihri_ros.evaluation.benchmark.process_usage import cpu_seconds, resident_mb
from taihri_ros.evaluation.benchmark.simulated_frames import SimulatedFrames
from taihri_ros.pipeline.tracker import Tracker

_WARM_UP = 5


@dataclass(frozen=True, eq=False)
class TimedEngine:
    """An engine process behind a pipeline of the node.

    Attributes:
        name: What the results call it.
        tracker: A new tracker of the node.
        pid: Process id of the engine.
    """

    name: str
    tracker: Tracker
    pid: int


@dataclass(eq=False)
class EngineTimes:
    """Measurements of one engine.

    Attributes:
        name: Name of the engine.
        latency_ms: Latency of the node's pipeline from image to joints, for each image.
        found: Whether any joint had a position, for each image.
        engine_cpu_s: Processor time of the engine's process for all images, s.
        engine_memory_mb: Resident memory of the engine's process at the end, MB.
    """

    name: str
    latency_ms: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    engine_cpu_s: float = 0.0
    engine_memory_mb: float = 0.0

    def summary(self, first: EngineTimes) -> dict[str, Any]:
        """Return the results in JSON types.

        Args:
            first: The engine to compare with, on the same images.

        Returns:
            Median and 95th percentile of the latency and of its ratio to that of `first` on the same image, the images
            per second of the median latency, processor time per image, memory, and the share of images with a joint.
        """
        return {
            "name": self.name,
            "images": len(self.latency_ms),
            "latency_ms": quantiles(self.latency_ms),
            "relative_latency": quantiles(np.array(self.latency_ms) / np.array(first.latency_ms)),
            "images_per_s": median([1e3 / latency for latency in self.latency_ms]),
            "engine_cpu_ms": round(1e3 * self.engine_cpu_s / len(self.latency_ms), 1),
            "engine_memory_mb": self.engine_memory_mb,
            "found_share": round(float(np.mean(self.found)), 3),
        }


def compare_engines(
    engines: Sequence[TimedEngine], frames: SimulatedFrames, command: Command, images: int
) -> list[dict[str, Any]]:
    """Measure one case: each engine answers each image before the next image comes.

    Args:
        engines: The engines; the others are compared with the first one.
        frames: The images.
        command: Command with joint names.
        images: Number of images after the warm-up.

    Returns:
        The summary of each engine.
    """
    measured = [EngineTimes(engine.name) for engine in engines]
    for number, frame in enumerate(frames.take(images + _WARM_UP)):
        for engine, times in zip(engines, measured, strict=True):
            if number == _WARM_UP:
                times.engine_cpu_s = -cpu_seconds(engine.pid)
            started = perf_counter()
            estimate = engine.tracker.estimate(frame.image, frames.camera, command, frame.stamp_ns)
            latency_ms = 1e3 * (perf_counter() - started)
            if number >= _WARM_UP:
                times.latency_ms.append(latency_ms)
                times.found.append(bool(estimate.person.located))
    for engine, times in zip(engines, measured, strict=True):
        times.engine_cpu_s += cpu_seconds(engine.pid)
        times.engine_memory_mb = resident_mb(engine.pid)
    return [times.summary(measured[0]) for times in measured]
