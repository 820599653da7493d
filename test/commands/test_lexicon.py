"""Word lists: entries of several words, endings, pronouns written together with a verb, and mistyped words."""

from __future__ import annotations

import pytest

from taihri_ros.commands.lexicon import Lexicon, words_of

LISTS = {
    "hand": ["hand", "hands", "shoulder"],
    "person": ["me", "the visitor", "das große kind"],
    "shake": ["shak*", "schüttel*", "estrech*"],
    "hat": ["hard hat*", "black"],
    "your": ["tu"],
}


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(LISTS, endings=["me", "melo"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Serre-moi l\u2019\u00e9paule!", ("serre", "moi", "l", "epaule")),
        ("I'm here (please) ...", ("i", "m", "here", "please")),
        ("GR\u00d6SSE, gr\u00f6\u00dfe", ("grosse", "grosse")),
        ("", ()),
    ],
)
def test_words_are_plain_and_cut_at_hyphens_and_apostrophes(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("shaking", [{"shake": (1,)}]),
        ("schüttelst", [{"shake": (1,)}]),
        ("schuettelst", [{"shake": (1,)}]),
        ("the visitor", [{"person": (2,)}, {}]),
        ("the hand", [{}, {"hand": (1,)}]),
        ("hard hats", [{"hat": (2,)}, {}]),
        ("das grosse kind", [{"person": (3,)}, {}, {}]),
    ],
)
def test_words_are_found_in_their_lists(lexicon: Lexicon, text: str, names: list[dict[str, tuple[int, ...]]]) -> None:
    assert lexicon.names(lexicon.words(text)) == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("estréchame", ("estrecha", "me")),
        ("estréchamelo", ("estrecha", "melo")),
        ("me", ("me",)),
        ("fame", ("fame",)),
    ],
)
def test_pronouns_are_cut_off_known_verbs(lexicon: Lexicon, text: str, words: tuple[str, ...]) -> None:
    assert lexicon.words(text) == words


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("shoudler", "shoulder"),
        ("shouder", "shoulder"),
        ("shoullder", "shoulder"),
        ("visitr", "visitor"),
        ("shoulde", "shoulde"),
        ("shovlder", "shovlder"),
        ("hnad", "hnad"),
        ("black", "black"),
        ("shakng", "shakng"),
    ],
)
def test_a_word_with_one_letter_more_or_less_or_two_swapped_is_corrected(
    lexicon: Lexicon, typed: str, read: str
) -> None:
    assert lexicon.words(typed) == (read,)
