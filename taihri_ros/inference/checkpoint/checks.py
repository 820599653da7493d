"""Validation of a checkpoint before a framework loads it.

Frameworks load some broken checkpoints without an error and then generate nonsense: they leave a missing tensor at
random values, or replace a missing tokenizer file by defaults. These checks reject such checkpoints and name the fault.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require
from taihri_ros.model.lexer import END_OF_ANSWER
from taihri_ros.model.spec import ModelSpec
from taihri_ros.resources import expand_home

MODEL_TYPE = "qwen3_vl"

_COPY_AGAIN = "download or copy the checkpoint again"
_MAX_HEADER_BYTES = 100_000_000
"""Limit of the safetensors format."""

_LFS_POINTER = b"version https://git-lfs"
_MAX_NAMES = 3

Shapes = dict[str, tuple[int, ...]]


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
    if _is_directory(directory):
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
        TaihriError: `taihri.json` is invalid.
    """
    if not _is_directory(directory):
        raise CheckpointError(f"there is no checkpoint directory {directory}: correct the path")
    config = _read_json(directory / "config.json")
    if config.get("model_type") != MODEL_TYPE:
        raise CheckpointError(
            f"{directory / 'config.json'} has model_type {config.get('model_type')!r}, but TAIHRI's is {MODEL_TYPE!r}: "
            "use a TAIHRI checkpoint"
        )
    _check_image_processor(directory)
    vocabulary = Vocabulary(directory, absent=ModelSpec.load(directory).has_absent)
    _check_end_of_answer(directory)
    present = read_shapes(directory)
    needed = _architecture(directory)
    _compare(directory, present, needed, quantized="quantization_config" in config)
    rows = needed["model.language_model.embed_tokens.weight"][0]
    if rows < vocabulary.coordinates.stop or rows <= max(vocabulary.end_ids):
        raise CheckpointError(
            f"{directory}: tokenizer.json does not match the weights, whose embedding has {rows} rows, while the "
            f"coordinate token ids go up to {vocabulary.coordinates.stop - 1}: {_COPY_AGAIN}"
        )


def _check_image_processor(directory: Path) -> None:
    """Check that the image processor has settings; newer checkpoints keep them in `processor_config.json`."""
    own, shared = directory / "preprocessor_config.json", directory / "processor_config.json"
    if not own.is_file() and not (shared.is_file() and "image_processor" in _read_json(shared)):
        raise CheckpointError(f"{directory} has no {own.name}: {_COPY_AGAIN}")


def _check_end_of_answer(directory: Path) -> None:
    """Check the tokenizer's end token, without which constrained answers would never end."""
    path = directory / "tokenizer_config.json"
    end = _read_json(path).get("eos_token")
    text = end.get("content") if isinstance(end, dict) else end
    if text not in END_OF_ANSWER:
        raise CheckpointError(
            f"{path} has eos_token {text!r}, but TAIHRI ends an answer with {END_OF_ANSWER[0]}: {_COPY_AGAIN}"
        )


def read_shapes(directory: Path) -> Shapes:
    """Read the names and shapes of all tensors from the headers of the safetensors files.

    Args:
        directory: The checkpoint's directory.

    Returns:
        Shape of each tensor by name.

    Raises:
        CheckpointError: A file is missing, incomplete or invalid.
    """
    index = directory / "model.safetensors.index.json"
    if not index.is_file():
        return _read_header(directory / "model.safetensors")
    weight_map = _read_json(index).get("weight_map")
    if not isinstance(weight_map, dict):
        raise CheckpointError(f"{index} has no weight_map: {_COPY_AGAIN}")
    if not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(f"{index} has a weight_map with other values than file names: {_COPY_AGAIN}")
    shapes: Shapes = {}
    for name in sorted(set(weight_map.values())):
        shapes |= _read_header(directory / name)
    if missing := sorted(set(weight_map) - set(shapes)):
        raise CheckpointError(f"{index} lists tensors that no file contains, {_some(missing)}: {_COPY_AGAIN}")
    return shapes


def _read_header(path: Path) -> Shapes:
    """Read the header of a safetensors file: its length in 8 bytes, then JSON; the data fill the rest of the file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begin = file.read(len(_LFS_POINTER))
            if begin == _LFS_POINTER:
                raise CheckpointError(f"{path} is a Git LFS pointer instead of the weights: run `git lfs pull`")
            file.seek(8)
            length = int.from_bytes(begin[:8], "little")
            if length > min(size, _MAX_HEADER_BYTES):
                raise CheckpointError(f"{path} is truncated within its header: {_COPY_AGAIN}")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        end = 8 + length + max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
        shapes = {name: tuple(map(int, entry["shape"])) for name, entry in header.items()}
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error}): {_COPY_AGAIN}") from error
    if size != end:
        raise CheckpointError(f"{path} has {size} bytes, but its header describes {end}: {_COPY_AGAIN}")
    return shapes


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
            f"{directory / 'config.json'} does not describe a Qwen3-VL ({' '.join(str(error).split())}): {_COPY_AGAIN}"
        ) from error
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        shapes.pop("lm_head.weight", None)
    return shapes


def _compare(directory: Path, present: Shapes, needed: Shapes, *, quantized: bool) -> None:
    """Check the names and shapes of tensors; those of a quantised module may differ from the architecture's."""
    modules = {name.rpartition(".")[0] for name in present} if quantized else set()
    missing = [name for name in needed if name not in present and name.rpartition(".")[0] not in modules]
    if missing:
        raise CheckpointError(
            f"{directory} lacks {len(missing)} of the model's {len(needed)} tensors, {_some(missing)}: {_COPY_AGAIN}"
        )
    wrong = (
        [f"{name} {present[name]} instead of {shape}" for name, shape in needed.items() if present[name] != shape]
        if not quantized
        else []
    )
    if wrong:
        raise CheckpointError(f"{directory} has {len(wrong)} tensors of the wrong shape, {_some(wrong)}: {_COPY_AGAIN}")


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    advice = "correct its permissions" if isinstance(error, PermissionError) else _COPY_AGAIN
    return CheckpointError(f"{path} cannot be read ({error.strerror}): {advice}")


def _some(names: list[str]) -> str:
    return f"such as {', '.join(names[:_MAX_NAMES])}" if len(names) > _MAX_NAMES else ", ".join(names)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON ({error}): {_COPY_AGAIN}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} does not contain a JSON object: {_COPY_AGAIN}")
    return values
