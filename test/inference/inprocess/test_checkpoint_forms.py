"""Every form in which a model may be saved gives the same answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from checkpoint_variants import VARIANTS
from engine_requests import assert_close, generate_one, make_request, noise

from taihri_ros.inference.checkpoint import tiny_checkpoint
from taihri_ros.inference.engine import GenerationRequest, RawAnswer
from taihri_ros.inference.factory import open_engine

REQUEST: GenerationRequest = make_request(image=noise(0, 128, 192))


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with tied embeddings; only such a model has forms in which the head is stored or not."""
    return tiny_checkpoint.build(tmp_path_factory.mktemp("tied") / "tiny", tied=True)


def transformers_answer(directory: Path) -> RawAnswer:
    with open_engine("transformers", str(directory)) as engine:
        return generate_one(engine, REQUEST)


@pytest.fixture(scope="module")
def wanted(tied: Path) -> RawAnswer:
    return transformers_answer(tied)


@pytest.mark.parametrize("name", VARIANTS)
def test_transformers_gives_the_same_answer(tied: Path, wanted: RawAnswer, tmp_path: Path, name: str) -> None:
    directory = Path(shutil.copytree(tied, tmp_path / "form"))
    VARIANTS[name](directory)
    assert_close(transformers_answer(directory), wanted)
