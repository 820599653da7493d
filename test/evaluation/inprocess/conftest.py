"""Tests of the evaluation that load a model into this process; they run in an engine environment."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from taihri_ros.inference.local_engine import LocalEngine

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from taihri_ros.inference.vllm.vllm_engine import VllmEngine

    VllmEngine.prepare()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with random weights."""
    from taihri_ros.inference.checkpoint import tiny_checkpoint

    return tiny_checkpoint.build(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="module")
def transformers_engine(checkpoint: Path) -> Iterator[LocalEngine]:
    from taihri_ros.inference.factory import open_engine

    with open_engine("transformers", str(checkpoint)) as engine:
        yield engine


@pytest.fixture(scope="module")
def vllm_engine(checkpoint: Path) -> Iterator[LocalEngine]:
    from taihri_ros.inference.factory import open_engine

    with open_engine("vllm", str(checkpoint), options={"dtype": "float32"}) as engine:
        yield engine
