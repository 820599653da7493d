"""What becomes of an utterance: orders, stop, wake word, push-to-talk, a question and its answer."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from heard import TASKS, Notes
from numpy.typing import NDArray

from taihri_ros.voice.application import SpeechApplication
from taihri_ros.voice.interpretation import Interpreter, Kind
from taihri_ros.voice.listener import Listener, Settings
from taihri_ros.voice.recogniser import Hypothesis


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def reading(settings: Settings | None = None) -> tuple[Listener, Notes, Clock]:
    notes, clock = Notes(), Clock()
    word = "" if settings is None else settings.wake_word
    return Listener(Interpreter(TASKS, wake_word=word), notes, settings, now_s=clock), notes, clock


def test_an_order_is_sent_and_other_speech_is_not() -> None:
    listener, notes, _ = reading()
    listener.read("shake my left hand")
    listener.read("turn off the lights", 0.9)
    listener.read("left_wrist, right_wrist", 0.9)
    assert notes.commands == ["shake my left hand", "left_wrist, right_wrist"]
    assert notes.kinds == [Kind.COMMAND, Kind.NOTHING, Kind.COMMAND]
    assert math.isnan(notes.meanings[0].confidence)


def test_a_negated_order_is_sent_and_ends_the_running_one() -> None:
    listener, notes, _ = reading()
    listener.read("don't shake my hand", 0.9)
    listener.read("I don't know what to cook", 0.9)
    assert notes.commands == ["don't shake my hand"]


@pytest.mark.parametrize("confidence", [0.02, 0.5, 1.0])
def test_stop_needs_neither_confidence_nor_wake_word(confidence: float) -> None:
    listener, notes, _ = reading(Settings("wake_word"))
    listener.read("no, stop!", confidence)
    assert notes.commands == ["stop"]
    assert notes.kinds == [Kind.STOP]


@pytest.mark.parametrize(("answer", "sent"), [("yes please", ["give me a hug"]), ("no", []), ("what", [])])
def test_an_unsure_order_waits_for_an_answer(answer: str, sent: list[str]) -> None:
    listener, notes, _ = reading()
    listener.read("give me a hug", 0.4)
    assert notes.questions == ["Did you say: give me a hug?"]
    assert not notes.commands
    listener.read(answer, 0.9)
    assert notes.commands == sent
    listener.read("yes", 0.9)
    assert notes.commands == (sent or (["give me a hug"] if answer == "what" else []))


@pytest.mark.parametrize("answer", ["no, shake my hand", "No! I said shake my hand"])
def test_an_answer_may_be_another_order(answer: str) -> None:
    listener, notes, _ = reading()
    listener.read("give me a hug", 0.4)
    listener.read(answer, 0.9)
    assert notes.commands == ["shake my hand"]


def test_an_order_that_is_taken_back_in_one_breath_is_stop() -> None:
    listener, notes, _ = reading()
    listener.read("shake my hand no stop", 0.9)
    listener.read("where is the next bus stop", 0.9)
    assert notes.commands == ["stop"]


def test_a_question_is_forgotten() -> None:
    listener, notes, clock = reading()
    listener.read("give me a hug", 0.4)
    clock.now_s += 11
    listener.read("yes", 0.9)
    assert not notes.commands


def test_stop_ends_a_question() -> None:
    listener, notes, _ = reading()
    listener.read("give me a hug", 0.4)
    listener.read("stop")
    listener.read("yes")
    assert notes.commands == ["stop"]


def test_hardly_anything_heard_is_not_asked_about() -> None:
    listener, notes, _ = reading()
    listener.read("give me a hug", 0.1)
    assert not notes.questions
    assert notes.kinds == [Kind.NOTHING]


def test_a_wake_word_opens_the_ears_for_a_while() -> None:
    listener, notes, clock = reading(Settings("wake_word", wake_word="hey anna", awake_s=8.0))
    listener.read("give me a hug", 0.9)
    listener.read("hey anna, shake my hand", 0.9)
    listener.read("give me a hug", 0.9)
    clock.now_s += 9
    listener.read("give me a hug", 0.9)
    assert notes.commands == ["hey anna, shake my hand", "give me a hug"]
    assert notes.kinds == [Kind.NOT_ADDRESSED, Kind.COMMAND, Kind.COMMAND, Kind.NOT_ADDRESSED]


def test_the_wake_word_may_stand_alone() -> None:
    listener, notes, _ = reading(Settings("wake_word"))
    listener.read("hey robot", 0.9)
    listener.read("give me a hug", 0.9)
    assert notes.commands == ["give me a hug"]


def test_words_may_stand_before_the_wake_word() -> None:
    listener, notes, _ = reading(Settings("wake_word"))
    listener.read("well hey robot, shake my hand", 0.9)
    assert notes.commands == ["well hey robot, shake my hand"]


def test_push_to_talk() -> None:
    listener, notes, clock = reading(Settings("push_to_talk"))
    listener.read("give me a hug", 0.9)
    listener.talk(pressed=True)
    clock.now_s += 60
    listener.read("shake my hand", 0.9)
    listener.talk(pressed=False)
    clock.now_s += 0.5
    listener.read("pat my left shoulder", 0.9)  # its last word was said while the button was pressed
    clock.now_s += 1
    listener.read("give me a hug", 0.9)
    assert notes.commands == ["shake my hand", "pat my left shoulder"]


class EachBlock:
    """An utterance in each block of audio, which takes two seconds to recognise."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def add(self, block: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
        yield block

    def end(self) -> None:
        return None

    def recognise(self, samples: NDArray[np.int16]) -> list[Hypothesis]:
        self.clock.now_s += 2.0
        return [Hypothesis("give me a hug", 0.9)]

    def heard_in(self, block: NDArray[np.int16]) -> bool:
        return False

    heard_alone = heard_in

    def restart(self) -> None:
        pass


