"""Readers of picture files and camera calibration files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.errors import TaihriError


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture file.

    Args:
        path: File in JPEG, PNG or another format that OpenCV reads.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        TaihriError: The file is missing or not a picture.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise TaihriError(f"{path} is not a readable picture: use a JPEG or PNG file")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def read_camera(path: Path) -> Camera:
    """Read a calibration file.

    Args:
        path: YAML file written by camera_calibration, or YAML or JSON file with the fields of sensor_msgs/CameraInfo.

    Returns:
        The camera.

    Raises:
        TaihriError: The file is missing or not a calibration.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TaihriError(f"{path} is not readable YAML or JSON: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise TaihriError(
            f"{path} is not a calibration: it must hold a mapping with width, height, distortion_model, d, k"
        )
    return Camera.from_mapping(values)
