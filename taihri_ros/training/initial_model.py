"""The initial model of a training: random weights, or a published checkpoint with TAIHRI's tokens added."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers

from taihri_ros.commands.tasks import Tasks
from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint.checks import MODEL_TYPE
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.spec import ModelSpec
from taihri_ros.skeleton import JOINTS
from taihri_ros.training.network.nano_model import build_nano
from taihri_ros.training.network.tokens import add_tokens, fill_new_rows
from taihri_ros.training.recipe import NewCheckpoint, Recipe

RECORD = "recipe.json"
"""File in the directory `initial` with the settings that it was made from."""

_PROCESSORS = (
    *("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json"),
    *("chat_template.json", "chat_template.jinja", "generation_config.json"),
)
_NAMED_PROMPTS, _JOINTS_EACH = 3000, 5
"""Number of the prompts that the tokenizer is trained on, and of the joints in each."""


@dataclass(frozen=True)
class InitialModel:
    """The model that a training starts from.

    Attributes:
        model: transformers' Qwen3VLForConditionalGeneration, float32.
        spec: Its `taihri.json`.
        vocabulary: Its tokens.
        files: Directory with all files of a checkpoint except the weights.
        new_tokens: Ids of the tokens that were added.
    """

    model: Any
    spec: ModelSpec
    vocabulary: Vocabulary
    files: Path
    new_tokens: tuple[int, ...]


def prepare_initial_model(recipe: Recipe) -> Path:
    """Write the directory `initial`: a new checkpoint, or the files of a published one with TAIHRI's tokens added.

    Args:
        recipe: The training.

    Returns:
        The directory; an existing one is kept.

    Raises:
        TaihriError: The existing directory was made from other settings, or the checkpoint to start from is missing.
    """
    directory = recipe.out / "initial"
    new = recipe.checkpoint
    made_from = {
        "model": str(recipe.model) if recipe.model else None,
        "checkpoint": new and {**vars(new), "text": dict(new.text), "vision": dict(new.vision)},
        "spec": dict(recipe.spec),
    } | ({"absent": True} if recipe.absent else {})
    record = json.dumps(made_from, indent=1, sort_keys=True)
    if (directory / RECORD).is_file():
        if (directory / RECORD).read_text(encoding="utf-8") != record:
            raise TaihriError(f"{directory} was made from other settings: choose another --out, or remove it")
        return directory
    shutil.rmtree(directory, ignore_errors=True)
    if new is not None:
        _write_new(directory, recipe, new)
    elif recipe.model is not None:
        _write_files(directory, recipe, recipe.model)
    (directory / RECORD).write_text(record, encoding="utf-8")
    return directory


def load_initial_model(recipe: Recipe, seed: int) -> InitialModel:
    """Load the model that `prepare_initial_model` prepared.

    Args:
        recipe: The training.
        seed: Seed of the random initial values of new embedding rows, adapters and heads.

    Returns:
        The initial model.

    Raises:
        TaihriError: The ids of the coordinate tokens do not follow each other.
    """
    files = recipe.out / "initial"
    spec = ModelSpec.load(files)
    vocabulary = Vocabulary(files, absent=spec.has_absent)
    if len(vocabulary.coordinates.ranges()) != 1 or list(vocabulary.coordinates) != sorted(vocabulary.coordinates):
        raise TaihriError(
            f"{recipe.model} cannot be trained: the ids of its coordinate tokens do not follow each other: "
            "start from another checkpoint"
        )
    torch.manual_seed(seed)
    transformers.utils.logging.disable_progress_bar()
    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(
        recipe.model or files, dtype=torch.float32, local_files_only=True
    )
    new_tokens: tuple[int, ...] = ()
    if recipe.model is not None:
        tokenizer = transformers.AutoTokenizer.from_pretrained(files, local_files_only=True)
        old = transformers.AutoTokenizer.from_pretrained(recipe.model, local_files_only=True)
        new_tokens = fill_new_rows(model, tokenizer, range(len(old), len(tokenizer)))
    else:
        model.model.visual.patch_embed.requires_grad_(False)  # fixed filters, see `frequency_filters`
    return InitialModel(model, spec, vocabulary, files, new_tokens)


def named_prompts(spec: ModelSpec) -> list[str]:
    """Return random prompts with joint names, as text to train the tokenizer on."""
    rng = random.Random(0)
    return [spec.named_prompt.format(joints=", ".join(rng.sample(JOINTS, _JOINTS_EACH))) for _ in range(_NAMED_PROMPTS)]


def _write_new(directory: Path, recipe: Recipe, new: NewCheckpoint) -> None:
    spec = _trained_spec(ModelSpec(repetition_penalty=1.0), recipe)
    build_nano(
        directory,
        spec=spec,
        texts=[*Tasks.load(*recipe.tasks).corpus(), *named_prompts(spec)],
        merges=new.merges,
        text=new.text,
        vision=new.vision,
        seed=new.seed,
    )


def _write_files(directory: Path, recipe: Recipe, model: Path) -> None:
    config = model / "config.json"
    if not config.is_file() or json.loads(config.read_text(encoding="utf-8")).get("model_type") != MODEL_TYPE:
        raise TaihriError(f"model: {model} is not the directory of a {MODEL_TYPE} checkpoint")
    directory.mkdir(parents=True)
    for name in _PROCESSORS:
        if (model / name).is_file():
            shutil.copyfile(model / name, directory / name)
    spec = _trained_spec(ModelSpec.load(model), recipe)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model, local_files_only=True)
    add_tokens(tokenizer, absent=spec.has_absent)
    tokenizer.save_pretrained(directory)
    spec.save(directory)


def _trained_spec(base: ModelSpec, recipe: Recipe) -> ModelSpec:
    """Return the spec of the trained model, whose answers have no box and no separators."""
    joint = base.answer.joint if base.answer else "token"
    answer = AnswerFormat(box=False, joint=joint, absent=base.has_absent or recipe.absent)
    person_crops = base.person_crops or recipe.sft.person_crops > 0.0
    spec = replace(base, trained=True, answer=answer, person_crops=person_crops)
    return ModelSpec.from_dict({**spec.to_dict(), **recipe.spec}, "spec")
