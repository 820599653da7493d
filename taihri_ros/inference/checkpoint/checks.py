"""Checks a checkpoint before any framework loads it.

Frameworks load some broken checkpoints silently and then answer nonsense: a tensor that is missing is left at random
values, a tokenizer file that is missing is made up from others. Whatever would end so is refused here, by name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework import require
from taihri_ros.model.lexer import END_OF_ANSWER

MODEL_TYPE = "qwen3_vl"

_AGAIN = "download or copy the checkpoint again"
_NAMED = 3

Shapes = dict[str, tuple[int, ...]]


def find_checkpoint(model: str) -> Path:
    """Find a checkpoint on this machine; nothing is downloaded.

    Args:
        model: A directory, or the name of a repository that is in the local Hugging Face cache.

    Returns:
        Its directory.

    Raises:
        CheckpointError: It is not on this machine.
    """
    directory = Path(model).expanduser()
    if directory.is_dir():
        return directory
    if model.count("/") != 1 or model.startswith(("/", ".", "~")):
        raise CheckpointError(f"there is no checkpoint directory {model!r}")
    hub = require("huggingface_hub", "transformers")
    try:
        return Path(hub.snapshot_download(model, local_files_only=True))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{model!r} is neither a directory nor in the local Hugging Face cache: "
            f"run `hf download {model} --local-dir DIRECTORY` and give that directory"
        ) from error


def check_checkpoint(directory: Path) -> None:
    """Make sure that a checkpoint is a whole Qwen3-VL with the tokens that TAIHRI adds.

    Args:
        directory: The checkpoint's directory.

    Raises:
        CheckpointError: Something is missing or broken; the message names it.
        EngineError: The framework that knows the architecture is not installed.
    """
    if not directory.is_dir():
        raise CheckpointError(f"there is no checkpoint directory {directory}")
    config = _read_json(directory / "config.json")
    if config.get("model_type") != MODEL_TYPE:
        raise CheckpointError(
            f"{directory / 'config.json'} is of a {config.get('model_type')!r} model; TAIHRI is a {MODEL_TYPE!r}"
        )
    _check_image_processor(directory)
    vocabulary = Vocabulary(directory)
    _check_end_of_answer(directory)
    present = read_shapes(directory)
    needed = _architecture(directory)
    _compare(directory, present, needed, quantized="quantization_config" in config)
    rows = needed["model.language_model.embed_tokens.weight"][0]
    if rows < vocabulary.coordinates.stop or rows <= max(vocabulary.end_ids):
        raise CheckpointError(
            f"{directory}: tokenizer.json and weights do not belong together, the embedding has {rows} rows and "
            f"the coordinate tokens reach to {vocabulary.coordinates.stop - 1}"
        )


def _check_image_processor(directory: Path) -> None:
    """Newer checkpoints keep the image processor's settings in the processor's own file."""
    own, shared = directory / "preprocessor_config.json", directory / "processor_config.json"
    if not own.is_file() and not (shared.is_file() and "image_processor" in _read_json(shared)):
        raise CheckpointError(f"{directory} has no {own.name}, so its images cannot be prepared: {_AGAIN}")


def _check_end_of_answer(directory: Path) -> None:
    """Without an end token that the tokenizer knows as such, constrained answers would never end."""
    path = directory / "tokenizer_config.json"
    end = _read_json(path).get("eos_token")
    text = end.get("content") if isinstance(end, dict) else end
    if text not in END_OF_ANSWER:
        raise CheckpointError(
            f"{path} says that {text!r} ends an answer; TAIHRI ends it with {END_OF_ANSWER[0]}: {_AGAIN}"
        )


def read_shapes(directory: Path) -> Shapes:
    """Read the names and shapes of all tensors from the headers of the safetensors files.

    Args:
        directory: The checkpoint's directory.

    Returns:
        Shape by name.

    Raises:
        CheckpointError: A file is missing or not whole.
    """
    index = directory / "model.safetensors.index.json"
    if not index.is_file():
        return _read_header(directory / "model.safetensors")
    weight_map = _read_json(index).get("weight_map")
    if not isinstance(weight_map, dict):
        raise CheckpointError(f"{index} holds no weight_map: {_AGAIN}")
    shapes: Shapes = {}
    for name in sorted(set(weight_map.values())):
        shapes |= _read_header(directory / name)
    if missing := sorted(set(weight_map) - set(shapes)):
        raise CheckpointError(f"{index} names tensors that no file holds, {_some(missing)}: {_AGAIN}")
    return shapes


def _read_header(path: Path) -> Shapes:
    """Read one file's header: 8 bytes of its length, then JSON, then the data up to the end of the file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > size:
                raise CheckpointError(f"{path} is cut off within its header: {_AGAIN}")
            header = json.loads(file.read(length))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): {_AGAIN}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error}): {_AGAIN}") from error
    header.pop("__metadata__", None)
    end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size != end:
        raise CheckpointError(f"{path} has {size} bytes where its header says {end}: {_AGAIN}")
    return {name: tuple(entry["shape"]) for name, entry in header.items()}


def _architecture(directory: Path) -> Shapes:
    """Give the tensors that the architecture of `config.json` is made of, without memory for them."""
    torch = require("torch", "transformers")
    transformers = require("transformers", "transformers")
    try:
        config = transformers.Qwen3VLConfig.from_pretrained(directory, local_files_only=True)
        with torch.device("meta"):
            model = transformers.Qwen3VLForConditionalGeneration(config)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{directory / 'config.json'} describes no Qwen3-VL ({error}): {_AGAIN}") from error
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        shapes.pop("lm_head.weight", None)
    return shapes


def _compare(directory: Path, present: Shapes, needed: Shapes, *, quantized: bool) -> None:
    """Compare names and shapes; a quantised module keeps its weight under names and shapes of its own."""
    modules = {name.rpartition(".")[0] for name in present} if quantized else set()
    missing = [name for name in needed if name not in present and name.rpartition(".")[0] not in modules]
    if missing:
        raise CheckpointError(
            f"{directory} lacks {len(missing)} of {len(needed)} tensors of the model, {_some(missing)}: {_AGAIN}"
        )
    wrong = (
        [f"{name} {present[name]} instead of {shape}" for name, shape in needed.items() if present[name] != shape]
        if not quantized
        else []
    )
    if wrong:
        raise CheckpointError(f"{directory} holds {len(wrong)} tensors of another shape, {_some(wrong)}: {_AGAIN}")


def _some(names: list[str]) -> str:
    return f"such as {', '.join(names[:_NAMED])}" if len(names) > _NAMED else ", ".join(names)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): {_AGAIN}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}): {_AGAIN}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} does not hold one JSON object: {_AGAIN}")
    return values
