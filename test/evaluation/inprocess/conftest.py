"""Tests of the evaluation that load a model into this process; they run in an engine environment."""

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

__all__ = ["checkpoint", "transformers_engine", "vllm_engine"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests of this directory that use vLLM to its front.

    vLLM reads every loaded module when it is imported, and a missing part of trimesh raises when it is read. Tests of
    other directories keep their places: two vLLM engines in one process must not be open at the same time.
    """
    sort_directory(items, Path(__file__).parent, lambda item: not uses(item, "vllm_engine"))
