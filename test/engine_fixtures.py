"""Engines with the tiny checkpoint in this process, for the conftest files of tests in an engine environment."""

from __future__ import annotations

from collections.abc import Iterator
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
