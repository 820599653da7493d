"""The sentences that the language model of speech is made from: everything that the task table knows to be said.

Besides the phrasings of the table, with and without polite words, they are sampled from the patterns that a checkpoint
is trained on. Of those that ask for nothing, only negated orders are among them: speech about other things is
recognised with a general language model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import yaml

from taihri_ros.commands.negation import negating_words
from taihri_ros.commands.random_commands.phrasings import Phrasings
from taihri_ros.commands.tasks import LANGUAGE_FILES, Tasks
from taihri_ros.voice.language_model import spoken_words

_ORDERS, _POLITE, _QUESTIONS, _NEGATED = 20_000, 8_000, 3_000, 6_000
"""Numbers of sampled sentences of each kind; negated ones are picked from so many that ask for nothing."""

_WITH_THINGS = (
    *("give me the {}", "pass me the {}", "hand me the {}", "hand over the {}", "bring me that {}", "i need the {}"),
    *("take the {} from me", "take this {} from my left hand", "take this {} from my right hand", "take this {}"),
    *("put the {} into my left hand", "put the {} in my right hand", "take the {} out of my hands"),
)
"""Orders about each thing that the task table knows by name, and more than its phrasings name."""

_SHORT = (
    *("stop", "stop it", "stop now", "please stop", "stop that", "no stop", "robot stop", "stop moving", "stop stop"),
    *("okay stop", "hey stop", "now stop", "just stop", "wait stop", "you stop", "you must stop", "will you stop"),
    *("yes", "no", "yes please", "no thank you", "okay", "yes do it", "that's right", "that's wrong"),
)
_SHORT_REPEATS = 60
"""Answers to a question and orders to stop, and how often each is counted."""


def spoken_sentences(tasks: Tasks, seed: int = 0) -> Iterator[tuple[str, ...]]:
    """Yield the words of sentences that may be said to the robot.

    Args:
        tasks: The task table, also with tasks of a user.
        seed: Seed of the sampled sentences.
    """
    rng = random.Random(seed)
    patterns = Phrasings(tasks)
    for task in tasks.tasks:
        yield from map(spoken_words, task.phrasings)
    for _ in range(_POLITE):
        yield spoken_words(tasks.sample_task(rng)[0])
    for _ in range(_ORDERS):
        yield spoken_words(patterns.sample_task(rng)[0])
    for _ in range(_QUESTIONS):
        yield spoken_words(patterns.sample_question(rng)[0])
        yield spoken_words(tasks.sample_question(rng)[0])
    for text in (patterns.sample_nothing(rng) for _ in range(_NEGATED)):
        if negating_words(text):
            yield spoken_words(text)
    words = yaml.safe_load(LANGUAGE_FILES[0].read_text(encoding="utf-8"))["words"]
    for thing in (str(entry).removesuffix("*") for entry in words["thing"]):
        yield from (spoken_words(text.format(thing)) for text in _WITH_THINGS)
    for text in _SHORT:
        yield from [spoken_words(text)] * _SHORT_REPEATS
