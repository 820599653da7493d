"""Patterns over the words of a sentence."""

from __future__ import annotations

import pytest

from taihri_ros.commands.lexicon import Lexicon
from taihri_ros.commands.word_patterns import PatternError, PatternIndex, Tagged, WordPattern

LEXICON = Lexicon(
    {"<give>": ["give", "hand over"], "<person>": ["me", "the visitor"], "<thing>": ["cup*", "glass of water"]}
    | {word: [word] for word in ("give", "a", "the", "cup*", "on", "table", "hand", "over")}
)


def tagged(text: str) -> Tagged:
    words = LEXICON.words(text)
    return Tagged(words, LEXICON.names(words))


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("<give> <person>", "please give me a cup", True),
        ("<give> <person>", "give the cup to me", False),
        ("<give> .. <person>", "give the cup to me", True),
        ("<give> .. <person>", "give one two three four five me", True),
        ("<give> .. <person>", "give one two three four five six me", False),
        ("<person> + <give>", "give the cup to me", True),
        ("<give> + <thing> - on .. table", "give me the cup", True),
        ("<give> + <thing> - on .. table", "give it: the cup on that table", False),
        ("<give> [the] <thing>", "hand over cups", True),
        ("<give> [the] <thing>", "hand over the glass of water", True),
        ("<give> [the] <thing>", "hand over a cup", False),
        ("a/the cup*", "a cup", True),
        ("a/the cup*", "my cup", False),
        ("^ <thing> $", "glass of water", True),
        ("^ <thing> $", "glass of water now", False),
        ("^ <thing>", "now glass of water", False),
        ("<give> $", "cup over hand over", True),
    ],
)
def test_a_pattern_fits_a_sentence(pattern: str, text: str, fits: bool) -> None:
    assert WordPattern(pattern).matches(tagged(text)) is fits


def test_the_first_pattern_that_fits_is_meant() -> None:
    index = PatternIndex([(WordPattern("<give> .. <thing>"), "first"), (WordPattern("<give>"), "second")])
    assert [index.first(tagged(text)) for text in ("give a cup", "give it", "take it")] == ["first", "second", None]


@pytest.mark.parametrize("text", ["", "a + ", "a -  - b"])
def test_a_pattern_with_an_empty_part_is_refused(text: str) -> None:
    with pytest.raises(PatternError, match="has an empty part: remove the sign, or write words"):
        WordPattern(text)
