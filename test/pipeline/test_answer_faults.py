"""Changed answers with changed top-k: no exception but the refusal, and no point that was not answered."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from oracle import SPEC, answer_tokens
from reliability import Figure, size
from test_decoder import VIEW

from taihri_ros.inference.engine import TopK
from taihri_ros.model.parser import MalformedAnswerError, parse
from taihri_ros.pipeline.decoder import AnswerDecoder
from taihri_ros.skeleton import JOINTS, joint_token

ASKED = ("head", "left_wrist", "right_wrist")
PIECES = (
    "<|kpt2d_start|>",
    "<|kpt3d_start|>",
    "<|kpt3d_end|>",
    "<absent>",
    "<1000>",
    "<-1>",
    "007",
    "",
    "\0",
    "é",
    "<0>",
)
VALUES = (math.nan, math.inf, -math.inf, 1.0, 0.0, -1e308, 5e-324)


def original(draw: random.Random) -> list[str]:
    pixels = {name: [draw.randrange(1000) for _ in range(2)] for name in ASKED}
    points = {name: [draw.randrange(1000) for _ in range(3)] for name in ASKED}
    return list(answer_tokens(pixels, points, (1, 1, 998, 998)))


def changed(draw: random.Random, tokens: list[str]) -> list[str]:
    for _ in range(draw.choice((0, 0, 1, 1, 2, 5))):
        place = draw.randrange(len(tokens))
        how = draw.randrange(5)
        if how == 0:
            del tokens[place : place + draw.randint(1, 4)]
        elif how == 1:
            tokens.insert(place, draw.choice((*PIECES, joint_token(draw.choice(JOINTS)))))
        elif how == 2:
            tokens[place] = draw.choice((*PIECES, f"<{draw.randrange(1100)}>"))
        elif how == 3:
            tokens[place:place] = tokens[draw.randrange(len(tokens)) :][:8]
        else:
            del tokens[place:]
        tokens = tokens or [""]
    return tokens


def top_k(draw: random.Random, token: str, share: float) -> TopK | None:
    """Return the top-k of a coordinate, a share of which is changed; None for another token."""
    if not token[1:-1].isdigit() or draw.random() < share:
        return None
    own = int(token[1:-1]) % 1000
    bins = [own, *draw.sample([number for number in range(1000) if number != own], draw.randint(0, 4))]
    logprobs = sorted((math.log(draw.uniform(1e-9, 1.0 / len(bins))) for _ in bins), reverse=True)
    if draw.random() < share:
        logprobs[draw.randrange(len(bins))] = draw.choice(VALUES)
    if draw.random() < share:
        bins[draw.randrange(len(bins))] = draw.choice((0, 999, 1000))
    return TopK(tuple(bins), tuple(logprobs))


@pytest.mark.fault(
    "Answers", "answer streams with changed tokens and top-k", "no exception, no point that was not answered"
)
@pytest.mark.timeout(size(300, 3600))
def test_changed_answers_are_read_or_refused(figure: Figure) -> None:
    count, draw, ended = size(3000, 100_000), random.Random(16), Counter[str]()
    for _ in range(count):
        tokens = tuple(changed(draw, original(draw)))
        share = draw.choice((0.0, 0.0, 0.02, 0.2))
        rows = tuple(top_k(draw, token, share) for token in tokens)
        try:
            person = AnswerDecoder(parse(tokens, ASKED), rows, VIEW, SPEC, "the answer").person("bins")
        except MalformedAnswerError:
            ended["refused"] += 1
            continue
        ended["read"] += 1
        text = "".join(tokens)
        for keypoint in person.located:
            assert keypoint.name in ASKED
            assert joint_token(keypoint.name) in text, "a point that was not answered"
            assert math.isfinite(float(keypoint.position.sum()))
    assert min(ended.values()) > count // 10, ended
    figure(f"{count:,} streams, {ended['refused']:,} refused, {ended['read']:,} read: no exception, no invented point")
