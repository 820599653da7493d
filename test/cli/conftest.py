"""The `taihri` command in a separate process, or in this one with an engine process that tests share."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from ended_run import Run

from taihri_ros.cli import calibrate, evaluation_run, main
from taihri_ros.cli import eval as evaluation
from taihri_ros.inference.process.supervisor import EngineProcess

WIDTH, HEIGHT = 96, 64


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The variables of an empty home directory, without a network of robots."""
    directory = tmp_path / "home"
    directory.mkdir()
    return {"HOME": str(directory), "XDG_DATA_HOME": str(directory), "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}


@pytest.fixture
def taihri(home: dict[str, str], tmp_path: Path) -> Callable[..., Run]:
    """A function that runs the command in an empty directory."""

    def run(*arguments: object) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", "taihri_ros.cli", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | home,
            capture_output=True,
            text=True,
            timeout=240,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def taihri_here(
    default_signals: None, home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Run]:
    """The same function for runs that end early: it runs the command in this process, which has the modules loaded."""

    def run(*arguments: object) -> Run:
        out, err = io.StringIO(), io.StringIO()
        engine_log = logging.getLogger("taihri_ros.inference")
        with monkeypatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
            patched.chdir(tmp_path)
            patched.setattr(sys, "argv", ["taihri", *map(str, arguments)])
            patched.setattr(engine_log, "level", engine_log.level)
            for name, value in home.items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                main()
        assert isinstance(end.value.code, int)
        return Run(end.value.code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def transformers_process(engine_python: str, checkpoint: str) -> Iterator[EngineProcess]:
    """A ready transformers engine process with the tiny checkpoint."""
    with EngineProcess(python=engine_python, kind="transformers", model=checkpoint) as process:
        process.wait_ready(240)
        yield process


@pytest.fixture
def with_shared_engine(transformers_process: EngineProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that runs `eval` or `calibrate` with the engine process above, and returns what they print."""
    monkeypatch.setattr(evaluation_run, "ready_engine", lambda *_, **__: nullcontext(transformers_process))
    commands = {"eval": evaluation.command, "calibrate": calibrate.command}

    def run(name: str, *arguments: object) -> str:
        done = CliRunner().invoke(commands[name], [*map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    return path


@pytest.fixture
def calibration_of(tmp_path: Path) -> Callable[[Path], Path]:
    """Writes a calibration for a picture, as of a camera that sees 60 degrees, and returns its path."""

    def write(picture: Path) -> Path:
        height, width = cv2.imread(str(picture)).shape[:2]
        k = [0.87 * width, 0.0, (width - 1) / 2, 0.0, 0.87 * width, (height - 1) / 2, 0.0, 0.0, 1.0]
        path = tmp_path / f"{picture.stem}.yaml"
        content = {"width": width, "height": height, "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": k}
        path.write_text(yaml.safe_dump(content))
        return path

    return write


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / "camera.yaml"
    k = [100.0, 0.0, WIDTH / 2, 0.0, 100.0, HEIGHT / 2, 0.0, 0.0, 1.0]
    content = {"width": WIDTH, "height": HEIGHT, "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": k}
    path.write_text(yaml.safe_dump(content))
    return path
