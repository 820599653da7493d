"""Validation of a checkpoint before a framework loads it.

Frameworks load some broken checkpoints without an error and then generate nonsense: they leave a missing tensor at
random values, or replace a missing tokenizer file by defaults. These checks reject such checkpoints and name the fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint.files import (
    COPY_AGAIN,
    check_directory,
    check_files,
    is_directory,
    read_json,
    some,
)
from taihri_ros.inference.checkpoint.low_bit_weights import check_low_bit_tensors, read_low_bit_format
from taihri_ros.inference.checkpoint.safetensors_header import Tensors, read_tensors
from taihri_ros.inference.checkpoint.tied_head import EMBEDDING, HEAD, check_tied_head
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require
from taihri_ros.model.lexer import END_OF_ANSWER
from taihri_ros.model.spec import ModelSpec
from taihri_ros.resources import expand_home

MODEL_TYPE = "qwen3_vl"

Shapes = dict[str, tuple[int, ...]]

_LARGEST = (
    ("text_config", "num_hidden_layers", 512),
    ("text_config", "max_position_embeddings", 1 << 20),
    ("text_config", "layer_types", 512),
    ("vision_config", "depth", 512),
    ("vision_config", "deepstack_visual_indexes", 512),
    ("vision_config", "num_position_embeddings", 1 << 20),
)
"""Largest numbers that are accepted, or lengths of lists; the largest Qwen3-VL has 94 layers and 262,144 positions. All
other sizes are those of tensors, which the files must contain."""

_FLOATS = {"F64", "F32", "F16", "BF16"}


def find_checkpoint(model: str) -> Path:
    """Find a checkpoint on this machine, without downloading anything.

    Args:
        model: A directory, or the name of a repository in the local Hugging Face cache.

    Returns:
        The checkpoint's directory.

    Raises:
        CheckpointError: The checkpoint is not on this machine.
    """
    directory = expand_home(model)
    if is_directory(directory):
        return directory
    if model.count("/") != 1 or model.startswith(("/", ".", "~")):
        raise CheckpointError(f"there is no checkpoint directory {model!r}: correct the path")
    hub = require("huggingface_hub", "transformers")
    try:
        return Path(hub.snapshot_download(model, local_files_only=True))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{model!r} is neither a directory nor in the local Hugging Face cache: "
            f"run `hf download {model} --local-dir DIRECTORY` and pass that directory"
        ) from error


def check_checkpoint(directory: Path) -> None:
    """Check that a checkpoint is a complete Qwen3-VL with the tokens that TAIHRI adds.

    Args:
        directory: The checkpoint's directory.

    Raises:
        CheckpointError: Something is missing or invalid; the message names it.
        EngineError: torch or transformers is not installed.
    """
    check_directory(directory)
    check_files(directory)
    if (directory / "adapter_config.json").exists() and not (directory / "config.json").exists():
        raise CheckpointError(
            f"{directory} is a LoRA adapter: name it with engine.adapter, and its base checkpoint with engine.model"
        )
    config = read_json(directory / "config.json")
    if config.get("model_type") != MODEL_TYPE:
        raise CheckpointError(
            f"{directory / 'config.json'} has model_type {config.get('model_type')!r}, but TAIHRI's is {MODEL_TYPE!r}: "
            "use a TAIHRI checkpoint"
        )
    _check_sizes(directory / "config.json", config)
    _check_image_processor(directory)
    vocabulary = Vocabulary(directory, absent=_spec(directory).has_absent)
    _check_end_of_answer(directory)
    low_bit = read_low_bit_format(directory)
    present = read_tensors(directory)
    needed = _architecture(directory)
    done = set() if low_bit is None else check_low_bit_tensors(directory, low_bit, present, needed)
    _compare(directory, present, {name: shape for name, shape in needed.items() if name not in done})
    if HEAD in present and HEAD not in needed:
        check_tied_head(directory, {*vocabulary.coordinates, *vocabulary.end_ids})
    rows = needed[EMBEDDING][0]
    if rows <= vocabulary.largest_id:
        raise CheckpointError(
            f"{directory}: the tokenizer does not match the weights, whose embedding has {rows} rows, while the ids of "
            f"the tokens of an answer go up to {vocabulary.largest_id}: {COPY_AGAIN}"
        )


def _spec(directory: Path) -> ModelSpec:
    try:
        return ModelSpec.load(directory)
    except TaihriError as error:
        raise CheckpointError(str(error)) from error


def _check_image_processor(directory: Path) -> None:
    """Check that the image processor has settings; newer checkpoints keep them in `processor_config.json`."""
    own, shared = directory / "preprocessor_config.json", directory / "processor_config.json"
    if not own.is_file() and not (shared.is_file() and "image_processor" in read_json(shared)):
        raise CheckpointError(f"{directory} has no {own.name}: {COPY_AGAIN}")


def _check_end_of_answer(directory: Path) -> None:
    """Check the tokenizer's end token, without which constrained answers would never end."""
    path = directory / "tokenizer_config.json"
    end = read_json(path).get("eos_token")
    text = end.get("content") if isinstance(end, dict) else end
    if text not in END_OF_ANSWER:
        raise CheckpointError(
            f"{path} has eos_token {text!r}, but TAIHRI ends an answer with {END_OF_ANSWER[0]}: {COPY_AGAIN}"
        )


def _check_sizes(path: Path, config: Mapping[str, Any]) -> None:
    """Check the numbers of `config.json` that cost time or memory before any weight is read."""
    for part, name, largest in _LARGEST:
        values = config.get(part)
        size = values.get(name) if isinstance(values, dict) else None
        count = len(size) if isinstance(size, list) else size
        if isinstance(count, (int, float)) and not 0 <= count <= largest:
            raise CheckpointError(f"{path} has {part}.{name} {count}, but at most {largest} is possible: {COPY_AGAIN}")


def _architecture(directory: Path) -> Shapes:
    """Return the tensors that the architecture in `config.json` needs, without allocating them."""
    torch = require("torch", "transformers")
    transformers = require("transformers", "transformers")
    try:
        config = transformers.Qwen3VLConfig.from_pretrained(directory, local_files_only=True)
        with torch.device("meta"):
            model = transformers.Qwen3VLForConditionalGeneration(config)
    except Exception as error:  # transformers does not document what it raises for a value of another type
        raise CheckpointError(
            f"{directory / 'config.json'} does not describe a Qwen3-VL ({' '.join(str(error).split())}): {COPY_AGAIN}"
        ) from error
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        shapes.pop(HEAD, None)
    return shapes


def _compare(directory: Path, present: Tensors, needed: Shapes) -> None:
    """Check the names, shapes and types of the tensors that are floating-point numbers."""
    if missing := [name for name in needed if name not in present]:
        raise CheckpointError(
            f"{directory} lacks {len(missing)} of the model's {len(needed)} tensors, {some(missing)}: {COPY_AGAIN}"
        )
    if wrong := [
        f"{name} {present[name].shape} instead of {shape}"
        for name, shape in needed.items()
        if present[name].shape != shape
    ]:
        raise CheckpointError(f"{directory} has {len(wrong)} tensors of the wrong shape, {some(wrong)}: {COPY_AGAIN}")
    if odd := [f"{name} of type {present[name].dtype}" for name in needed if present[name].dtype not in _FLOATS]:
        raise CheckpointError(
            f"{directory} has {len(odd)} tensors that are no floating-point numbers, {some(odd)}, and have no "
            f"scales of a quantisation: {COPY_AGAIN}"
        )
