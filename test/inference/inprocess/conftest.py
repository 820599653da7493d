"""Engines with the tiny checkpoint, for tests that run in an engine environment with torch, vLLM and transformers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from taihri_ros.inference.vllm.vllm_engine import VllmEngine

    VllmEngine.prepare()

from engine_fixtures import checkpoint, sort_directory, transformers_engine, uses, vllm_engine

from taihri_ros.inference.local_engine import LocalEngine

__all__ = ["checkpoint", "transformers_engine", "vllm_engine"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests that share an engine behind those that open engines of their own.

    Where one vLLM engine of a process is closed, the others no longer work.
    """
    sort_directory(items, Path(__file__).parent, lambda item: uses(item, "engine", "vllm_engine"))


@pytest.fixture(params=["transformers", "vllm"])
def engine(request: pytest.FixtureRequest) -> LocalEngine:
    opened: LocalEngine = request.getfixturevalue(f"{request.param}_engine")
    return opened
