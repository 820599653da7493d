"""What the files of a checkpoint contain, in a few words and numbers: architecture, weights and tokens of answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taihri_ros.inference.checkpoint.low_bit_weights import low_bit_settings
from taihri_ros.inference.checkpoint.safetensors_header import Tensors
from taihri_ros.inference.checkpoint.tied_head import HEAD
from taihri_ros.inference.checkpoint.vocabulary import Vocabulary
from taihri_ros.inference.coordinate_ids import CoordinateIds
from taihri_ros.model.lexer import BLOCKS
from taihri_ros.model.quantization import ABSENT_TOKEN, BINS
from taihri_ros.model.spec import ModelSpec
from taihri_ros.skeleton import JOINTS, joint_token


@dataclass(frozen=True)
class Weights:
    """The tensors of a checkpoint, from the headers of its files.

    Attributes:
        files: Number of files.
        tensors: Number of tensors.
        values: Number of their values: the parameters, unless several are packed into one value.
        bytes: Size in memory in the types of the files; a head that is tied to the embedding is not counted.
        dtypes: Size of the tensors of each type, bytes.
    """

    files: int
    tensors: int
    values: int
    bytes: int
    dtypes: Mapping[str, int]


@dataclass(frozen=True)
class Tokens:
    """The tokens of answers.

    Attributes:
        names: How names of joints are written: tokens or ordinary text.
        delimiters: The same for the start and the end of a block.
        coordinates: The same for coordinates, with the order of their ids.
        absent: Whether `<absent>` is a token.
        cannot_constrain: Why answers cannot be constrained; empty if they can.
    """

    names: str
    delimiters: str
    coordinates: str
    absent: bool
    cannot_constrain: str


def read_architecture(config: Mapping[str, Any]) -> dict[str, object]:
    """Return the values of `config.json` that describe the model; missing or invalid ones are left out."""
    named = {"model_type": config.get("model_type"), "dtype": config.get("dtype") or config.get("torch_dtype")}
    for prefix, part, names in (
        (
            "text",
            "text_config",
            (
                *("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads"),
                *("num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings"),
            ),
        ),
        ("vision", "vision_config", ("depth", "hidden_size", "intermediate_size", "num_heads", "patch_size")),
    ):
        values = config.get(part)
        for name in names:
            named[f"{prefix}.{name}"] = values.get(name) if isinstance(values, dict) else None
    return {name: value for name, value in named.items() if isinstance(value, (str, int))}


def describe_low_bit_weights(config: Mapping[str, Any]) -> str:
    """Return how the weights are quantised, from the content of `config.json`; empty if they are not."""
    settings = low_bit_settings(config)
    if settings is None:
        return ""
    if not isinstance(settings, dict):
        return "unknown"
    bits = settings.get("bits")
    return f"{settings.get('quant_method', 'unknown')}{f', {bits} bits' if bits is not None else ''}"


def describe_weights(directory: Path, tensors: Tensors, config: Mapping[str, Any]) -> Weights:
    """Describe the tensors of a checkpoint.

    Args:
        directory: The checkpoint's directory.
        tensors: Its tensors.
        config: The content of `config.json`, which says whether the head is tied to the embedding.

    Returns:
        Their numbers and sizes.
    """
    tied = config.get("tie_word_embeddings") is True
    held = [tensor for name, tensor in tensors.items() if not (tied and name == HEAD)]
    dtypes: Counter[str] = Counter()
    for tensor in held:
        dtypes[tensor.dtype] += tensor.bytes
    values = sum(math.prod(tensor.shape) for tensor in held)
    files = len(list(directory.glob("*.safetensors")))
    return Weights(files, len(tensors), values, dtypes.total(), dict(dtypes.most_common()))


def read_tokens(directory: Path, spec: ModelSpec | None) -> Tokens:
    """Find out which parts of an answer are tokens of a checkpoint.

    Args:
        directory: The checkpoint's directory.
        spec: Its specification; None if `taihri.json` is invalid.

    Returns:
        The tokens of answers.

    Raises:
        CheckpointError: The tokenizer is missing or invalid.
        EngineError: The package tokenizers is not installed.
    """
    vocabulary = Vocabulary(directory, absent=spec is not None and spec.has_absent)

    def form(*texts: str) -> str:
        return "tokens" if all(len(vocabulary.ids(text)) == 1 for text in texts) else "ordinary text"

    return Tokens(
        names=form(*map(joint_token, JOINTS)),
        delimiters=form(*(token for block in BLOCKS.values() for token in block)),
        coordinates=_describe_order(CoordinateIds(vocabulary.coordinates[:BINS])),
        absent=len(vocabulary.ids(ABSENT_TOKEN)) == 1,
        cannot_constrain=vocabulary.cannot_constrain or "",
    )


def _describe_order(coordinates: CoordinateIds) -> str:
    blocks = coordinates.ranges()
    if not blocks:
        return "ordinary text"
    places = "one block" if len(blocks) == 1 else f"{len(blocks)} blocks"
    order = "in order" if list(coordinates) == sorted(coordinates) else "shuffled"
    return f"tokens {blocks[0][0]} to {blocks[-1][1]}, {places}, {order}"
