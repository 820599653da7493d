"""Pictures and calibrations are read from files; other files are refused with a clear message."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.camera.picture_files import read_camera, read_picture
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


K = [500.0, 0, 320, 0, 510, 240, 0, 0, 1]
FIELDS = {"width": 640, "height": 480, "distortion_model": "plumb_bob", "d": [0.1, 0, 0, 0, 0], "k": K}


def test_a_json_file_with_the_fields_of_camera_info_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(FIELDS))
    camera = read_camera(path)
    assert (camera.width, camera.height, camera.model) == (640, 480, DistortionModel.PLUMB_BOB)
    np.testing.assert_array_equal(camera.K.ravel(), K)


def test_a_yaml_file_of_camera_calibration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "image_width: 640\nimage_height: 480\ncamera_name: head\n"
        f"camera_matrix: {{rows: 3, cols: 3, data: {K}}}\n"
        "distortion_model: plumb_bob\n"
        "distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}\n"
    )
    assert read_camera(path).K[1, 1] == 510


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not readable YAML or JSON"),
        (b"\xff\xd8\xff\xe0", "is not readable YAML or JSON"),
        (b"a: [1, 2", "is not readable YAML or JSON"),
        (b"!!python/object/apply:os.system ['true']", "is not readable YAML or JSON"),
        (b"", "is not a calibration: it must hold a mapping"),
        (b"[1, 2]", "is not a calibration: it must hold a mapping"),
        (b"1: 2", "is not a calibration: it must hold a mapping"),
        (b"width: 640", "camera file lacks height"),
        (json.dumps(FIELDS | {"k": [0.0] * 9}).encode(), "not calibrated"),
    ],
)
def test_a_file_that_is_not_a_calibration_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "c.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TaihriError, match=message) as refused:
        read_camera(path)
    assert "\n" not in str(refused.value)
