"""Sentence patterns: what they stand for, and patterns that cannot be read."""

from __future__ import annotations

import random

import pytest

from taihri_ros.commands.random_commands.phrase_grammar import Pattern, PatternError

WORDS = {"part": ["hand", "[left] arm"], "deed": ["shake my <part>"]}


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("shake", {"shake"}),
        ("(a|b c) d", {"a d", "b c d"}),
        ("a [b] c", {"a c", "a b c"}),
        ("[a|b] c", {"c", "a c", "b c"}),
        ("a( b|), c [d].", {"a b, c.", "a b, c d.", "a, c.", "a, c d."}),
        ("(a [(b|c)]|d)", {"a", "a b", "a c", "d"}),
        ("<deed>!", {"shake my hand!", "shake my arm!", "shake my left arm!"}),
        ("{my} [{side}] hand", {"{my} hand", "{my} {side} hand"}),
    ],
)
def test_a_pattern_stands_for_its_texts(text: str, texts: set[str]) -> None:
    rng, pattern = random.Random(0), Pattern(text, WORDS)
    assert {pattern.sample(rng) for _ in range(200)} == texts
    assert pattern.count == len(texts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a|b", r"'\(a|b' has '\(' without its other bracket"),
        ("a]", "'a]' has ']' without its other bracket"),
        ("(a]", "without its other bracket"),
        ("a <leg>", "refers to the unknown list 'leg'; known are part, deed"),
        ("a < b", "'a < b' has a '<' or '>' that is no name of a list"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(PatternError, match=message):
        Pattern(text, WORDS)
