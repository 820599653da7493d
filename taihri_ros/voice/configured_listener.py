"""A listener from its options, which the command line and the ROS parameters share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from taihri_ros.commands.tasks import Tasks
from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.interpretation import Interpreter
from taihri_ros.voice.language_model import spoken_words
from taihri_ros.voice.listener import Listener, Mode, Outputs, Settings
from taihri_ros.voice.pooled import PooledRecogniser
from taihri_ros.voice.recogniser import Recogniser
from taihri_ros.voice.sphinx import SphinxRecogniser
from taihri_ros.voice.spoken_sentences import spoken_sentences
from taihri_ros.voice.stop_spotter import StopSpotter
from taihri_ros.voice.topics import BRIDGES
from taihri_ros.voice.typical_orders import typical_orders
from taihri_ros.voice.utterances import Utterances
from taihri_ros.voice.whisper import FEW_ORDERS, WhisperRecogniser
from taihri_ros.voice.whisper_model import installed_model

Audio = Literal["microphone", "audio_stamped", "audio_data", "wav", "none"]
"""Where audio comes from: a microphone, one of the two packages audio_common_msgs, a file, or nowhere,
for text alone."""

RecogniserKind = Literal["sphinx", "whisper", "both"]


@dataclass(frozen=True)
class ListenOptions:
    """Options of the node /taihri_listen; each is a ROS parameter and an option of `taihri listen`.

    Attributes:
        audio: Where audio comes from.
        device: Microphone: number or a part of its name; empty for the default one.
        rate_hz: Rate of raw audio, samples per second; for `audio_data`, which does not say it.
        channels: Number of channels of such audio.
        recogniser: Speech recognition.
        model: Directory of the Whisper model; empty for the one that the extra voice-whisper installs.
        mode: When speech is meant for the robot.
        wake_word: The words that address the robot in the mode wake_word.
        awake_s: Time after the wake word and after an order without need of it, seconds.
        min_confidence: Confidence from which on an order is sent; below it a question is asked back.
        any_words: Send all words, not only what the task table understands.
        tasks: Task file with further tasks; empty for none.
        bridges: Topics of other recognisers to subscribe to.
    """

    audio: str = "microphone"
    device: str = ""
    rate_hz: int = 16_000
    channels: int = 1
    recogniser: str = "sphinx"
    model: str = ""
    mode: str = "always"
    wake_word: str = "hey robot"
    awake_s: float = 8.0
    min_confidence: float = 0.5
    any_words: bool = False
    tasks: str = ""
    bridges: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            VoiceError: A value is not valid.
        """
        for name, known in (("audio", Audio), ("recogniser", RecogniserKind), ("mode", Mode)):
            _check_choice(name, getattr(self, name), get_args(known))
        for bridge in self.bridges:
            _check_choice("bridges", bridge, tuple(BRIDGES))
        if not spoken_words(self.wake_word):
            raise VoiceError(f"wake_word {self.wake_word!r} holds no English word: write one or two")
        if not 0.0 <= self.min_confidence <= 1.0:
            raise VoiceError(f"min_confidence is {self.min_confidence}: it must be from 0 to 1")


def configured_listener(options: ListenOptions, outputs: Outputs) -> Listener:
    """Return the listener of options; making the language model takes some seconds.

    Args:
        options: The options.
        outputs: Receives what is heard.

    Raises:
        TaihriError: A package, a model or a task file cannot be used.
    """
    tasks = Tasks.load(*([options.tasks] if options.tasks else []))
    mode: Mode = next(each for each in get_args(Mode) if each == options.mode)
    settings = Settings(mode, options.wake_word, options.awake_s, options.min_confidence)
    interpreter = Interpreter(tasks, wake_word=options.wake_word, any_words=options.any_words)
    if options.audio == "none":
        return Listener(interpreter, outputs, settings)
    return Listener(
        interpreter,
        outputs,
        settings,
        recogniser=_recogniser(options, tasks, interpreter),
        spotter=StopSpotter(),
        utterances=Utterances(),
    )


def _recogniser(options: ListenOptions, tasks: Tasks, interpreter: Interpreter) -> Recogniser:
    if options.recogniser == "sphinx":
        return _sphinx(options, tasks)
    if options.recogniser == "whisper":
        return _whisper(options, tasks)
    return PooledRecogniser(_whisper(options, tasks), _sphinx(options, tasks), interpreter.request)


def _sphinx(options: ListenOptions, tasks: Tasks) -> SphinxRecogniser:
    return SphinxRecogniser([*spoken_sentences(tasks), *[spoken_words(options.wake_word)] * 50])


def _whisper(options: ListenOptions, tasks: Tasks) -> WhisperRecogniser:
    wake = f"{options.wake_word.capitalize()}. " if options.mode == "wake_word" else ""
    return WhisperRecogniser(
        Path(options.model).expanduser() if options.model else installed_model(),
        [wake + orders for orders in (FEW_ORDERS, typical_orders(tasks))],
    )


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise VoiceError(f"{name} is {value!r}: choose one of {', '.join(known)}")
