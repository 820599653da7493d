"""The reward of sampled answers: the terms, their weighted mean, and the share of each block of each joint.

A term is the mean over the joints that the right answer has, and a joint that the sampled answer lacks counts 0. Which
joints, bones and terms count therefore depends on the question alone, never on the answer: an answer gains nothing by
leaving out what is hard, or by adding what is easy. The total is the weighted mean of the terms that the question has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.model.zoom import ROOT_INDEX
from taihri_ros.skeleton import JOINTS
from taihri_ros.training.rewards import terms
from taihri_ros.training.rewards.answers import SampledAnswer
from taihri_ros.training.rewards.targets import Target
from taihri_ros.training.rewards.terms import Floats

TERMS = ("format", "choice", "pixel", "point", "root_depth", "projection", "bones")
"""Names of the terms of the reward."""

_IS_ROOT = np.arange(len(JOINTS)) == ROOT_INDEX
_BONES_OF_JOINT = np.eye(len(JOINTS))[terms.BONE_JOINTS].sum(axis=1)
"""(21, 22) 1 where the bone ends at the joint."""

_Array = NDArray[np.float64]

Credit = Literal["answer", "joint", "coordinate"]
"""What earns a token its reward."""


@dataclass(frozen=True)
class RewardSettings:
    """Weights and forms of the reward; the terms are those of `terms.py`.

    Attributes:
        format: Weight of the format.
        choice: Weight of the choice of joints.
        pixel: Weight of the pixels.
        point: Weight of the points.
        root_depth: Weight of the depth of the root.
        projection: Weight of the agreement of pixels and projected points.
        bones: Weight of the lengths of bones.
        point_shape: How the rewards in metres fall with the distance: `rational`, `exponential` or `gaussian`.
        point_half_m: Distance at which they are one half, metres.
        credit: What earns a token its reward: the whole `answer`, its `joint`, or the block of its `coordinate`.
    """

    format: float = 0.5
    choice: float = 1.0
    pixel: float = 1.0
    point: float = 2.0
    root_depth: float = 1.0
    projection: float = 0.5
    bones: float = 0.25
    point_shape: terms.PointShape = "rational"
    point_half_m: float = 0.15
    credit: Credit = "joint"

    def __post_init__(self) -> None:
        if min(self.weights.values()) < 0.0 or self.format + self.choice <= 0.0:
            raise TaihriError("the weights of rewards must not be negative, and one of format and choice positive")
        if self.point_half_m <= 0.0:
            raise TaihriError(f"point_half_m must be positive, not {self.point_half_m}")

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each term."""
        return {name: getattr(self, name) for name in TERMS}


@dataclass(frozen=True, eq=False)
class Scores:
    """The rewards of N answers, all in [0, 1].

    Attributes:
        terms: Each term of each answer, (N,); NaN where the question has no such term.
        total: (N,) weighted mean of the terms.
        of_joint: (N, 22, 2) what the 2D and the 3D block of each joint earned: the weighted mean of pixel and
            projection, and that of point, projection, the joint's bones and, for the root, its depth. 1 for `<absent>`
            where nobody is, 0 for `<absent>` of somebody and for coordinates of nobody. NaN where the joint is not
            in the answer or its place is not known.
        of_choice: (N,) weighted mean of format and choice, which the names of joints earned.
    """

    terms: dict[str, _Array]
    total: _Array
    of_joint: _Array
    of_choice: _Array


class RewardModel:
    """The reward of answers, by rules."""

    def __init__(self, settings: RewardSettings) -> None:
        """Create the rewards.

        Args:
            settings: Weights and forms.
        """
        self._settings = settings

    def score(self, answers: Sequence[SampledAnswer], targets: Sequence[Target]) -> Scores:
        """Score answers.

        Args:
            answers: N answers, at least one, each read with its target.
            targets: The N targets; those of a group are the same.

        Returns:
            The rewards.
        """
        batch = _Batch.of(answers, targets)
        values = _Values.of(batch, self._settings)
        weights = self._settings.weights
        chosen = {"format": batch.format_reward(), "choice": batch.choice_reward()}
        found = chosen | values.means(batch.wanted)
        return Scores(
            found,
            _weighted_mean(found, weights),
            batch.with_presence(values.of_joint(weights)),
            _weighted_mean(chosen, weights),
        )


