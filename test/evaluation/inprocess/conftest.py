"""Tests of the evaluation that load a model into this process; they run in an engine environment."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from taihri_ros.inference.vllm.vllm_engine import VllmEngine

    VllmEngine.prepare()

from engine_fixtures import checkpoint, transformers_engine, vllm_engine

__all__ = ["checkpoint", "transformers_engine", "vllm_engine"]
