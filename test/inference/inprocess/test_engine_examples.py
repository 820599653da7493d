"""The docstring examples that need an engine run in the engine environment."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["taihri_ros.inference.factory", "taihri_ros.pipeline.estimator"])
def test_the_examples_run(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
