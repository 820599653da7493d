"""Views of people, the right answers to questions about them, and answers written as tokens."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from evaluated_people import STANDING
from numpy.typing import NDArray

from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.model.quantization import ABSENT_TOKEN, BINS, coordinate_token, encode_pixels
from taihri_ros.model.spec import ModelSpec
from taihri_ros.model.zoom import seen_points
from taihri_ros.skeleton import INDEX, joint_token
from taihri_ros.training.data.pictures import project
from taihri_ros.training.data.viewpoints import View
from taihri_ros.training.rewards.answers import SampledAnswer
from taihri_ros.training.rewards.rewards import RewardModel, RewardSettings, Scores
from taihri_ros.training.rewards.targets import Target

Array = NDArray[np.float64]

SIZE = (160, 128)
SPEC = ModelSpec(focal_px=112.0, zoom=(1.0, 4.0), answer=AnswerFormat(box=False, absent=True))


def view_of(joints: Array, zoom: float = 1.0) -> View:
    """Return a view of a person, as `Viewpoint.render` labels it."""
    pixels = project(joints, SPEC.focal_px * zoom, SIZE)
    inside = ((pixels > -0.5) & (pixels < np.array(SIZE) - 0.5)).all(axis=1)
    seen = seen_points(joints, float(joints[0, 2]), zoom)
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    visibility = np.where(inside, 0, 2).astype(np.int8)
    return View(image, seen.astype(np.float32), pixels.astype(np.float32), visibility, zoom=zoom)


def nobody() -> View:
    return View.without_person(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))


def target_of(
    joints: Sequence[str], *, person: Array | None = STANDING, free: bool = False, zoom: float = 1.0
) -> Target:
    return Target.of(nobody() if person is None else view_of(person, zoom), joints, free, SPEC)


def write(
    target: Target,
    names: Sequence[str],
    pixels: Array | None = None,
    points: Array | None = None,
    *,
    names_3d: Sequence[str] | None = None,
    absent: Collection[str] = (),
) -> tuple[str, ...]:
    """Write an answer with pixels (22, 2) and points (22, 3), by default the true ones, as tokens."""
    pixels = target.pixels if pixels is None else pixels
    points = target.points if points is None else points
    flat = encode_pixels(np.clip(np.nan_to_num(pixels), 0.0, target.size), target.size)
    deep = np.clip(np.rint((np.nan_to_num(points) - target.space.low) / target.space.step), 0, BINS - 1).astype(int)
    tokens: list[str] = []
    for block, each, bins in (("2d", names, flat), ("3d", names if names_3d is None else names_3d, deep)):
        tokens.append(BLOCKS[block][0])
        for name in each:
            numbers = bins[INDEX[name]].tolist()
            tokens += [joint_token(name), *(ABSENT_TOKEN if name in absent else coordinate_token(n) for n in numbers)]
        tokens.append(BLOCKS[block][1])
    return tuple(tokens)


def score(
    answers: Sequence[Sequence[str]], targets: Target | Sequence[Target], settings: RewardSettings | None = None
) -> Scores:
    """Score answers, all to one question or each to its own."""
    each = [targets] * len(answers) if isinstance(targets, Target) else list(targets)
    read = [SampledAnswer.read(tokens, target) for tokens, target in zip(answers, each, strict=True)]
    return RewardModel(settings or RewardSettings()).score(read, each)


def shifted(target: Target, *, x: float = 0.0, z: float = 0.0) -> tuple[Array, Array]:
    """Return pixels and points that agree with each other, of a person at another place."""
    points = target.points + np.array([x, 0.0, z])
    return project(points, target.focal_px, target.size), points
