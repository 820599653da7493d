"""Other recognisers reach the node over DDS with their own message types."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dds_peer import wait_until
from domains import new_domain

from taihri_ros.node.dds_host import DdsNode, RosTypes
from taihri_ros.resources import share_directory
from taihri_ros.voice import topics
from taihri_ros.voice.configured_listener import ListenOptions
from taihri_ros.voice.dds_listener import DdsListener
from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.interpretation import Kind
from taihri_ros.voice.message_definitions import register_speech_types
from taihri_ros.voice.whisper import WhisperRecogniser

HASHES = {
    "std_msgs/msg/String": "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18",
}
"""Type hashes as ROS 2 itself computes them."""


class Robot:
    """A recogniser and the node /taihri, as another participant."""

    def __init__(self, node: DdsNode, types: RosTypes) -> None:
        self.node, self.types = node, types
        self.commands: list[str] = []
        self.questions: list[str] = []
        self.heard: list[Any] = []
        node.subscribe(topics.COMMAND.type, "/taihri/command", lambda message: self.commands.append(message.data))
        node.subscribe(
            topics.QUESTION.type, "/taihri_listen/question", lambda message: self.questions.append(message.data)
        )
        node.subscribe(topics.HEARD.type, "/taihri_listen/heard", self.heard.append)

    def send(self, name: str, topic: topics.Topic, **fields: Any) -> None:
        publisher = self.node.publisher(topic.type, name)
        wait_until(lambda: publisher.matched)
        publisher.publish(self.types.message(topic.type)(**fields))

    def header(self) -> Any:
        stamp = self.types.message("builtin_interfaces/msg/Time")(sec=int(time.time()), nanosec=0)
        return self.types.message("std_msgs/msg/Header")(stamp=stamp, frame_id="")


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch, *remaps: str, **options: Any) -> Iterator[Robot]:
    domain = new_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    types = RosTypes("jazzy", share_directory())
    register_speech_types(types)
    with (
        DdsNode("robot", types=types, domain_id=domain) as node,
        DdsListener(ListenOptions(audio="none", **options), remaps=remaps) as listener,
    ):
        robot = Robot(node, types)
        listener.await_node(20.0)
        wait_until(lambda: all(publisher.matched for publisher in listener._publishers.values()))
        yield robot


def test_hri_live_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    remap = "~/live_speech:=/humans/voices/anon/speech"
    with running(monkeypatch, remap, bridges=("live_speech",)) as robot:
        publisher = robot.node.publisher(topics.LIVE_SPEECH.type, "/humans/voices/anon/speech")
        wait_until(lambda: publisher.matched)
        speech = robot.types.message(topics.LIVE_SPEECH.type)
        for incremental, final, confidence in (("shake", "", 0.0), ("", "shake my hand", 0.9), ("", "hug me", 0.4)):
            publisher.publish(
                speech(
                    header=robot.header(),
                    incremental=incremental,
                    final=final,
                    confidence=confidence,
                    language="en-GB",
                )
            )
        wait_until(lambda: robot.questions)
    assert robot.commands == ["shake my hand"]
    assert robot.questions == ["Did you say: hug me?"]
    assert [message.kind for message in robot.heard[:2]] == [Kind.COMMAND, Kind.UNSURE]
    assert robot.heard[0].confidence == pytest.approx(0.9)


def test_text_of_vosk(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, bridges=("text",)) as robot:
        robot.send("/taihri_listen/text", topics.TEXT, data="give me a high five")
        wait_until(lambda: robot.commands)
    assert robot.commands == ["give me a high five"]


def test_transcriptions_of_whisper_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    remap = "~/transcription:=/whisper/transcription"
    with running(monkeypatch, remap, bridges=("transcription",)) as robot:
        robot.send(
            "/whisper/transcription",
            topics.TRANSCRIPTION,
            text=" Shake my left hand, please.",
            audio_time=1.5,
            transcription_time=0.2,
        )
        wait_until(lambda: robot.commands)
    assert robot.commands == [" Shake my left hand, please."]


def test_push_to_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(monkeypatch, bridges=("text",), mode="push_to_talk") as robot:
        robot.send("/taihri_listen/text", topics.TEXT, data="give me a hug")
        wait_until(lambda: robot.heard)
        robot.send("/taihri_listen/push_to_talk", topics.PUSH_TO_TALK, data=True)
        robot.send("/taihri_listen/text", topics.TEXT, data="shake my hand")
        wait_until(lambda: robot.commands)
    assert robot.commands == ["shake my hand"]
    assert robot.heard[0].kind == Kind.NOT_ADDRESSED


def test_the_type_hash_of_a_known_message() -> None:
    types = RosTypes("jazzy")
    register_speech_types(types)
    for name, wanted in HASHES.items():
        assert types.type_hash(name) == wanted


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"audio": "telephone"}, "audio is 'telephone': choose one of microphone"),
        ({"recogniser": "vosk"}, "recogniser is 'vosk': choose one of sphinx"),
        ({"mode": "never"}, "mode is 'never': choose one of always"),
        ({"wake_word": "123"}, "wake_word '123' holds no English word"),
        ({"bridges": ("radio",)}, "bridges is 'radio': choose one of text"),
    ],
)
def test_wrong_options_are_one_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(VoiceError, match=message):
        ListenOptions(**wrong)


def test_a_missing_whisper_model_is_one_line() -> None:
    with pytest.raises(VoiceError, match=r"/nowhere holds no Whisper model for faster-whisper"):
        WhisperRecogniser(Path("/nowhere"))
