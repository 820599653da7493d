"""What needs torch or pyarrow; these tests run in an engine environment."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with random weights."""
    from taihri_ros.inference.checkpoint import tiny

    return tiny.build(tmp_path_factory.mktemp("checkpoint") / "tiny")
