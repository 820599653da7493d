"""Orders to stop, in four languages and in every notation."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spoken_commands import AFFIRMATIVE, ASKING, ASKING_ABROAD, NOT_STOP, NOTHING, STOP

from taihri_ros.commands.command import parse_command
from taihri_ros.commands.stop_words import means_stop


@pytest.mark.handles("Commands", "stop in other words or languages, or with other letters or punctuation", "stops")
@pytest.mark.handles("Commands", "stop shaking my hand", "stops the running command")
@pytest.mark.parametrize("text", STOP)
def test_words_that_mean_stop_stop(text: str) -> None:
    assert means_stop(text)
    assert parse_command(text) is None


@pytest.mark.handles("Commands", "stop in Italian, Dutch, Polish, Russian, Arabic, Chinese, Japanese, Korean", "stops")
@pytest.mark.parametrize(
    "text",
    [
        *("Fermati!", "hou op", "St\u00f3j!", "przesta\u0144", "\u0421\u0442\u043e\u043f!", "\u062a\u0648\u0642\u0641"),
        *(
            "\u505c",
            "\u505c\u4e0b\u6765\uff01",
            "\u4f4f\u624b",
            "\u30b9\u30c8\u30c3\u30d7\uff01",
            "\u6b62\u307e\u308c",
            "\u3084\u3081\u3066\u304f\u3060\u3055\u3044",
        ),
        *("\uba48\ucdb0", "\uadf8\ub9cc\ud574", "S.T.O.P.", "s t o p", "S-T-O-P!"),
    ],
)
def test_stop_in_further_languages_and_spelt_stops(text: str) -> None:
    assert means_stop(text)


@pytest.mark.handles("Commands", "do not stop", "no joint, as every negated command")
@pytest.mark.parametrize("text", [*NOT_STOP, *AFFIRMATIVE, *ASKING_ABROAD, *NOTHING, *(text for text, _ in ASKING)])
def test_other_commands_do_not_stop(text: str) -> None:
    assert not means_stop(text)


@given(st.text(), st.sampled_from([" ", "\n", "\t", '"', "'", "!", "...", "\u00a0"]))
def test_stop_is_recognised_in_quotes_and_blanks(after: str, mark: str) -> None:
    assert means_stop(f"{mark}stop{mark}")
    assert means_stop(f"Stop! {after}")


@pytest.mark.parametrize("words", ["you can ", "now ", "i want you to ", "stop it and ", "lass das "])
def test_long_texts_are_judged_quickly(words: str) -> None:
    started = time.process_time()
    means_stop(words * 2000 + "x")
    assert time.process_time() - started < 2.0
