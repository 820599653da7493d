"""Audio of any kind becomes mono int16 at 16 kHz, or is refused with one line."""

from __future__ import annotations

import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from taihri_ros.node.dds_host import RosTypes
from taihri_ros.voice.audio import MonoConverter, read_wav
from taihri_ros.voice.audio_messages import AudioMessages
from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.message_definitions import register_speech_types
from taihri_ros.voice.microphone import Microphone

TONE_HZ = 440.0


def tone(rate_hz: int, seconds: float = 0.5) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(round(rate_hz * seconds)) / rate_hz)


def assert_is_tone(samples: NDArray[np.int16]) -> None:
    assert samples.dtype == np.int16
    middle = samples[2000:6000].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size)))
    assert np.argmax(spectrum) * 16000 / middle.size == pytest.approx(TONE_HZ, abs=5)
    assert np.abs(middle).max() == pytest.approx(0.5 * 32768, rel=0.02)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 44_100, 48_000])
def test_every_rate_in_blocks(rate_hz: int) -> None:
    converter = MonoConverter(rate_hz)
    blocks = np.array_split(tone(rate_hz).astype(np.float32), 9)
    assert_is_tone(np.concatenate([converter.convert(block) for block in blocks]))


def test_two_channels_are_averaged() -> None:
    samples = np.column_stack([tone(16_000), np.zeros(8000)]).ravel()
    mono = MonoConverter(16_000, channels=2).convert(samples.astype(np.float32))
    assert np.abs(mono).max() == pytest.approx(0.25 * 32768, rel=0.02)


@pytest.mark.handles("Commands", "audio with NaN, infinite or far too large samples", "those samples alone are wrong")
@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e30])
def test_broken_samples_do_not_spoil_those_after_them(broken: float) -> None:
    samples = tone(44_100).astype(np.float32)
    samples[10:15] = broken
    assert_is_tone(MonoConverter(44_100).convert(samples))


def test_floats_in_the_range_of_integers_are_refused() -> None:
    with pytest.raises(VoiceError, match="beyond -1 to 1"):
        MonoConverter(16_000).convert((tone(16_000) * 32768).astype(np.float32))


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_files(tmp_path: Path, width: int) -> None:
    file = tmp_path / "tone.wav"
    values = tone(44_100)
    if width == 1:
        content = (values * 127 + 128).astype(np.uint8).tobytes()
    elif width == 3:
        content = (values * 2.0**31).astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    else:
        content = (values * 2.0 ** (8 * width - 1)).astype(f"<i{width}").tobytes()
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(width)
        out.setframerate(44_100)
        out.writeframes(content)
    assert_is_tone(read_wav(file))


def test_a_file_that_is_no_wav_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "song.wav"
    file.write_bytes(b"ID3 not a wave file")
    with pytest.raises(VoiceError, match=r"song\.wav is not a readable WAV file"):
        read_wav(file)


@pytest.mark.handles(
    "Commands", "`taihri listen` without a microphone or PortAudio", "ends with one line that says what to do"
)
def test_a_missing_microphone_is_one_line() -> None:
    with pytest.raises(
        VoiceError, match=r"PortAudio is not installed: sudo apt-get|there is no microphone 'no such one'"
    ):
        Microphone(lambda samples: None, "no such one")


class UnpluggedDevice:
    """A stand-in for the module sounddevice, whose microphone is unplugged as soon as it records."""

    class PortAudioError(Exception):
        pass

    class InputStream:
        def __init__(self, finished_callback: Any, **_: Any) -> None:
            self.finished_callback = finished_callback

        def start(self) -> None:
            self.finished_callback()

        def close(self) -> None:
            self.finished_callback()

    @staticmethod
    def query_devices(*_: Any) -> dict[str, float]:
        return {"default_samplerate": 16_000.0}


@pytest.mark.handles("Commands", "the microphone is unplugged while `taihri listen` runs", "one line in the log")
def test_an_unplugged_microphone_is_reported(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", UnpluggedDevice)
    with Microphone(lambda samples: None):
        pass
    assert [record.message.partition(":")[0] for record in caplog.records] == ["the microphone has gone"]


def types(*, ros_drivers: bool = False) -> RosTypes:
    known = RosTypes("jazzy")
    register_speech_types(known, ros_drivers=ros_drivers)
    return known


def stamped(known: RosTypes, *, form: int, rate: int = 16_000, **samples: Any) -> Any:
    make = known.message
    empty = {f"{name}_data": np.array([], name) for name in ("float32", "int32", "int16", "int8", "uint8")}
    message = make("audio_common_msgs/msg/AudioStamped")(
        header=make("std_msgs/msg/Header")(stamp=make("builtin_interfaces/msg/Time")(sec=1, nanosec=0), frame_id="mic"),
        audio=make("audio_common_msgs/msg/Audio")(
            audio_data=make("audio_common_msgs/msg/AudioData")(**(empty | samples)),
            info=make("audio_common_msgs/msg/AudioInfo")(format=form, channels=1, rate=rate, chunk=512),
        ),
    )
    cdr = known.serialize(message, "audio_common_msgs/msg/AudioStamped")
    return known.deserialize(bytes(cdr), "audio_common_msgs/msg/AudioStamped")


def test_audio_of_audio_common() -> None:
    heard: list[NDArray[np.int16]] = []
    known, reader = types(), AudioMessages(heard.append)
    for block in np.array_split((tone(48_000) * 32768).astype(np.int16), 10):
        reader.on_stamped(stamped(known, form=8, rate=48_000, int16_data=block))
    assert_is_tone(np.concatenate(heard))
    heard.clear()
    reader.on_stamped(stamped(known, form=1, float32_data=tone(16_000).astype(np.float32)))
    assert_is_tone(np.concatenate(heard))


def test_audio_of_ros_drivers() -> None:
    heard: list[NDArray[np.int16]] = []
    known = types(ros_drivers=True)
    message = known.message("audio_common_msgs/msg/AudioData")(
        data=np.frombuffer((tone(16_000) * 32768).astype("<i2").tobytes(), np.uint8)
    )
    AudioMessages(heard.append).on_raw(message)
    assert_is_tone(np.concatenate(heard))


def test_audio_that_cannot_be_read_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[NDArray[np.int16]] = []
    known, reader = types(), AudioMessages(heard.append)
    for _ in range(3):
        reader.on_stamped(stamped(known, form=4))
        reader.on_stamped(stamped(known, form=8, rate=0, int16_data=np.zeros(4, np.int16)))
    assert not heard
    assert len(caplog.records) == 2
