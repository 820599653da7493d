"""The node's way from an image to the joints against the published recipe: the same images, by turns, in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import Command, joint_command
from taihri_ros.evaluation.benchmark.footage import Footage
from taihri_ros.evaluation.benchmark.published_recipe import Recipe
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import max_length, named_grammar
from taihri_ros.model.prompts import make_prompt
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.skeleton import INDEX, JOINTS

_WARM_UP = 5
_SPARE_TOKENS = 8
"""So much longer than a whole answer may one be that keeps to no format: it would go on for ever."""


@dataclass
class Times:
    """What was measured of one case.

    Attributes:
        ours_ms: From an image to its joints as the node goes, by image.
        engine_only_ms: What of it was the model at work: vision tower, prefill and decode.
        engine_ms: What of it was the engine by itself: the same, and the request's preparation.
        recipe_ms: From the same images to their joints by the recipe.
        visual_tokens: What the model was shown, by image.
        steps: Tokens that the recipe decoded, by image.
        whole: Whether the recipe's answer had every joint, by image.
        errors_mm: Distances of our joints from the truth.
        recipe_errors_mm: Distances of the recipe's joints, as far as there are any.
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
        """Give medians, 95th percentiles and means as JSON types."""
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
            "g_mpjpe_mm": _mean(self.errors_mm),
            "recipe_g_mpjpe_mm": _mean(self.recipe_errors_mm),
        }


def quantiles(values: Sequence[float] | NDArray[np.float64]) -> dict[str, float]:
    """Give median and 95th percentile."""
    return {f"p{share}": round(float(np.percentile(values, share)), 3) for share in (50, 95)}


def wrists_and_more(count: int) -> Command:
    """Give the command that names so many joints: the wrists, and then up the arms and on."""
    return joint_command([*reversed(JOINTS)][:count])


def compare(tracker: Tracker, recipe: Recipe, footage: Footage, command: Command, images: int) -> Times:
    """Measure one case.

    Args:
        tracker: The node's part that finds joints; one that has seen nothing.
        recipe: The recipe, on an engine of the same kind and with the same settings.
        footage: The images.
        command: Names the joints.
        images: How many images count; some more warm both up.

    Returns:
        The times.
    """
    times, spec = Times(), tracker.engine.info.spec
    prompt = make_prompt(command, spec)
    most = max_length(named_grammar(command.joints, spec.answer or AnswerFormat())) + _SPARE_TOKENS
    for number, moment in enumerate(footage.moments(images + _WARM_UP)):
        started = perf_counter()
        estimate = tracker.estimate(moment.image, footage.camera, command, moment.stamp_ns)
        ours_ms = 1e3 * (perf_counter() - started)
        theirs = recipe.answer(moment.image, footage.camera, prompt, most)
        if number < _WARM_UP:
            continue
        width, height = estimate.view_size or (0, 0)
        asked = set(command.joints) & set(theirs.joints)
        times.ours_ms.append(ours_ms)
        times.engine_only_ms.append(estimate.stages_ms["engine.passes"])
        times.engine_ms.append(estimate.stages_ms["engine.total"])
        times.recipe_ms.append(theirs.total_ms)
        times.visual_tokens.append(width * height // spec.image_multiple**2)
        times.steps.append(theirs.tokens)
        times.whole.append(len(asked) == len(command.joints))
        ours = {keypoint.name: keypoint.position for keypoint in estimate.person.located}
        times.errors_mm += [_error_mm(position, moment.joints[INDEX[name]]) for name, position in ours.items()]
        times.recipe_errors_mm += [_error_mm(theirs.joints[name], moment.joints[INDEX[name]]) for name in asked]
    return times


def _error_mm(position: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    return 1e3 * float(np.linalg.norm(position - truth))


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 1) if values else None
