"""`taihri listen`: turn speech into commands for the node."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import click

from taihri_ros.cli.options import ros_args_option
from taihri_ros.node.stop_event import set_by_signals

_NODE_S = 3.0
"""Longest time in seconds for which the node is awaited before a recording is played."""


@click.command("listen")
@click.option(
    "--audio",
    type=click.Choice(("microphone", "audio_stamped", "audio_data", "none")),
    default="microphone",
    show_default=True,
    help="Where audio comes from; none for the text of other recognisers alone.",
)
@click.option(
    "--wav",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Listen to a WAV file and end, to try it.",
)
@click.option("--device", default="", help="Microphone: number, or a part of its name.")
@click.option("--rate", "rate_hz", default=16_000, show_default=True, help="Rate of --audio audio_data, Hz.")
@click.option("--channels", default=1, show_default=True, help="Channels of --audio audio_data.")
@click.option(
    "--recogniser",
    type=click.Choice(("sphinx", "whisper", "both")),
    default="sphinx",
    show_default=True,
    help="Speech recognition: both (extra voice-whisper) understands most, sphinx needs least.",
)
@click.option("--model", default="", help="Directory of a Whisper model, if not the one of the extra voice-whisper.")
@click.option(
    "--mode",
    type=click.Choice(("always", "push_to_talk", "wake_word")),
    default="always",
    show_default=True,
    help='When speech is meant for the robot. "Stop" always is.',
)
@click.option("--wake-word", default="hey robot", show_default=True, help="Words that address the robot.")
@click.option(
    "--awake",
    "awake_s",
    type=click.FloatRange(0),
    default=8.0,
    show_default=True,
    help="Seconds after the wake word and after an order without need of it.",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Confidence below which a question is asked back.",
)
@click.option("--any-words", is_flag=True, help="Send all words, not only what the task table understands.")
@click.option("--tasks", default="", help="Task file with tasks in addition to those of the package.")
@click.option(
    "--bridge",
    "bridges",
    multiple=True,
    type=click.Choice(("text", "live_speech", "transcription")),
    help="Read what another recogniser has heard from ~/text, ~/live_speech or ~/transcription. Repeatable.",
)
@click.option("-r", "--remap", metavar="FROM:=TO", multiple=True, help="Remap a topic. Repeatable.")
@ros_args_option
@click.option("--distro", default="jazzy", show_default=True, help="ROS 2 distribution of the robot.")
def command(*, wav: Path | None, remap: tuple[str, ...], distro: str, **values: Any) -> None:
    """Listen to a microphone, an audio topic or another recogniser, and send orders to /taihri/command.

    \b
    Examples:
      taihri listen
      taihri listen --mode wake_word --wake-word "hey robot"
      taihri listen --audio audio_stamped -r audio:=/audio/audio
      taihri listen --audio none --bridge transcription -r '~/transcription:=/whisper/transcription'
      taihri listen --wav order.wav
    """
    from taihri_ros.voice.audio import read_wav
    from taihri_ros.voice.configured_listener import ListenOptions
    from taihri_ros.voice.dds_listener import DdsListener

    if wav is not None:
        values["audio"] = "wav"
    stop = set_by_signals(Event())
    with DdsListener(ListenOptions(**values), distro=distro, remaps=remap) as listener:
        if wav is None:
            stop.wait()
            return
        listener.await_node(_NODE_S)
        listener.application.play(read_wav(wav))
