"""Picture files are read and written whatever their names; what is not a picture is refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from encoded_pictures import exif, jpeg, noise, png, smooth, with_segment

from taihri_ros.camera.picture_error import PictureError
from taihri_ros.camera.picture_files import check_picture_name, picture_size, read_picture, write_picture

NAMES = ["p.png", "照片 一.png", "a b;'$(x).png", os.fsdecode(b"caf\xe9.png")]


@pytest.mark.handles(
    "Pictures", "file name with blanks, Chinese letters, or bytes that are not UTF-8", "read and written"
)
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_written_and_read_under_any_name(tmp_path: Path, name: str) -> None:
    write_picture(tmp_path / name, noise())
    np.testing.assert_array_equal(read_picture(tmp_path / name), noise())
    assert picture_size(tmp_path / name) == (96, 64)


def test_a_jpeg_is_written(tmp_path: Path) -> None:
    write_picture(tmp_path / "p.JPG", smooth())
    assert (tmp_path / "p.JPG").read_bytes()[:3] == b"\xff\xd8\xff"
    assert np.abs(read_picture(tmp_path / "p.JPG").astype(int) - smooth()).max() < 16


def test_a_grey_picture_gets_three_channels(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(png(smooth()[..., 0]))
    assert read_picture(tmp_path / "p.png").shape == (64, 96, 3)


def test_the_check_of_the_size_and_the_formats_are_passed_on(tmp_path: Path) -> None:
    path, sizes = tmp_path / "p.jpg", []
    path.write_bytes(with_segment(jpeg(smooth()), 0xE1, b"Exif\0\0" + exif(6)))
    assert read_picture(path, check_size=lambda *size: sizes.append(size), upright=True).shape == (96, 64, 3)
    assert sizes == [(96, 64)]
    with pytest.raises(PictureError, match=r"p\.jpg: the picture is a JPEG, which is not accepted"):
        read_picture(path, formats=["png"])


def refused(path: Path) -> str:
    with pytest.raises(PictureError) as error:
        read_picture(path)
    assert "\n" not in str(error.value)
    str(error.value).encode()
    return str(error.value)


@pytest.mark.handles("Pictures", "missing, empty or unreadable file, directory, FIFO, device", "refused: one line each")
def test_what_is_not_a_picture_file_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.jpg").endswith("none.jpg cannot be read: No such file or directory")
    assert "is not a regular file" in refused(tmp_path)
    assert "is not a regular file" in refused(Path("/dev/zero"))
    os.mkfifo(tmp_path / "fifo.jpg")
    assert "is not a regular file" in refused(tmp_path / "fifo.jpg")
    (tmp_path / "empty.jpg").touch()
    assert refused(tmp_path / "empty.jpg").endswith("empty.jpg is empty: name a JPEG or PNG file")
    assert "cannot be read" in refused(tmp_path / ("a" * 300))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read" in refused(tmp_path / "loop")


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(2**30)
    assert "has 1024 MiB, too much for a picture" in refused(tmp_path / "huge.jpg")


@pytest.mark.handles("Pictures", "picture file that is cut off", "refused, as on a topic")
def test_a_file_that_is_cut_off_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    path.write_bytes(jpeg(noise())[:2000])
    assert "/caf\N{REPLACEMENT CHARACTER}.jpg: the JPEG is cut off after 2000 bytes: check the camera" in refused(path)


@pytest.mark.parametrize("name", ["p", "p.gif", "png", os.fsdecode(b"p.\xe9")])
def test_a_name_without_a_known_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureError, match=r"must end in \.png or \.jpg"):
        check_picture_name(Path(name))
    with pytest.raises(PictureError, match=r"must end in"):
        write_picture(tmp_path / name, smooth())
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"cannot write .*p\.png: No such file or directory"):
        write_picture(tmp_path / "none" / "p.png", smooth())
