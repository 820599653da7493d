"""The tiny checkpoint, built by the engine environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from required import require
from support import ENGINE_PYTHON, ROOT

_BUILD = "import sys; from pathlib import Path; from taihri_ros.engine.tiny import build; build(Path(sys.argv[1]))"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require(ENGINE_PYTHON.is_file(), f"the engine environment of {ENGINE_PYTHON}", "set TAIHRI_ENGINE_PYTHON")
    directory = tmp_path_factory.mktemp("checkpoint") / "tiny"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([ENGINE_PYTHON, "-c", _BUILD, directory], check=True, env=environment, timeout=120)
    return directory
