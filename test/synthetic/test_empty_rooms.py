from __future__ import annotations

from pathlib import Path

import cv2
from click.testing import CliRunner

from taihri_ros.cli.synth import command


def test_pictures_of_empty_rooms_are_written_once(tmp_path: Path) -> None:
    arguments = ["--empty-rooms", "--out", str(tmp_path), "--count", "4", "--seed", "5", "--size", "96"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [f"room-5-{number:06d}.jpg" for number in range(4)]
    pictures = [cv2.imread(str(file)) for file in files]
    assert all(max(picture.shape[:2]) == 96 and picture.std() > 1.0 for picture in pictures)
    before = [file.stat().st_mtime_ns for file in files]
    assert CliRunner().invoke(command, arguments).exit_code == 0
    assert [file.stat().st_mtime_ns for file in files] == before


def test_empty_rooms_need_a_directory() -> None:
    assert "--out DIR" in CliRunner().invoke(command, ["--empty-rooms"]).output
