"""Fixtures for all tests. Since this directory has a conftest, the helper modules in it are importable."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import hypothesis
import pytest
import reliability
from required import ENGINE_PYTHON, LIGHT_PYTHON, ROOT, require

from taihri_ros.inference.process.supervisor import EngineProcess

hypothesis.settings.register_profile("shared machine", deadline=None)  # a busy machine must not fail a test
hypothesis.settings.load_profile("shared machine")


def pytest_configure(config: pytest.Config) -> None:
    """Add the fixture and the hooks of the group `fault`."""
    config.pluginmanager.register(reliability)


@pytest.fixture
def default_signals() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP act as usual, here and in subprocesses, also where tests run under nohup."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    inherited = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in inherited.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def engine_python() -> str:
    """Python interpreter of the engine environment."""
    require(ENGINE_PYTHON.exists(), f"the engine's Python {ENGINE_PYTHON}", "make test")
    return str(ENGINE_PYTHON)


@pytest.fixture(scope="session")
def light_python() -> str:
    """Python interpreter of the environment of the engine mediapipe."""
    require(LIGHT_PYTHON.exists(), f"the Python of the engine mediapipe, {LIGHT_PYTHON}", "make test")
    return str(LIGHT_PYTHON)


@pytest.fixture(scope="session")
def vllm_process(engine_python: str, checkpoint: str) -> Iterator[EngineProcess]:
    """A ready vLLM engine process with the tiny checkpoint, for tests that leave it as it is."""
    with EngineProcess(python=engine_python, kind="vllm", model=checkpoint, options={"dtype": "float32"}) as process:
        process.wait_ready(240)
        yield process


@pytest.fixture(scope="session")
def simulator(engine_python: str) -> str:
    """An interpreter with the packages of the simulated person; they are looked for and not imported, which is slow."""
    look = "import sys, importlib.util; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))"
    looked = subprocess.run([engine_python, "-c", look, "anny", "warp", "cyclonedds", "rosbags"])
    require(looked.returncode == 0, f"anny, warp, cyclonedds or rosbags in {engine_python}", "make test")
    return engine_python


@pytest.fixture(scope="session")
def checkpoint(engine_python: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Directory of the tiny checkpoint with random weights."""
    directory = str(tmp_path_factory.mktemp("checkpoint") / "tiny")
    subprocess.run(
        [engine_python, "-m", "taihri_ros.inference.checkpoint.tiny_checkpoint", directory],
        check=True,
        cwd=ROOT,
        capture_output=True,
    )
    return directory
