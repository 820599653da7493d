"""Every form in which a model may be saved gives the same answers; docs/checkpoints.md lists the forms."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest
from checkpoint_variants import TIED_MODEL, TOGETHER, VARIANTS
from engine_requests import BOTH_WRISTS, assert_close, generate_one

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.checkpoint import tiny_checkpoint
from taihri_ros.inference.engine import GenerationRequest, Question, RawAnswer
from taihri_ros.inference.environment import EngineKind
from taihri_ros.inference.factory import open_engine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.spec import ModelSpec
from taihri_ros.resources import NANO

PERSON = Path(__file__).parents[2] / "simulated_person.jpg"


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with tied embeddings."""
    return tiny_checkpoint.build(tmp_path_factory.mktemp("tied") / "tiny", tied=True)


def answer_of(kind: EngineKind, directory: Path) -> RawAnswer:
    """Load a checkpoint and ask it for both wrists of the person in a picture."""
    spec = ModelSpec.load(directory)
    image = cv2.resize(cv2.cvtColor(cv2.imread(str(PERSON)), cv2.COLOR_BGR2RGB), (256, 192))
    question = Question(
        make_prompt(joint_command(BOTH_WRISTS), spec), named_grammar(BOTH_WRISTS, spec.answer or FORMAT)
    )
    request = GenerationRequest(image=image, questions=(question,), repetition_penalty=spec.repetition_penalty)
    with open_engine(kind, str(directory), options={"dtype": "float32"}) as engine:
        return generate_one(engine, request)


FORMAT = AnswerFormat()


@pytest.fixture(scope="module")
def answers(tied: Path) -> dict[Path, RawAnswer]:
    """The answers of the checkpoints as they were, in transformers."""
    return {directory: answer_of("transformers", directory) for directory in (NANO, tied)}


def copy_of(directory: Path, target: Path, forms: tuple[str, ...]) -> Path:
    """Copy the files of a checkpoint and rewrite them to some forms."""
    target.mkdir()
    for pattern in ("*.json", "*.jinja", "*.safetensors"):
        for path in directory.glob(pattern):
            shutil.copy(path, target)
    for form in forms:
        VARIANTS[form](target)
    return target


@pytest.mark.parametrize("form", VARIANTS)
def test_transformers_gives_the_same_answer(
    tied: Path, answers: dict[Path, RawAnswer], tmp_path: Path, form: str
) -> None:
    original = tied if form in TIED_MODEL else NANO
    answer = answer_of("transformers", copy_of(original, tmp_path / "form", (form,)))
    assert answer == answers[original]


@pytest.mark.parametrize("forms", TOGETHER, ids=lambda forms: forms[0])
def test_vllm_gives_the_same_answer(
    tied: Path, answers: dict[Path, RawAnswer], tmp_path: Path, forms: tuple[str, ...]
) -> None:
    original = tied if {*forms} & {*TIED_MODEL} else NANO
    assert_close(answer_of("vllm", copy_of(original, tmp_path / "form", forms)), answers[original])


def test_vllm_loads_every_form_once() -> None:
    assert sorted(form for forms in TOGETHER for form in forms) == sorted(VARIANTS), "add the form to one of TOGETHER"