def hearing(settings: Settings) -> tuple[Listener, Notes]:
    notes, clock = Notes(), Clock()
    parts: Any = EachBlock(clock)
    words = Interpreter(TASKS)
    listener = Listener(words, notes, settings, recogniser=parts, spotter=parts, utterances=parts, now_s=clock)
    return listener, notes


def test_an_empty_block_of_audio_is_nothing() -> None:
    listener, notes = hearing(Settings())
    listener.hear(np.zeros(0, np.int16))
    assert not notes.kinds


def test_recognition_may_take_longer_than_the_time_after_push_to_talk() -> None:
    listener, notes = hearing(Settings("push_to_talk"))
    listener.talk(pressed=True)
    listener.talk(pressed=False)
    listener.hear(np.zeros(800, np.int16))
    listener.hear(np.zeros(800, np.int16))
    assert notes.kinds == [Kind.COMMAND, Kind.NOT_ADDRESSED]


@pytest.mark.handles("Commands", "audio that ends while somebody speaks", "what was said until then is recognised")
def test_audio_that_stays_away_ends_the_utterance() -> None:
    ended = threading.Event()

    class Ears:
        def hear(self, samples: NDArray[np.int16]) -> None:
            pass

        def finish(self) -> None:
            ended.set()

    with SpeechApplication(Ears()) as application:  # type: ignore[arg-type]
        application.on_samples(np.zeros(800, np.int16))
        assert ended.wait(60.0)


def test_readings_of_one_meaning_are_one() -> None:
    readings = [
        Hypothesis("turn off the lights", 0.4),
        Hypothesis("shake my hand", 0.35),
        Hypothesis("shake hands with me", 0.25),
    ]
    meaning = Interpreter(TASKS).meaning(readings)
    assert (meaning.kind, meaning.text) == (Kind.COMMAND, "shake my hand")
    assert meaning.confidence == pytest.approx(0.6)


def test_any_words_for_a_checkpoint_that_understands_more() -> None:
    meaning = Interpreter(TASKS, any_words=True).meaning([Hypothesis("dance with me", 0.9)])
    assert meaning.kind is Kind.COMMAND


def test_a_general_reading_is_no_order_but_may_be_stop() -> None:
    readings = [Hypothesis("shake my hand", 0.9, general=True), Hypothesis("give me a hug", 0.1)]
    assert Interpreter(TASKS).meaning(readings).kind is Kind.NOTHING
    assert Interpreter(TASKS).meaning([Hypothesis("stop", 0.9, general=True)]).kind is Kind.STOP
