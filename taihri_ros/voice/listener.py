"""From a stream of audio, or of text that another recogniser has heard, to commands."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.plain_words import plain_words
from taihri_ros.commands.stop_words import means_stop
from taihri_ros.voice.interpretation import Interpreter, Kind, Meaning, after_wake_word
from taihri_ros.voice.recogniser import Hypothesis, Recogniser
from taihri_ros.voice.utterances import Utterances

logger = logging.getLogger(__name__)

Mode = Literal["always", "push_to_talk", "wake_word"]
"""When speech is meant for the robot. "Stop" always is."""

_ANSWER_S = 10.0
"""Time in which an answer to a question is awaited, seconds."""

_RELEASE_S = 0.7
"""An utterance counts that ends within this time after push-to-talk was released, seconds."""


class Spotter(Protocol):
    """A search for "stop"; `StopSpotter` is one."""

    def heard_in(self, block: NDArray[np.int16]) -> bool:
        """Return whether "stop" was heard in the speech up to the end of a block."""

    def heard_alone(self, utterance: NDArray[np.int16]) -> bool:
        """Return whether an utterance may be nothing but "stop"."""

    def restart(self) -> None:
        """Begin a new search."""


@dataclass(frozen=True)
class Settings:
    """Settings of a listener.

    Attributes:
        mode: When speech is meant for the robot.
        wake_word: The words that address the robot in the mode `wake_word`.
        awake_s: Time after the wake word, and after an order, in which orders need no wake word, seconds.
        min_confidence: Confidence from which on an order is sent; below it a question is asked back.
        min_heard: Confidence below which nothing happens at all.
    """

    mode: Mode = "always"
    wake_word: str = "hey robot"
    awake_s: float = 8.0
    min_confidence: float = 0.5
    min_heard: float = 0.25


class Outputs(Protocol):
    """Receives what the listener hears and decides."""

    def command(self, text: str) -> None:
        """Send a command to the node."""

    def question(self, text: str) -> None:
        """Ask the person back."""

    def heard(self, meaning: Meaning) -> None:
        """Report what was heard, and what became of it."""


class Listener:
    """Decides what happens with every utterance. One thread may use it at a time.

    "Stop" is searched for in every block of audio, also while nobody addresses the robot, and is sent before the
    utterance ends.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        outputs: Outputs,
        settings: Settings | None = None,
        *,
        recogniser: Recogniser | None = None,
        spotter: Spotter | None = None,
        utterances: Utterances | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a listener.

        Args:
            interpreter: Reads the meaning of words.
            outputs: Receives the decisions.
            settings: When speech is meant for the robot, and the thresholds.
            recogniser: Recognises utterances; None to accept text alone.
            spotter: Searches for "stop"; None to accept text alone.
            utterances: Detects utterances; None to accept text alone.
            now_s: Returns the time of a monotonic clock, seconds.
        """
        self._interpreter = interpreter
        self._outputs = outputs
        self._settings = settings or Settings()
        self._recogniser = recogniser
        self._spotter = spotter
        self._utterances = utterances
        self._now_s = now_s
        self._wake_words = plain_words(self._settings.wake_word)
        self._awake_until_s = -math.inf
        self._talking = False
        self._question: tuple[str, float] | None = None
        self._stopped = False

    def hear(self, block: NDArray[np.int16]) -> None:
        """Listen to a block of audio.

        Args:
            block: (n,) int16, mono, 16 kHz, following the block before it; n may be 0.
        """
        if self._spotter is None or self._utterances is None or not block.size:
            return
        if self._spotter.heard_in(block) and not self._stopped:
            self._stopped = True
            self._stop(Meaning(Kind.STOP, "stop", math.nan))
        for utterance in self._utterances.add(block):
            self._end_of(utterance)

    def finish(self) -> None:
        """Decide about the speech at the end of a stream, such as a file or a microphone that is switched off."""
        if self._utterances is not None and (utterance := self._utterances.end()) is not None:
            self._end_of(utterance)

    def read(self, text: str, confidence: float = math.nan) -> None:
        """Decide about an utterance that another recogniser has heard.

        Args:
            text: Its words.
            confidence: Its probability in [0, 1]; NaN if it is not known, which counts as sure.
        """
        if not text.strip():
            return
        now_s = self._now_s()
        meaning = self._meant([Hypothesis(text, 1.0 if math.isnan(confidence) else confidence)], now_s)
        self._decide(replace(meaning, confidence=confidence) if math.isnan(confidence) else meaning, now_s)

    def talk(self, pressed: bool) -> None:
        """Push-to-talk: whether the button is pressed."""
        self._talking = pressed
        self._awake_until_s = math.inf if pressed else self._now_s() + _RELEASE_S

    def _end_of(self, utterance: NDArray[np.int16]) -> None:
        """Decide about an utterance that has ended now, however long it takes to recognise it.

        What may be "stop" is "stop", unless it is clearly an answer or another order, which also ends the running one.
        """
        ended_s = self._now_s()
        already, self._stopped = self._stopped, False
        assert self._spotter is not None
        assert self._recogniser is not None
        self._spotter.restart()
        readings = self._recogniser.recognise(utterance)
        may_be_stop = not already and (
            self._spotter.heard_alone(utterance) or any(means_stop(reading.text) for reading in readings)
        )
        meaning = self._meant(readings, ended_s)
        clear = meaning.kind in (Kind.COMMAND, Kind.ANSWER) and meaning.confidence >= self._settings.min_confidence
        if may_be_stop and not clear:
            self._stop(Meaning(Kind.STOP, "stop", math.nan))
        elif meaning.text and (clear or not already):
            self._decide(meaning, ended_s)

    def _meant(self, readings: Sequence[Hypothesis], said_s: float) -> Meaning:
        return self._interpreter.meaning(readings, answering=self._asked(said_s) is not None)

    def _decide(self, meaning: Meaning, said_s: float) -> None:
        settings, now_s = self._settings, self._now_s()
        sure = math.isnan(meaning.confidence) or meaning.confidence >= settings.min_confidence
        if meaning.kind is Kind.STOP:
            self._stop(meaning)
            return
        addressed = self._addressed(meaning.text, said_s)
        question = self._asked(said_s)
        if meaning.kind is Kind.ANSWER and question and sure:
            self._question = None
            self._outputs.heard(meaning)
            if meaning.yes:
                self._outputs.command(question)
        elif not addressed:
            self._outputs.heard(replace(meaning, kind=Kind.NOT_ADDRESSED))
        elif meaning.kind is not Kind.COMMAND or (not sure and meaning.confidence < settings.min_heard):
            self._outputs.heard(replace(meaning, kind=Kind.NOTHING))
        elif sure:
            self._question = None
            if settings.mode == "wake_word":
                self._awake_until_s = now_s + settings.awake_s
            self._outputs.heard(meaning)
            self._outputs.command(meaning.text)
        else:
            self._question = meaning.text, now_s + _ANSWER_S
            self._outputs.heard(replace(meaning, kind=Kind.UNSURE))
            self._outputs.question(f"Did you say: {meaning.text}?")

    def _stop(self, meaning: Meaning) -> None:
        self._question = None
        self._outputs.command("stop")
        self._outputs.heard(meaning)

    def _asked(self, said_s: float) -> str | None:
        """Return the order that a question was open about at a time."""
        if self._question is None or said_s > self._question[1]:
            self._question = None
            return None
        return self._question[0]

    def _addressed(self, text: str, said_s: float) -> bool:
        if self._settings.mode == "always":
            return True
        if self._settings.mode == "wake_word" and after_wake_word(plain_words(text), self._wake_words) is not None:
            self._awake_until_s = self._now_s() + self._settings.awake_s
        return self._talking or said_s <= self._awake_until_s
