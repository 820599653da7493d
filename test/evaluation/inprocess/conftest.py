"""Tests of the evaluation that load a model into this process; they run in an engine environment."""

from __future__ import annotations

import importlib.util

import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from taihri_ros.inference.vllm.vllm_engine import VllmEngine

    VllmEngine.prepare()

from engine_fixtures import checkpoint, transformers_engine, vllm_engine

__all__ = ["checkpoint", "transformers_engine", "vllm_engine"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Load vLLM first: it reads every loaded module, and a missing part of trimesh raises when it is read."""
    items.sort(key=lambda item: "vllm_engine" not in getattr(item, "fixturenames", ()))