@dataclass(frozen=True, eq=False)
class _Batch:
    """N answers with their targets: the attributes of `SampledAnswer` and `Target`, stacked."""

    is_valid: NDArray[np.bool_]
    named: NDArray[np.bool_]
    written: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    absent: NDArray[np.bool_]
    pixels: _Array
    points: _Array
    projected: _Array
    wanted: NDArray[np.bool_]
    free: NDArray[np.bool_]
    person: NDArray[np.bool_]
    size: _Array
    scale_px: _Array
    true_pixels: _Array
    true_points: _Array

    @classmethod
    def of(cls, answers: Sequence[SampledAnswer], targets: Sequence[Target]) -> _Batch:
        of_answers = ("is_valid", "named", "written", "answered", "absent", "pixels", "points", "projected")
        return cls(
            **{name: _stack(answers, name) for name in of_answers},
            **{name: _stack(targets, name) for name in ("wanted", "free", "person", "size", "scale_px")},
            **{f"true_{name}": _stack(targets, name) for name in ("pixels", "points")},
        )

    def format_reward(self) -> _Array:
        asked = np.where(self.free[:, None], self.named, self.wanted)
        return terms.format_reward(self.is_valid, self.named, self.written, asked)

    def choice_reward(self) -> _Array:
        return terms.choice_reward(
            self.is_valid, self.named, self.answered, self.absent, self.wanted, free=self.free, person=self.person
        )

    def with_presence(self, earned: _Array) -> _Array:
        """Return what the blocks earned, (N, 22, 2), where `<absent>` and coordinates of nobody count, too."""
        somebody = self.person[:, None]
        is_wrong = np.where(somebody, self.absent, self.answered)
        earned = np.where(is_wrong[..., None], 0.0, earned)
        return np.where((self.absent & ~somebody)[..., None], 1.0, earned)


@dataclass(frozen=True, eq=False)
class _Values:
    """The terms of each joint (N, 22) and each bone (N, 21); NaN where the answer lacks it or the truth is unknown.

    Attributes:
        has_pixel: (N, 22) whether the true pixel is known.
        has_point: (N, 22) whether the true point is known; then so is the pixel.
    """

    has_pixel: NDArray[np.bool_]
    has_point: NDArray[np.bool_]
    pixel: Floats
    point: Floats
    root_depth: Floats
    projection: Floats
    bones: Floats

    @classmethod
    def of(cls, batch: _Batch, settings: RewardSettings) -> _Values:
        shape, half_m = settings.point_shape, settings.point_half_m
        points, true = batch.points, batch.true_points
        has_point = _known(true)
        distance_px = np.linalg.norm(batch.pixels - batch.true_pixels, axis=-1)
        depth = terms.root_depth_reward(points[..., 2], true[..., 2], shape, half_m)
        agreement = terms.projection_reward(batch.pixels, batch.projected, batch.size, batch.scale_px)
        return cls(
            has_pixel=_known(batch.true_pixels),
            has_point=has_point,
            pixel=terms.pixel_reward(distance_px, batch.scale_px[:, None], terms.OKS_CONSTANTS),
            point=terms.point_reward(points, true, shape, half_m),
            root_depth=np.where(_IS_ROOT, depth, np.nan),
            projection=np.where(has_point, agreement, np.nan),
            bones=terms.bone_reward(np.where(has_point[..., None], points, np.nan)),
        )

    def means(self, wanted: NDArray[np.bool_]) -> dict[str, _Array]:
        """Return the mean of each term over the joints and bones of the right answer, (N,)."""
        with_pixel, with_point = wanted & self.has_pixel, wanted & self.has_point
        return {
            "pixel": _mean(self.pixel, with_pixel),
            "point": _mean(self.point, with_point),
            "root_depth": _mean(self.root_depth, with_point & _IS_ROOT),
            "projection": _mean(self.projection, with_point),
            "bones": _mean(self.bones, np.all(with_point[:, terms.BONE_JOINTS], axis=-1)),
        }

    def of_joint(self, weights: Mapping[str, float]) -> _Array:
        """Return the weighted means of the terms that each block of each joint earned, (N, 22, 2)."""
        counted = np.isfinite(self.bones) @ _BONES_OF_JOINT
        summed = np.nan_to_num(self.bones) @ _BONES_OF_JOINT
        bones = np.divide(summed, counted, out=np.full(counted.shape, np.nan), where=counted > 0.0)
        flat = {"pixel": self.pixel, "projection": self.projection}
        deep = {"point": self.point, "root_depth": self.root_depth, "projection": self.projection, "bones": bones}
        return np.stack([_weighted_mean(flat, weights), _weighted_mean(deep, weights)], axis=-1)


def _known(places: _Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(places).all(axis=-1))


def _stack(items: Sequence[SampledAnswer] | Sequence[Target], name: str) -> NDArray[Any]:
    return np.stack([np.asarray(getattr(each, name)) for each in items])


def _mean(values: Floats, which: NDArray[np.bool_]) -> _Array:
    """Return the means of some of the values in each row, a missing one as 0; NaN for none. Both are (N, K)."""
    count = which.sum(axis=1)
    total = np.where(which, np.nan_to_num(values), 0.0).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))


def _weighted_mean(values: Mapping[str, Floats], weights: Mapping[str, float]) -> _Array:
    """Return the weighted mean of the values that are not NaN; NaN where none has a weight."""
    stacked = np.stack(list(values.values()))
    weight = np.array([weights[name] for name in values]).reshape(-1, *[1] * (stacked.ndim - 1))
    weight = np.where(np.isfinite(stacked), weight, 0.0)
    total = (weight * np.nan_to_num(stacked)).sum(axis=0)
    whole = weight.sum(axis=0)
    return np.asarray(np.divide(total, whole, out=np.full(whole.shape, np.nan), where=whole > 0.0))
