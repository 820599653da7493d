"""What an utterance asks for: an order, `stop`, an answer to a question, or nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from taihri_ros.commands.joint_lists import named_joints
from taihri_ros.commands.negation import negating_words
from taihri_ros.commands.plain_words import plain_words
from taihri_ros.commands.stop_words import means_stop
from taihri_ros.commands.tasks import Tasks
from taihri_ros.voice.recogniser import Hypothesis

_YES = re.compile(r"(?:yes|yeah|yep|right|correct|exactly|okay|ok|sure|do it|that's right|go ahead|please do)\b")
_NO = re.compile(r"(?:no|nope|wrong|that's wrong|not that)\b")
_CORRECTING = re.compile(r"(?:no|nope|wrong)\b[\s,.!]*(?:i (?:said|meant|mean)\b[\s,]*)?(?=\w)", re.IGNORECASE)
_LAST_STOP = re.compile(r"(?: no| wait| please)* stop(?: it| that| now| please)*$")
_NEGATING = re.compile(r"(?:please )?(?:do not|don't|dont|never|no|not)\b ?")
_LONGEST_ANSWER = 4
"""Number of words of the longest answer to a question."""

_BEFORE_WAKE_WORD = re.compile(r"(?:\S+ ){0,2}")
"""What may be said before the wake word, such as "okay", or is heard there."""


def after_wake_word(words: str, wake_word: str) -> str | None:
    """Return what follows the wake word at the beginning of a sentence; None if it is not there.

    Args:
        words: The sentence, in plain words.
        wake_word: The wake word, in plain words.
    """
    found = re.match(_BEFORE_WAKE_WORD.pattern + re.escape(wake_word), words) if wake_word else None
    return words[found.end() :].strip() if found else None


class Kind(IntEnum):
    """What an utterance asks for; the values equal the constants of `HeardSpeech.msg`."""

    NOTHING = 0
    """It asks for no task."""
    COMMAND = 1
    """An order, which was sent."""
    STOP = 2
    """An order to stop, which was sent."""
    UNSURE = 3
    """An order that was not heard clearly: a question was asked back."""
    ANSWER = 4
    """An answer to the question before."""
    NOT_ADDRESSED = 5
    """Speech while nobody addressed the robot: no wake word, no push-to-talk."""


@dataclass(frozen=True)
class Meaning:
    """What an utterance asks for.

    Attributes:
        kind: NOTHING, COMMAND, STOP or ANSWER.
        text: The words that were heard.
        confidence: Probability of the meaning, not only of these words, in [0, 1]; NaN if the source gives none.
        yes: Whether an ANSWER is yes.
    """

    kind: Kind
    text: str
    confidence: float
    yes: bool = False


class Interpreter:
    """Reads the meaning of utterances with the task table.

    Readings that ask for the same joints are one meaning: "shake my hand" and "shake my hands" together are surer than
    each of them alone.
    """

    def __init__(self, tasks: Tasks, *, wake_word: str = "", any_words: bool = False) -> None:
        """Create an interpreter.

        Args:
            tasks: The task table.
            wake_word: Words before a sentence that only address the robot.
            any_words: Take all words for an order, for a checkpoint that understands more than the table.
        """
        tasks.prepare()
        self._tasks = tasks
        self._wake_words = plain_words(wake_word)
        self._any_words = any_words

    def meaning(self, readings: Sequence[Hypothesis], *, answering: bool = False) -> Meaning:
        """Return what an utterance asks for.

        Args:
            readings: The readings of the utterance, the most probable first.
            answering: Whether a question waits for an answer.
        """
        shares: dict[tuple[Kind, object], float] = defaultdict(float)
        first: dict[tuple[Kind, object], Hypothesis] = {}
        for heard in readings:
            reading = self._corrected(heard) if answering else heard
            key = self._key(reading, answering)
            shares[key] += reading.probability
            first.setdefault(key, reading)
        if not shares:
            return Meaning(Kind.NOTHING, "", 0.0)
        key = max(shares, key=lambda each: shares[each])
        return Meaning(key[0], first[key].text, min(1.0, shares[key]), key == (Kind.ANSWER, True))

    def request(self, reading: Hypothesis) -> tuple[Kind, object] | None:
        """Return what a reading asks for, an order or "stop", equal for readings of one meaning; None for nothing."""
        kind, what = self._key(reading, answering=False)
        return (kind, what) if kind in (Kind.COMMAND, Kind.STOP) else None

    def _key(self, reading: Hypothesis, answering: bool) -> tuple[Kind, object]:
        """Return the kind of a sentence, and what two sentences of one meaning have in common."""
        text = reading.text
        if means_stop(text):
            return Kind.STOP, None
        words = plain_words(text)
        following = after_wake_word(words, self._wake_words)
        words = words if following is None else following
        short = len(words.split()) <= _LONGEST_ANSWER
        if answering and short and (_YES.match(words) or _NO.match(words)):
            return Kind.ANSWER, bool(_YES.match(words))
        if not reading.general:
            if joints := self._joints(words):
                return Kind.COMMAND, joints
            if (last := _LAST_STOP.search(words)) and self._joints(words[: last.start()]):
                return Kind.STOP, None  # recognisers write no comma: "shake my hand, no, stop"
            if negating_words(text) and self._joints(_NEGATING.sub("", words)):
                return Kind.COMMAND, "not"  # the node ends its command
        return (Kind.COMMAND, words) if self._any_words and words else (Kind.NOTHING, None)

    def _corrected(self, reading: Hypothesis) -> Hypothesis:
        """Return "shake my hand" for "no, shake my hand", the answer to a question about another order."""
        found = _CORRECTING.match(reading.text)
        text = reading.text[found.end() :] if found else ""
        return replace(reading, text=text) if text and not negating_words(text) and self._joints(text) else reading

    def _joints(self, text: str) -> tuple[str, ...]:
        task = self._tasks.match(text)
        return task.joints if task else named_joints(text)
