"""The Python example of the README runs unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from required import ROOT

WIDTH, HEIGHT = 320, 240
CAMERA = {
    "width": WIDTH,
    "height": HEIGHT,
    "distortion_model": "plumb_bob",
    "d": [0.0] * 5,
    "k": [250.0, 0.0, WIDTH / 2, 0.0, 250.0, HEIGHT / 2, 0.0, 0.0, 1.0],
}


def example() -> str:
    """Return the block of code below the heading "From Python"."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## From Python", 1)[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]


def test_the_example_prints_both_wrists_and_that_nobody_is_in_a_grey_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.jpg", np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
    Path("camera.yaml").write_text(yaml.safe_dump(CAMERA))
    exec(compile(example(), "README.md", "exec"), {})
    printed = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert printed == [["left_wrist", "NOBODY"], ["right_wrist", "NOBODY"]]
