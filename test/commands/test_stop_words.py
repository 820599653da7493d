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
