"""Answers in TAIHRI's tokens, with top-k log-probabilities, for joints whose coordinates have normal distributions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import RawAnswer, TopK
from taihri_ros.inference.local_engine import sorted_top_k
from taihri_ros.model.grammar import Choice, Coordinate, Grammar, Text
from taihri_ros.model.lexer import BLOCKS, LexemeKind, lex
from taihri_ros.model.quantization import ABSENT, ABSENT_TOKEN, BINS, coordinate_token

_REACH = 3.0
"""Distance from the mean up to which the bins of a top-k entry are spread, in standard deviations."""

_SUREST = 1e-4
"""Smallest probability of either answer to the question whether there is a person."""

_START_OF_2D = BLOCKS["2d"][0]


@dataclass(frozen=True, eq=False)
class Joints:
    """The joints of one person as normal distributions over bins.

    Attributes:
        means: Mean of u, v, x, y and z by joint, (5,) bins; beyond 0 or 999 if the joint is out of the range.
        deviations: Standard deviations of the same.
        absent: Probability that there is no person.
    """

    means: Mapping[str, NDArray[np.float64]]
    deviations: Mapping[str, NDArray[np.float64]]
    absent: float


def answer(grammar: Grammar, joints: Joints | None, *, top_k: int, max_tokens: int) -> RawAnswer:
    """Answer one question.

    Args:
        grammar: Grammar of the answer, which names its joints. Where it leaves a choice, no joint is chosen.
        joints: The joints; None if nobody was found.
        top_k: Number of top-k log-probabilities of each coordinate, 0 to 20.
        max_tokens: Maximum number of tokens, including the one that ends the answer.

    Returns:
        The answer.
    """
    tokens: list[str] = []
    entries: list[TopK | None] = []
    joint, first, count = "", 0, 0
    for element in _fixed(grammar):
        if isinstance(element, Text):
            token, entry = element.text, None
            for lexeme in lex((token,)):
                if lexeme.kind is LexemeKind.DELIMITER:
                    first = 0 if lexeme.text == _START_OF_2D else 2
                elif lexeme.kind is LexemeKind.JOINT:
                    joint, count = lexeme.joint, 0
        else:
            token, entry = _coordinate(joints, joint, first + count, top_k)
            count += 1
        tokens.append(token)
        entries.append(entry)
    complete = len(tokens) < max_tokens
    return RawAnswer(
        tokens=tuple(tokens[:max_tokens]),
        top_k=tuple(entries[:max_tokens]),
        finish_reason="stop" if complete else "length",
    )


def _fixed(grammar: Grammar) -> Iterator[Text | Coordinate]:
    """Yield the elements of a grammar, without its choices."""
    for element in grammar:
        if not isinstance(element, Choice):
            yield element


def _coordinate(joints: Joints | None, joint: str, axis: int, top_k: int) -> tuple[str, TopK | None]:
    """Return the token of a coordinate and its top-k entry."""
    if joints is None or joint not in joints.means:
        entry = TopK((ABSENT,), (math.log1p(-_SUREST),))
        return ABSENT_TOKEN, entry if top_k else None
    mean, deviation = float(joints.means[joint][axis]), float(joints.deviations[joint][axis])
    token = coordinate_token(_nearest_bin(mean))
    return token, spread_top_k(mean, deviation, joints.absent, top_k) if top_k else None


def spread_top_k(mean: float, deviation: float, absent: float, count: int) -> TopK:
    """Return the top-k entry of a normally distributed coordinate.

    The bins are spread evenly over three standard deviations on both sides of the mean, and each has its probability in
    the normal distribution. So the mean and the variance can be read from them (`quantization.estimate_bins`), which
    the most likely bins would not allow: they all lie side by side. Near the end of the range the bins are closer
    together, as many on either side, so that the mean remains.

    Args:
        mean: Mean, bins. One beyond the range stands for its first or last bin.
        deviation: Standard deviation, bins.
        absent: Probability of `<absent>`.
        count: Number of entries, at least 1. The bin of the mean is always among them, `<absent>` if there are two.

    Returns:
        The bins, most likely first.
    """
    middle = _nearest_bin(mean)
    absent = min(max(absent, _SUREST), 1.0 - _SUREST)
    reach = min(_REACH * deviation, middle, BINS - 1 - middle)
    side = min((count - 2) // 2, int(reach)) if count > 2 else 0
    offsets = [round(reach * step / side) for step in range(-side, side + 1)] if side else [0]
    centre = mean if 0.0 <= mean <= BINS - 1 else float(middle)
    found = [(middle + offset, _probability(middle + offset - centre, deviation)) for offset in offsets]
    listed = [(index, math.log((1.0 - absent) * probability)) for index, probability in found]
    if count > 1:
        listed.append((ABSENT, math.log(absent)))
    return sorted_top_k(listed)


def _nearest_bin(mean: float) -> int:
    return round(min(max(mean, 0.0), BINS - 1.0))


def _probability(distance: float, deviation: float) -> float:
    """Return the probability of the bin whose centre is at a distance from the mean."""
    scale = 1.0 / (deviation * math.sqrt(2.0))
    return 0.5 * (math.erf((distance + 0.5) * scale) - math.erf((distance - 0.5) * scale))
