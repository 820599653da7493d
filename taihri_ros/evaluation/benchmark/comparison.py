"""Comparison of the node's pipeline with the published recipe on the same images, interleaved in one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.evaluation.benchmark.aggregates import mean, position_errors_mm, quantiles
from taihri_ros.evaluation.benchmark.published_recipe import PublishedRecipe
from taihri_ros.evaluation.benchmark.simulated_frames import SimulatedFrames
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import max_length, named_grammar
from taihri_ros.model.prompts import make_prompt
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.skeleton import INDEX, JOINTS

_WARM_UP = 5
_SPARE_TOKENS = 8
"""Number of tokens by which an unconstrained answer may exceed the longest valid one, before it is truncated."""


@dataclass
class Times:
    """Measurements of one case.

    Attributes:
        ours_ms: Latency of the node's pipeline from image to joints, for each image.
        engine_only_ms: Part of it in the model: vision tower, prefill and decode.
        engine_ms: Part of it in the engine: the model and the preparation of the request.
        recipe_ms: Latency of the recipe from image to joints, for each image.
        visual_tokens: Number of visual tokens of the node's view, for each image.
        steps: Number of tokens that the recipe decoded, for each image.
        whole: Whether the answer of the recipe had every joint, for each image.
        errors_mm: Position errors of the node.
        recipe_errors_mm: Position errors of the recipe, for the joints that it answered.
    """

    ours_ms: list[float] = field(default_factory=list)
    engine_only_ms: list[float] = field(default_factory=list)
    engine_ms: list[float] = field(default_factory=list)
    recipe_ms: list[float] = field(default_factory=list)
    visual_tokens: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    errors_mm: list[float] = field(default_factory=list)
    recipe_errors_mm: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return medians, 95th percentiles and means, in JSON types."""
        ratio = np.array(self.recipe_ms) / np.array(self.ours_ms)
        return {
            "images": len(self.ours_ms),
            "ours_ms": quantiles(self.ours_ms),
            "recipe_ms": quantiles(self.recipe_ms),
            "ratio": quantiles(ratio),
            "engine_only_ms": quantiles(self.engine_only_ms),
            "node_over_engine_only": quantiles(np.array(self.ours_ms) / np.array(self.engine_only_ms)),
            "engine_ms": quantiles(self.engine_ms),
            "node_over_engine": quantiles(np.array(self.ours_ms) / np.array(self.engine_ms)),
            "visual_tokens": quantiles(self.visual_tokens),
            "recipe_tokens": quantiles(self.steps),
            "recipe_whole_share": round(float(np.mean(self.whole)), 3),
            "g_mpjpe_mm": mean(self.errors_mm),
            "recipe_g_mpjpe_mm": mean(self.recipe_errors_mm),
        }


def joint_count_command(count: int) -> Command:
    """Return a command with a number of joints, in reverse order of the skeleton: first the wrists."""
    return joint_command([*reversed(JOINTS)][:count])


def compare(tracker: Tracker, recipe: PublishedRecipe, frames: SimulatedFrames, command: Command, images: int) -> Times:
    """Measure one case.

    Args:
        tracker: A new tracker of the node.
        recipe: The recipe, on an engine of the same kind with the same settings.
        frames: The images.
        command: Command with joint names.
        images: Number of images after the warm-up.

    Returns:
        The measurements.
    """
    times, spec = Times(), tracker.engine.info.spec
    prompt = make_prompt(command, spec)
    most = max_length(named_grammar(command.joints, spec.answer or AnswerFormat())) + _SPARE_TOKENS
    for number, frame in enumerate(frames.take(images + _WARM_UP)):
        started = perf_counter()
        estimate = tracker.estimate(frame.image, frames.camera, command, frame.stamp_ns)
        ours_ms = 1e3 * (perf_counter() - started)
        theirs = recipe.answer(frame.image, frames.camera, prompt, most)
        if number < _WARM_UP:
            continue
        width, height = estimate.view_size or (0, 0)
        answered = set(command.joints) & set(theirs.joints)
        times.ours_ms.append(ours_ms)
        times.engine_only_ms.append(estimate.stages_ms["engine.passes"])
        times.engine_ms.append(estimate.stages_ms["engine.total"])
        times.recipe_ms.append(theirs.total_ms)
        times.visual_tokens.append(width * height // spec.image_multiple**2)
        times.steps.append(theirs.tokens)
        times.whole.append(len(answered) == len(command.joints))
        times.errors_mm += position_errors_mm(estimate.person.located, frame.joints)
        times.recipe_errors_mm += [_error_mm(theirs.joints[name], frame.joints[INDEX[name]]) for name in answered]
    return times


def _error_mm(position: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return 1e3 * float(np.linalg.norm(position - truth))
