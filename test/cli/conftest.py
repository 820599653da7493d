"""The `taihri` command in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from ended_run import Run

WIDTH, HEIGHT = 96, 64


@pytest.fixture
def taihri(tmp_path: Path) -> Callable[..., Run]:
    """A function that runs the command in an empty directory."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*arguments: object) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "taihri_ros.cli", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"HOME": str(home), "XDG_DATA_HOME": str(home), "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"},
            capture_output=True,
            text=True,
            timeout=240,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    return path


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / "camera.yaml"
    k = [100.0, 0.0, WIDTH / 2, 0.0, 100.0, HEIGHT / 2, 0.0, 0.0, 1.0]
    content = {"width": WIDTH, "height": HEIGHT, "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": k}
    path.write_text(yaml.safe_dump(content))
    return path
