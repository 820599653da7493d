"""Metrics of people who are tracked in 3D: do their positions and their ids stay right?

IDF1 (Ristani et al., Performance measures and a data set for multi-target, multi-camera tracking, 2016) pairs each true
person with at most one id over the whole sequence. HOTA (Luiten et al., HOTA: a higher order metric for evaluating
multi-object tracking, 2021) is the geometric mean of how well people are found and how well their ids stay; it is
computed at one threshold here, that of the distance. A person and an id match in a frame if their roots are at most
that distance apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.pipeline.people.assignment import assign

THRESHOLD_M = 0.5
"""Largest distance between a true and a tracked root that match, metres."""

Roots = Mapping[str, NDArray[np.float64]]
"""Root positions (3,) of the people in a frame by name, metres."""

Frames = Sequence[tuple[Roots, Roots]]
"""The true and the tracked people of each frame."""


@dataclass(frozen=True)
class IdentityScores:
    """How well the ids of a sequence, or of several, agree with the true people.

    Attributes:
        matched: Number of tracked roots that match the true person whom their id is paired with (IDTP).
        true: Number of true roots (IDTP + IDFN).
        tracked: Number of tracked roots (IDTP + IDFP).
        switches: Number of times that a true person is found with another id than the time before.
    """

    matched: int
    true: int
    tracked: int
    switches: int

    @property
    def idf1(self) -> float:
        """The harmonic mean of precision and recall; NaN without people."""
        return 2.0 * self.matched / (self.true + self.tracked) if self.true + self.tracked else math.nan

    @property
    def precision(self) -> float:
        """Share of the tracked roots that match (IDP); NaN without any."""
        return self.matched / self.tracked if self.tracked else math.nan

    @property
    def recall(self) -> float:
        """Share of the true roots that match (IDR); NaN without any."""
        return self.matched / self.true if self.true else math.nan

    def __add__(self, other: IdentityScores) -> IdentityScores:
        """Return the scores of two sequences together."""
        return IdentityScores(
            self.matched + other.matched,
            self.true + other.true,
            self.tracked + other.tracked,
            self.switches + other.switches,
        )


@dataclass(frozen=True)
class HotaScores:
    """HOTA and its two parts, each in [0, 1]; NaN without people.

    Attributes:
        detection: Share of all true and tracked roots that match (DetA).
        association: How well the ids of the matching roots agree over time, on average (AssA).
    """

    detection: float
    association: float

    @property
    def hota(self) -> float:
        """The geometric mean of both."""
        return math.sqrt(self.detection * self.association)


def identity_scores(frames: Frames, threshold_m: float = THRESHOLD_M) -> IdentityScores:
    """Compute IDF1 and its parts of one sequence.

    Args:
        frames: The frames in order.
        threshold_m: Largest distance of a match, metres.

    Returns:
        The scores.
    """
    matches: Counter[tuple[str, str]] = Counter()
    last: dict[str, str] = {}
    switches = 0
    for true, tracked in frames:
        matches.update((name, identity) for name, identity, _ in _near(true, tracked, threshold_m))
        for name, identity in _pairs(true, tracked, threshold_m, {}):
            switches += last.get(name, identity) != identity
            last[name] = identity
    names, identities = _names(frames)
    gains = np.array([[-matches[name, identity] for identity in identities] for name in names], np.float64)
    pairs = assign(gains.reshape(len(names), len(identities)), apart=0.0)
    return IdentityScores(
        matched=sum(matches[names[row], identities[column]] for row, column in pairs),
        true=sum(len(true) for true, _ in frames),
        tracked=sum(len(tracked) for _, tracked in frames),
        switches=switches,
    )


def hota_scores(frames: Frames, threshold_m: float = THRESHOLD_M) -> HotaScores:
    """Compute HOTA of one sequence at one distance.

    Args:
        frames: The frames in order.
        threshold_m: Largest distance of a match, metres.

    Returns:
        The scores.
    """
    true_counts = Counter(name for true, _ in frames for name in true)
    tracked_counts = Counter(identity for _, tracked in frames for identity in tracked)
    near = Counter(pair[:2] for true, tracked in frames for pair in _near(true, tracked, threshold_m))

    def jaccard(counts: Counter[tuple[str, str]], name: str, identity: str) -> float:
        both = counts[name, identity]
        return both / (true_counts[name] + tracked_counts[identity] - both)

    alignment = {pair: jaccard(near, *pair) for pair in near}
    matches = Counter(pair for true, tracked in frames for pair in _pairs(true, tracked, threshold_m, alignment))
    found = sum(matches.values())
    everything = sum(true_counts.values()) + sum(tracked_counts.values()) - found
    if not everything:
        return HotaScores(math.nan, math.nan)
    association = sum(count * jaccard(matches, *pair) for pair, count in matches.items()) / max(found, 1)
    return HotaScores(found / everything, association)


def _names(frames: Frames) -> tuple[list[str], list[str]]:
    """Return the names of all true people, and all ids."""
    return sorted({name for true, _ in frames for name in true}), sorted({each for _, ids in frames for each in ids})


def _near(true: Roots, tracked: Roots, threshold_m: float) -> list[tuple[str, str, float]]:
    """Return all pairs of a frame within the threshold, with their distance in metres."""
    return [
        (name, identity, distance)
        for name, root in true.items()
        for identity, position in tracked.items()
        if (distance := float(np.linalg.norm(root - position))) <= threshold_m
    ]


def _pairs(
    true: Roots, tracked: Roots, threshold_m: float, alignment: Mapping[tuple[str, str], float]
) -> list[tuple[str, str]]:
    """Return the matches of a frame: as many as possible, with the best alignment, then the least distance."""
    names, identities = list(true), list(tracked)
    costs = np.full((len(names), len(identities)), np.inf)
    for name, identity, distance in _near(true, tracked, threshold_m):
        row, column = names.index(name), identities.index(identity)
        costs[row, column] = 1e-3 * distance / max(threshold_m, 1e-9) - alignment.get((name, identity), 0.0)
    return [(names[row], identities[column]) for row, column in assign(costs, apart=1e3)]
