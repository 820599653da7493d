"""Fixtures for synthetic people. These tests run in an engine environment, which has torch, anny, warp and pyarrow."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

if importlib.util.find_spec("anny") is None:
    collect_ignore = [path for path in Path(__file__).parent.rglob("test_*.py") if path.name != "test_robot_camera.py"]
else:
    collect_ignore = [Path(__file__).with_name("test_robot_camera.py")]  # runs in the node's environment
    from taihri_ros.synthetic.dataset import Sample
    from taihri_ros.synthetic.sample import VIEWS, Generator


GROUPS = 8


@pytest.fixture(scope="session")
def generator() -> Generator:
    return Generator(seed=5, size=160)


@pytest.fixture(scope="session")
def samples(generator: Generator) -> list[Sample]:
    made = [sample for number in range(GROUPS) for sample in generator.group(number)]
    assert len(made) == GROUPS * VIEWS
    return made
