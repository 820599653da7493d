"""Every form in which a model may be saved gives the same answers; docs/checkpoints.md lists the forms."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest
import torch
from checkpoint_variants import TIED_MODEL, TOGETHER, VARIANTS, edit_weights
from engine_requests import BOTH_WRISTS, assert_close, generate_one
from safetensors.torch import load_file, save_file

from taihri_ros.commands.command import joint_command
from taihri_ros.inference.checkpoint import tiny_checkpoint
from taihri_ros.inference.engine import CheckpointError, GenerationRequest, Question, RawAnswer
from taihri_ros.inference.environment import EngineKind
from taihri_ros.inference.factory import check_engine, open_engine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.prompts import make_prompt
from taihri_ros.model.spec import ModelSpec
from taihri_ros.resources import NANO, PERSON


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with tied embeddings."""
    return tiny_checkpoint.build(tmp_path_factory.mktemp("tied") / "tiny", tied=True)


def answer_of(kind: EngineKind, directory: Path, **options: object) -> RawAnswer:
    """Load a checkpoint and ask it for both wrists of the person in a picture."""
    spec = ModelSpec.load(directory)
    image = cv2.resize(cv2.cvtColor(cv2.imread(str(PERSON)), cv2.COLOR_BGR2RGB), (256, 192))
    question = Question(
        make_prompt(joint_command(BOTH_WRISTS), spec), named_grammar(BOTH_WRISTS, spec.answer or FORMAT)
    )
    request = GenerationRequest(image=image, questions=(question,), repetition_penalty=spec.repetition_penalty)
    with open_engine(kind, str(directory), options={"dtype": "float32", **options}) as engine:
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


@pytest.mark.parametrize(
    "forms",
    [
        pytest.param(forms, id=forms[0], marks=pytest.mark.soak if {*forms} & {*TIED_MODEL} else ())
        for forms in TOGETHER
    ],
)
def test_vllm_gives_the_same_answer(
    tied: Path, answers: dict[Path, RawAnswer], tmp_path: Path, forms: tuple[str, ...]
) -> None:
    original = tied if {*forms} & {*TIED_MODEL} else NANO
    assert_close(answer_of("vllm", copy_of(original, tmp_path / "form", forms)), answers[original])


def test_vllm_loads_every_form_once() -> None:
    assert sorted(form for forms in TOGETHER for form in forms) == sorted(VARIANTS), "add the form to one of TOGETHER"


def write_adapter(base: Path, directory: Path) -> Path:
    """Write a random LoRA adapter of some layers of the language model, as peft saves it."""
    torch.manual_seed(0)
    weights = load_file(base / "model.safetensors")
    tensors = {}
    for name, weight in weights.items():
        if name.endswith(("q_proj.weight", "v_proj.weight", "down_proj.weight")):
            module = f"base_model.model.{name.removesuffix('.weight')}"
            tensors[f"{module}.lora_A.weight"] = torch.randn(8, weight.shape[1]) * 0.1
            tensors[f"{module}.lora_B.weight"] = torch.randn(weight.shape[0], 8) * 0.1
    directory.mkdir()
    save_file(tensors, directory / "adapter_model.safetensors")
    targets = ["q_proj", "v_proj", "down_proj"]
    settings = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": targets, "bias": "none"}
    (directory / "adapter_config.json").write_text(json.dumps(settings))
    return directory


@pytest.fixture(scope="module")
def adapter(tied: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tied, tmp_path_factory.mktemp("adapter") / "adapter")


@pytest.fixture(scope="module")
def merged(tied: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> RawAnswer:
    """The answer of a checkpoint into which the adapter was merged by the formula of LoRA."""
    directory = copy_of(tied, tmp_path_factory.mktemp("merged") / "checkpoint", ())
    narrow = load_file(adapter / "adapter_model.safetensors")

    def merge(tensors: dict[str, torch.Tensor]) -> None:
        for name in tensors:
            module = f"base_model.model.{name.removesuffix('.weight')}"
            if f"{module}.lora_A.weight" in narrow:
                tensors[name] += 2.0 * narrow[f"{module}.lora_B.weight"] @ narrow[f"{module}.lora_A.weight"]

    edit_weights(merge)(directory)
    return answer_of("transformers", directory)


def test_transformers_answers_with_an_adapter_as_with_merged_weights(
    tied: Path, adapter: Path, answers: dict[Path, RawAnswer], merged: RawAnswer
) -> None:
    assert merged.tokens != answers[tied].tokens
    assert_close(answer_of("transformers", tied, adapter=str(adapter)), merged)


@pytest.mark.parametrize("api", ["internal", "public"])
def test_vllm_answers_with_an_adapter_as_with_merged_weights(
    tied: Path, adapter: Path, merged: RawAnswer, api: str
) -> None:
    """Requests of `internal` are streaming sessions, whose later chunks keep the adapter."""
    assert_close(answer_of("vllm", tied, adapter=str(adapter), api=api), merged)


@pytest.mark.handles(
    "Engine", "adapter that changes the vision tower, for vllm", "refused: merge it, or use transformers"
)
def test_vllm_refuses_an_adapter_of_the_vision_tower(tied: Path, adapter: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(adapter, tmp_path / "vision"))
    name = "base_model.model.model.visual.blocks.0.attn.proj"
    weight = load_file(tied / "model.safetensors")["model.visual.blocks.0.attn.proj.weight"]
    shapes = {"A": (8, weight.shape[1]), "B": (weight.shape[0], 8)}
    save_file(
        {f"{name}.lora_{half}.weight": torch.zeros(shape) for half, shape in shapes.items()},
        directory / "adapter_model.safetensors",
    )
    with pytest.raises(CheckpointError, match="changes the vision tower, which vLLM would ignore: merge"):
        open_engine("vllm", str(tied), options={"adapter": str(directory)})


def test_the_check_before_a_start_covers_the_adapter(tied: Path, adapter: Path, tmp_path: Path) -> None:
    check_engine("transformers", str(tied), str(adapter))
    with pytest.raises(CheckpointError, match="there is no adapter directory"):
        check_engine("transformers", str(tied), str(tmp_path / "nowhere"))
