"""The node /taihri_listen without its host: what comes in, what goes out, and the thread that listens."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from taihri_ros.node.messages import Messages
from taihri_ros.node.topics import Topic
from taihri_ros.voice import topics
from taihri_ros.voice.interpretation import Meaning
from taihri_ros.voice.listener import Listener

logger = logging.getLogger(__name__)

_BLOCK = 1600
"""Samples in a block of a recording."""

_BREAK_S = 1.0
"""A stream of audio has ended if nothing comes for this time, seconds; some run only while a button is pressed."""

_LONGEST_QUEUE = 400
"""Blocks of audio that may wait while an utterance is recognised; older ones are dropped."""


class Publishes(Protocol):
    """A host that publishes messages."""

    def publish(self, topic: Topic, message: Any) -> None:
        """Publish a message on a topic of `OUTPUTS`."""


class SpeechOutputs:
    """Publishes commands, questions and what was heard; the `Outputs` of a listener."""

    def __init__(self, host: Publishes, messages: Messages, now_ns: Callable[[], int] = time.time_ns) -> None:
        """Create the outputs.

        Args:
            host: Publishes the messages.
            messages: Builds them.
            now_ns: Returns the time on the node's clock, nanoseconds.
        """
        self._host = host
        self._messages = messages
        self._now_ns = now_ns

    def command(self, text: str) -> None:
        """Send a command to the node."""
        self._host.publish(topics.COMMAND, self._messages.make(topics.COMMAND.type, data=text))

    def question(self, text: str) -> None:
        """Ask the person back."""
        self._host.publish(topics.QUESTION, self._messages.make(topics.QUESTION.type, data=text))

    def heard(self, meaning: Meaning) -> None:
        """Report what was heard, and what became of it."""
        logger.info("heard %r (confidence %.2f): %s", meaning.text, meaning.confidence, meaning.kind.name)
        message = self._messages.make(
            topics.HEARD.type,
            stamp=self._messages.time(self._now_ns()),
            text=meaning.text,
            confidence=float(meaning.confidence),
            kind=int(meaning.kind),
        )
        self._host.publish(topics.HEARD, message)


class SpeechApplication:
    """Hands audio and messages to a listener, in a thread of its own. Use it as a context manager."""

    def __init__(self, listener: Listener) -> None:
        """Create the application; it listens within its context.

        Args:
            listener: Decides what happens.
        """
        self._listener = listener
        self._events: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._dropped = 0
        self._streaming = False
        self._thread = threading.Thread(target=self._run, name="listen", daemon=True)

    def on_samples(self, samples: NDArray[np.int16]) -> None:
        """Listen to a block of audio, (n,) int16, mono, 16 kHz; returns at once."""
        if self._events.qsize() >= _LONGEST_QUEUE:
            if not self._dropped:
                logger.warning("recognition does not keep up with the audio: blocks are dropped")
            self._dropped += 1
            return
        self._events.put(lambda: self._hear(samples))

    def on_text(self, message: Any) -> None:
        """Handle std_msgs/String, as vosk's nodes publish."""
        self._read(message.data)

    def on_live_speech(self, message: Any) -> None:
        """Handle hri_msgs/LiveSpeech; only final results count, and a confidence of 0 means that none was given."""
        self._read(message.final, float(message.confidence) or float("nan"))

    def on_transcription(self, message: Any) -> None:
        """Handle whisper_msgs/Transcription."""
        self._read(message.text)

    def on_push_to_talk(self, message: Any) -> None:
        """Handle std_msgs/Bool: whether the button is pressed."""
        pressed = bool(message.data)
        self._events.put(lambda: self._listener.talk(pressed))

    def play(self, samples: NDArray[np.int16]) -> None:
        """Listen to a whole recording, (n,) int16, mono, 16 kHz, and wait until everything in it is decided."""
        for start in range(0, samples.size, _BLOCK):
            block = samples[start : start + _BLOCK]
            self._events.put(lambda block=block: self._listener.hear(block))  # type: ignore[misc]
        done = threading.Event()
        self._events.put(self._listener.finish)
        self._events.put(done.set)
        done.wait()

    def __enter__(self) -> SpeechApplication:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread."""
        self._events.put(None)
        self._thread.join()

    def _read(self, text: str, confidence: float = float("nan")) -> None:
        self._events.put(lambda: self._listener.read(text, confidence))

    def _hear(self, samples: NDArray[np.int16]) -> None:
        self._streaming = True
        self._listener.hear(samples)

    def _end_stream(self) -> None:
        logger.info("no audio comes any more")
        self._streaming = False
        self._listener.finish()

    def _next(self) -> Callable[[], None] | None:
        try:
            return self._events.get(timeout=_BREAK_S if self._streaming else None)
        except queue.Empty:
            return self._end_stream

    def _run(self) -> None:
        while (event := self._next()) is not None:
            try:
                event()
            except Exception:
                logger.exception("internal error while listening")
