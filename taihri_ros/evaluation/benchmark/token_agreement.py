"""Comparison of the tokens that two engines decode for the same requests, up to ties.

Two correct engines may choose different tokens where the first ones are equally likely up to rounding: in float32
hardly ever, in bfloat16, whose logits have steps of 1/16 to 1/8, often. After the first different token of an answer
the engines decode different answers, so only this token is examined.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from taihri_ros.inference.engine import RawAnswer, TopK
from taihri_ros.model.quantization import INDEX_OF_TOKEN

TIE_NATS = 0.01
"""Largest difference of two log-probabilities that rounding explains in float32."""


@dataclass(frozen=True)
class Agreement:
    """Comparison of the answers of two engines.

    Attributes:
        answers: Number of answers.
        equal_answers: Number of answers whose tokens are all equal.
        tokens: Number of tokens, of the longer answer of each pair.
        equal_tokens: Number of places with equal tokens.
        second_choices: Number of first different tokens that are the other engine's first or second choice.
        largest_gap: Largest difference, in the first engine, between the log-probabilities of its own token and of the
            other engine's at the first different token, nats; 0 without differences, infinite where it is not known.
    """

    answers: int
    equal_answers: int
    tokens: int
    equal_tokens: int
    second_choices: int
    largest_gap: float

    @property
    def different_answers(self) -> int:
        """Number of answers with a different token."""
        return self.answers - self.equal_answers

    @property
    def is_tied(self) -> bool:
        """Whether the answers are equal but for ties, as those of float32 must be."""
        return self.largest_gap <= TIE_NATS

    def __str__(self) -> str:
        """Return the comparison as a phrase."""
        text = f"{self.equal_answers} of {self.answers} answers and {self.equal_tokens} of {self.tokens} tokens equal"
        if not self.different_answers:
            return text
        is_known = math.isfinite(self.largest_gap)
        gap = f"{self.largest_gap:.2g} nats less likely" if is_known else "of unknown probability"
        return (
            f"{text}; of {self.different_answers} first different tokens {self.second_choices} within the first two "
            f"choices, at most {gap}"
        )


def compare_answers(ours: Sequence[RawAnswer], theirs: Sequence[RawAnswer]) -> Agreement:
    """Compare the answers of two engines to the same requests.

    Args:
        ours: Answers of the first engine, with their top-k log-probabilities.
        theirs: Answers of the other engine.

    Returns:
        The comparison.

    Raises:
        ValueError: The numbers of answers differ.
    """
    places = [_first_difference(one.tokens, other.tokens) for one, other in zip(ours, theirs, strict=True)]
    gaps = [
        _rank_and_gap(one, other, place)
        for one, other, place in zip(ours, theirs, places, strict=True)
        if place is not None
    ]
    pairs = [(one.tokens, other.tokens) for one, other in zip(ours, theirs, strict=True)]
    return Agreement(
        answers=len(pairs),
        equal_answers=places.count(None),
        tokens=sum(max(len(one), len(other)) for one, other in pairs),
        equal_tokens=sum(left == right for one, other in pairs for left, right in zip(one, other, strict=False)),
        second_choices=sum(rank < 2 for rank, _ in gaps),
        largest_gap=max((gap for _, gap in gaps), default=0.0),
    )


def _first_difference(one: Sequence[str], other: Sequence[str]) -> int | None:
    if one == other:
        return None
    shared = (place for place, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    return next(shared, min(len(one), len(other)))


def _rank_and_gap(ours: RawAnswer, theirs: RawAnswer, place: int) -> tuple[float, float]:
    """Return how likely the other engine's token at a place is in the first engine: its rank, and its gap in nats."""
    choices: TopK | None = ours.top_k[place] if place < len(ours.top_k) else None
    other = INDEX_OF_TOKEN.get(theirs.tokens[place]) if place < len(theirs.tokens) else None
    if choices is None or other not in choices.bins:
        return math.inf, math.inf
    logprobs = dict(zip(choices.bins, choices.logprobs, strict=True))
    return choices.bins.index(other), logprobs[INDEX_OF_TOKEN[ours.tokens[place]]] - logprobs[other]
