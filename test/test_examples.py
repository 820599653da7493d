"""The examples in the docstrings run and print the documented output."""

from __future__ import annotations

import doctest
import importlib

import pytest
from required import ROOT

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.commands.tasks import Tasks
from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.model.spec import ModelSpec
from taihri_ros.resources import PACKAGE

ROOMS = ("camera", "commands", "model", "pipeline", "body")
FILES = [*PACKAGE.glob("*.py"), *(file for room in ROOMS for file in (PACKAGE / room).rglob("*.py"))]
MODULES = sorted(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in FILES)
ENGINE_MODULES = ["taihri_ros.inference.factory", "taihri_ros.pipeline.estimator"]
"""Modules whose examples need an engine: test/inference/inprocess/test_engine_examples.py runs them."""


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ENGINE_MODULES])
def test_the_examples_of_a_module_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("documented", [BodyRecovery, Camera, CanonicalView, InteractionSpace, ModelSpec, Tasks])
def test_a_class_for_users_has_an_example(documented: type) -> None:
    tests = doctest.DocTestFinder(recurse=False).find(documented)
    assert any(test.examples for test in tests)
