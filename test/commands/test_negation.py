"""Negated sentences in four languages, and sentences that only look negated."""

from __future__ import annotations

import time

import pytest
from spoken_commands import AFFIRMATIVE, ASKING, ASKING_ABROAD, NEGATED, NOTHING

from taihri_ros.commands.command import parse_command
from taihri_ros.commands.negation import negating_words
from taihri_ros.commands.tasks import Tasks


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks.load()


@pytest.mark.handles(
    "Commands", "negated sentence in English, German, French or Spanish", "no joint, without asking the model"
)
@pytest.mark.handles(
    "Commands", "not my left hand, my right hand", "no joint: a negating word negates the whole sentence"
)
@pytest.mark.parametrize("text", NEGATED)
def test_negated_sentences_are_negated_and_match_no_task(tasks: Tasks, text: str) -> None:
    command = parse_command(text)
    if command is not None:  # else it means stop
        assert command.negation
        assert command.joints == ()
    assert tasks.match(text) is None


@pytest.mark.handles("Commands", "don't forget to shake my hand", "asks for a handshake")
@pytest.mark.parametrize("text", [*AFFIRMATIVE, *ASKING_ABROAD, *NOTHING, *(text for text, _ in ASKING)])
def test_other_sentences_are_not_negated(text: str) -> None:
    assert negating_words(text) == ""


def test_no_sentence_of_the_task_table_is_negated(tasks: Tasks) -> None:
    for task in tasks.tasks:
        for sentence in (*task.phrasings, *task.held_out):
            assert negating_words(sentence) == "", sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Do NOT shake my hand", "do not"),
        ("please don\u2019t touch me", "don't"),
        ("ich will keine Umarmung", "keine"),
        ("n\u2019approche pas", "n'approche"),
        ("jam\u00e1s", "jamas"),
        ("geen high five", "geen"),
        ("ikke high five", "ikke"),
        ("n\u00e3o quero high five", "nao"),
    ],
)
def test_the_negating_words_are_returned(text: str, words: str) -> None:
    assert negating_words(text) == words


@pytest.mark.parametrize("words", ["warum ", "ich kann ", "a" * 50, "keep my ", "pourquoi ne me "])
def test_long_texts_are_judged_quickly(words: str) -> None:
    started = time.process_time()
    negating_words(words * (10_000 // len(words)))
    assert time.process_time() - started < 2.0
