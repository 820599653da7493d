"""Engines with the tiny checkpoint in this process, for the conftest files of tests in an engine environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taihri_ros.inference.checkpoint import tiny_checkpoint
from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.local_engine import LocalEngine


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with random weights."""
    return tiny_checkpoint.build(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="session")
def transformers_engine(checkpoint: Path) -> Iterator[LocalEngine]:
    with open_engine("transformers", str(checkpoint)) as engine:
        yield engine


@pytest.fixture(scope="session")
def vllm_engine(checkpoint: Path) -> Iterator[LocalEngine]:
    with open_engine("vllm", str(checkpoint), options={"dtype": "float32"}) as engine:
        yield engine


def sort_directory(items: list[pytest.Item], directory: Path, is_later: Callable[[pytest.Item], bool]) -> None:
    """Move some tests of a directory to its end; tests of other directories keep their places."""
    places = [place for place, item in enumerate(items) if directory in item.path.parents]
    for place, item in zip(places, sorted((items[place] for place in places), key=is_later), strict=True):
        items[place] = item


def uses(item: pytest.Item, *fixtures: str) -> bool:
    return not set(fixtures).isdisjoint(getattr(item, "fixturenames", ()))
