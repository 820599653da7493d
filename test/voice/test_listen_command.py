"""`taihri listen` on the command line."""

from __future__ import annotations

import dataclasses
import wave
from pathlib import Path

import pytest
from click.testing import CliRunner
from dds_peer import wait_until
from domains import new_domain
from synthetic_voice import recording

from taihri_ros.cli.listen import command
from taihri_ros.node.dds_host import DdsNode
from taihri_ros.voice import topics
from taihri_ros.voice.configured_listener import ListenOptions
from taihri_ros.voice.errors import VoiceError


def test_every_option_has_the_default_of_the_ros_parameter() -> None:
    values = command.make_context("listen", []).params
    assert ListenOptions() == ListenOptions(
        **{field.name: values[field.name] for field in dataclasses.fields(ListenOptions)}
    )


def test_a_wrong_option_is_one_line() -> None:
    result = CliRunner().invoke(command, ["--recogniser", "whisper", "--model", "nowhere"])
    assert isinstance(result.exception, VoiceError)
    assert str(result.exception) == "nowhere holds no Whisper model for faster-whisper: name a directory with model.bin"


@pytest.mark.soak
def test_a_recording_is_played_to_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "order.wav"
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(recording("give me a hug").tobytes())
    domain = new_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    commands: list[str] = []
    with DdsNode("taihri", domain_id=domain) as node:
        node.subscribe(topics.COMMAND.type, "~/command", lambda message: commands.append(message.data))
        result = CliRunner().invoke(command, ["--wav", str(file)], catch_exceptions=False)
        wait_until(lambda: commands)
    assert result.exit_code == 0
    assert commands == ["give me a hug"]
