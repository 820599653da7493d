"""The engines that the tests start: a tiny checkpoint with random weights on a real framework, and the light engine."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def python() -> str:
    """Return the interpreter of the engine's environment. Without one the test is skipped; in CI it fails."""
    return _python("TAIHRI_ENGINE_PYTHON", ".venv-vllm")


def light_python() -> str:
    """Return the interpreter of the light engine's environment. Without one the test is skipped; in CI it fails."""
    return _python("TAIHRI_LIGHT_PYTHON", ".venv-mediapipe")


def _python(variable: str, directory: str) -> str:
    path = os.environ.get(variable, str(ROOT / directory / "bin" / "python"))
    if not Path(path).exists():
        message = f"{path} is missing: ros2 run taihri_ros install_engine, then set {variable}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message, allow_module_level=True)
    return path


@functools.cache
def checkpoint() -> str:
    """Make a tiny checkpoint and return its directory."""
    directory = tempfile.mkdtemp(prefix="taihri-tiny-")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(
        [python(), "-m", "taihri_ros.inference.checkpoint.tiny_checkpoint", directory],
        check=True,
        cwd=ROOT,
        env=environment,
        timeout=120,
    )
    return directory
