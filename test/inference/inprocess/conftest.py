"""Engines with the tiny checkpoint, for tests that run in an engine environment with torch, vLLM and transformers."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from taihri_ros.inference.vllm.vllm_engine import VllmEngine

    VllmEngine.prepare()

from taihri_ros.inference.checkpoint import tiny_checkpoint
from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.local_engine import LocalEngine


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint.build(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="session")
def transformers_engine(checkpoint: Path) -> Iterator[LocalEngine]:
    with open_engine("transformers", str(checkpoint)) as engine:
        yield engine


@pytest.fixture(scope="session")
def vllm_engine(checkpoint: Path) -> Iterator[LocalEngine]:
    with open_engine("vllm", str(checkpoint), options={"dtype": "float32"}) as engine:
        yield engine


@pytest.fixture(params=["transformers", "vllm"])
def engine(request: pytest.FixtureRequest) -> LocalEngine:
    opened: LocalEngine = request.getfixturevalue(f"{request.param}_engine")
    return opened
