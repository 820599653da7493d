"""Checkpoints of the published sizes with random weights, to measure memory and time; their answers are meaningless.

The shapes are those of Qwen3-VL-2B-Instruct and Qwen3-VL-4B-Instruct (`config.json` of both on the Hugging Face hub).
The tokenizer is the small one of the tiny checkpoint; the embedding has the published 151,936 rows all the same, so
that a pass costs what it costs there. The weights are written in bfloat16, one shard at a time, so that no more than
one shard is held in memory.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint.layout import (
    make_config,
    make_generation_config,
    rope_parameters,
    write_image_processor,
)
from taihri_ros.inference.checkpoint.safetensors_header import INDEX
from taihri_ros.inference.checkpoint.tiny_checkpoint import build_once, small_tokenizer
from taihri_ros.inference.framework_imports import require
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.spec import Belief, ModelSpec

_SCALE = 0.02
"""Standard deviation of the weights, the `initializer_range` of the published configurations."""

_BYTES = 2


@dataclass(frozen=True)
class Shape:
    """The sizes of a Qwen3-VL.

    Attributes:
        text: Sizes of the language model, by the names of transformers' `Qwen3VLTextConfig`.
        vision: Sizes of the vision tower, by the names of `Qwen3VLVisionConfig`.
        shard_bytes: Size above which no further weight is added to a shard, bytes.
    """

    text: Mapping[str, Any]
    vision: Mapping[str, Any]
    shard_bytes: int = 1 << 30


def _published(width: int, inner: int, layers: int, heads: int) -> Shape:
    """Return a shape of the family with 24 layers in the vision tower, 8 key and value heads and heads of 128."""
    text = {
        "vocab_size": 151_936,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 262_144,
        "rope_parameters": rope_parameters(5e6, 128) | {"mrope_section": [24, 20, 20]},
    }
    vision = {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "out_hidden_size": width,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [5, 11, 17],
    }
    return Shape(text, vision)


SHAPES: Mapping[str, Shape] = {
    "2b": _published(2048, 6144, 28, 16),
    "4b": _published(2560, 9728, 36, 32),
    "tiny": Shape(
        text={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "rope_parameters": rope_parameters(5e6, 32),
        },
        vision={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 2,
            "out_hidden_size": 64,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [0],
        },
        shard_bytes=1 << 18,
    ),
}
"""The shapes by name; `tiny` takes a second to build and is for tests."""


def build_shape(directory: Path, shape: str, *, seed: int = 0) -> Path:
    """Build a checkpoint with random weights, unless the directory already contains the same one.

    The answer format is that of `AnswerFormat`, so that nothing is learned from a meaningless answer, and no confidence
    is too small. All other values of `taihri.json` are the official ones.

    Args:
        directory: Target directory; it is created or replaced atomically.
        shape: Name of a shape in `SHAPES`.
        seed: Seed of the weights.

    Returns:
        The directory.

    Raises:
        CheckpointError: The directory contains something else, or cannot be written.
        EngineError: transformers is not installed.
    """
    spec = ModelSpec(name=f"random-{shape}", trained=False, answer=AnswerFormat(), belief=Belief(0.0, 0.0))

    def write(fresh: Path) -> None:
        tokenizer = small_tokenizer()
        tokenizer.save_pretrained(fresh)
        write_image_processor(fresh, spec)
        make_generation_config(tokenizer).save_pretrained(fresh)
        config = _config(SHAPES[shape], tokenizer)
        config.architectures = ["Qwen3VLForConditionalGeneration"]
        config.save_pretrained(fresh)
        _write_weights(fresh, _weights(config), SHAPES[shape].shard_bytes, seed)
        spec.save(fresh)

    return build_once(directory, "random", {"shape": shape, "seed": seed}, write)


def count_parameters(shape: str) -> int:
    """Return the number of parameters of a shape; tied embeddings count once.

    Args:
        shape: Name of a shape in `SHAPES`.

    Returns:
        The number.

    Raises:
        EngineError: transformers is not installed.
    """
    weights = _weights(_config(SHAPES[shape], small_tokenizer()))
    return sum(math.prod(size) for size in weights.values())


def _config(shape: Shape, tokenizer: Any) -> Any:
    config = make_config(tokenizer, text=shape.text, vision=shape.vision, tied=True)
    config.dtype = config.text_config.dtype = config.vision_config.dtype = "bfloat16"
    return config


def _weights(config: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight of a checkpoint by its name, without allocating the weights."""
    torch, transformers = require("torch", "transformers"), require("transformers", "transformers")
    with torch.device("meta"):
        model = transformers.Qwen3VLForConditionalGeneration(config)
    return {name: tuple(weight.shape) for name, weight in model.named_parameters()}  # tied weights appear once


def _write_weights(directory: Path, weights: Mapping[str, tuple[int, ...]], shard_bytes: int, seed: int) -> None:
    """Write shards of random weights and their index."""
    torch, safetensors = require("torch", "transformers"), require("safetensors.torch", "transformers")
    generator = torch.Generator().manual_seed(seed)
    shards = list(_shards(weights, shard_bytes))
    files: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {name: _random_weight(torch, generator, name, weights[name]) for name in names}
        safetensors.save_file(tensors, directory / file, metadata={"format": "pt"})
        files |= dict.fromkeys(names, file)
    total = _BYTES * sum(math.prod(size) for size in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (directory / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _shards(weights: Mapping[str, tuple[int, ...]], shard_bytes: int) -> Iterator[list[str]]:
    """Divide the names of the weights, in their order, among shards."""
    names: list[str] = []
    filled = 0
    for name, size in weights.items():
        needed = _BYTES * math.prod(size)
        if names and filled + needed > shard_bytes:
            yield names
            names, filled = [], 0
        names.append(name)
        filled += needed
    yield names


def _random_weight(torch: Any, generator: Any, name: str, size: tuple[int, ...]) -> Any:
    """Return a weight in bfloat16: ones for the scale of a norm, zeros for a bias, else normally distributed values."""
    weight = torch.empty(size, dtype=torch.bfloat16)
    if len(size) > 1:
        return weight.normal_(0.0, _SCALE, generator=generator)
    return weight.fill_(0.0 if name.endswith("bias") else 1.0)


def main() -> None:
    """Build the checkpoint as the command line specifies."""
    parser = argparse.ArgumentParser(description="Build a checkpoint of a published size with random weights.")
    parser.add_argument("directory", type=Path, help="target directory")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="2b", help="size of the model")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights")
    arguments = parser.parse_args()
    try:
        build_shape(arguments.directory, arguments.shape, seed=arguments.seed)
    except TaihriError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
