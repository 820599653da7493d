"""Pictures are read from files; other files are refused with a clear message."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from taihri_ros.camera.picture_files import read_picture
from taihri_ros.errors import TaihriError


def test_a_picture_is_read_as_rgb(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    cv2.imwrite(str(path), np.full((4, 6, 3), (1, 2, 3), np.uint8))
    picture = read_picture(path)
    assert picture.dtype == np.uint8
    assert picture.shape == (4, 6, 3)
    assert (picture == [3, 2, 1]).all()


def test_a_grey_picture_gets_three_channels(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    cv2.imwrite(str(path), np.full((4, 6), 9, np.uint8))
    assert read_picture(path).shape == (4, 6, 3)


@pytest.mark.parametrize("content", [None, b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_not_a_picture_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "p.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TaihriError, match=r"p\.jpg is not a readable picture: use a JPEG or PNG file"):
        read_picture(path)
    with pytest.raises(TaihriError, match="is not a readable picture"):
        read_picture(tmp_path)
