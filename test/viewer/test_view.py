from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from bag_files import camera_records, write_bag
from click import UsageError
from click.testing import CliRunner

from taihri_ros.cli import view
from taihri_ros.errors import TaihriError

pytestmark = pytest.mark.usefixtures("default_signals")  # the command handles them


def run(*arguments: object) -> str:
    done = CliRunner().invoke(view.command, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_bag_is_saved_as_a_recording(tmp_path: Path) -> None:
    bag, saved = write_bag(tmp_path / "camera", camera_records()), tmp_path / "seen.rrd"
    assert f"wrote {saved}: look at it with taihri view {saved}" in run(bag, "--save", saved)
    assert saved.read_bytes().startswith(b"RRF2")


def test_a_recording_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "camera", camera_records(1))
    with pytest.raises(TaihriError, match=r"choose one that ends with \.rrd"):
        run(bag, "--save", tmp_path / "seen.mp4")
    with pytest.raises(TaihriError, match="its directory does not exist"):
        run(bag, "--save", tmp_path / "nowhere" / "seen.rrd")


def test_a_disk_that_is_full_at_the_beginning_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = write_bag(tmp_path / "camera", camera_records(1))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(TaihriError, match=r"seen\.rrd cannot be written: less than 1 MiB are free there"):
        run(bag, "--save", tmp_path / "seen.rrd")


def test_a_port_that_is_in_use_is_named_before_a_bag_is_read(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TaihriError, match=f"cannot listen on 127.0.0.1:{port}"):
            run(tmp_path, "--port", port)


def test_a_recording_is_not_saved_again(tmp_path: Path) -> None:
    recording = tmp_path / "seen.rrd"
    recording.write_bytes(b"RRF2")
    with pytest.raises(TaihriError, match="is a recording of Rerun already: leave out --save"):
        run(recording, "--save", tmp_path / "again.rrd")


def test_a_recording_is_shown_by_itself(tmp_path: Path) -> None:
    recording = tmp_path / "seen.rrd"
    recording.write_bytes(b"RRF2")
    with pytest.raises(UsageError, match=r"show one \.rrd file at a time, and without bags"):
        CliRunner().invoke(view.command, [str(recording)] * 2, catch_exceptions=False, standalone_mode=False)
