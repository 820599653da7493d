"""Tests on a real ROS 2: source it and a colcon build of this package, then `pytest test/ros2`."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"

pytest.importorskip("rclpy", reason="ROS 2 is not installed: source a ROS 2 and a colcon build of this package")
if importlib.util.find_spec("taihri_ros.msg") is None:
    raise pytest.UsageError(
        "taihri_ros.msg is missing: source install/setup.bash of a colcon build, and run `pytest test/ros2` "
        "(`python -m pytest` would import the package from the current directory instead)"
    )

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import engines
import reliability
from domains import new_domain
from hosted import ACTIVATE, CONFIGURE, DEACTIVATE, Hosted, change
from robot import Diagnosis, Robot


def pytest_configure(config: pytest.Config) -> None:
    """Add the fixture and the hooks of the group `fault`, unless the conftest of all tests has."""
    if not config.pluginmanager.is_registered(reliability):
        config.pluginmanager.register(reliability)


@pytest.fixture(scope="module")
def domain() -> int:
    """A ROS_DOMAIN_ID that only this module uses."""
    return new_domain()


@pytest.fixture(scope="module")
def robot(domain: int) -> Iterator[Robot]:
    """The robot's node, in the same domain."""
    with Robot(domain) as robot:
        yield robot


@pytest.fixture(scope="session")
def engine_python() -> str:
    """The interpreter of the engine's environment."""
    return engines.python()


@pytest.fixture(scope="session")
def checkpoint() -> str:
    """A tiny checkpoint with random weights."""
    return engines.checkpoint()


@pytest.fixture(scope="session")
def engine_parameters(engine_python: str, checkpoint: str) -> Callable[..., dict[str, object]]:
    """A function that returns parameters of an engine that starts quickly."""

    def parameters(**others: object) -> dict[str, object]:
        return {
            "engine.kind": "transformers",
            "engine.python": engine_python,
            "engine.model": checkpoint,
        } | others

    return parameters


@pytest.fixture(scope="module")
def hosted(domain: int, engine_parameters: Callable[..., dict[str, object]]) -> Iterator[Hosted]:
    """A node in the domain of the module."""
    with Hosted(domain, engine_parameters(diagnostics_period_s=0.2)) as hosted:
        yield hosted


@pytest.fixture(scope="module")
def configured(hosted: Hosted, robot: Robot) -> Hosted:
    """A configured node whose engine is ready, with a running camera."""
    diagnosis = Diagnosis(robot)
    robot.start_camera()
    assert change(robot, CONFIGURE)
    diagnosis.wait_until_ready()
    return hosted


@pytest.fixture
def active(configured: Hosted, robot: Robot) -> Iterator[Hosted]:
    """The same node while it is active."""
    assert change(robot, ACTIVATE)
    yield configured
    assert change(robot, DEACTIVATE)
