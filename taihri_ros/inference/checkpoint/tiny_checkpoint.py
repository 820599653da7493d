"""A tiny checkpoint for tests: a Qwen3-VL with random weights and all tokens of TAIHRI, built offline in a second.

It exercises the same code as a trained checkpoint (processor, tokenizer, vision tower, grammar). Its answers are
meaningless.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taihri_ros.errors import TaihriError
from taihri_ros.inference.checkpoint.layout import (
    make_config,
    make_generation_config,
    make_tokenizer,
    rope_parameters,
    write_image_processor,
)
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.spec import FILE_NAME, Belief, ModelSpec
from taihri_ros.skeleton import JOINTS

SPEC = ModelSpec(name="tiny-random", trained=False, focal_px=500.0, answer=AnswerFormat(), belief=Belief(0.0, 0.0))
"""Specification of the tiny checkpoint. The short focal length keeps images small: an image of 640x480 px with a focal
length of 600 px becomes about 220 visual tokens. Random weights are never sure, so no confidence is too small."""

SPEC_WITH_ABSENT = dataclasses.replace(SPEC, answer=AnswerFormat(absent=True))
"""The same with the token `<absent>`."""

_WORDS = [
    SPEC.system_prompt,
    SPEC.named_prompt.format(joints=", ".join(JOINTS)),
    "system user assistant",
    "<0>, <1>",
]
_MERGES = 250
"""Number of tokens of the tokenizer besides bytes and added tokens."""


def build(directory: Path, *, seed: int = 0, spec: ModelSpec | None = SPEC, tied: bool = False) -> Path:
    """Build the checkpoint, unless the directory already contains the same one.

    Args:
        directory: Target directory; it is created or replaced atomically.
        seed: Seed of the weights.
        spec: Content of `taihri.json`, or None to omit that file, as the official checkpoint does. With
            `answer.absent`, the tokenizer has `<absent>`.
        tied: Whether input and output embeddings share one tensor, as in the small models of the Qwen3-VL family.

    Returns:
        The directory.

    Raises:
        CheckpointError: The directory contains something else.
        EngineError: transformers is not installed.
    """
    numbers = None if spec is None else spec.to_dict()

    def write(fresh: Path) -> None:
        _write(fresh, seed, spec or dataclasses.replace(SPEC, answer=None), tied)
        if spec is not None:
            spec.save(fresh)

    return build_once(directory, "tiny", {"seed": seed, "spec": numbers, "tied": tied}, write)


def build_once(directory: Path, kind: str, arguments: dict[str, Any], write: Callable[[Path], None]) -> Path:
    """Build a checkpoint, unless the directory already contains one that was built with the same arguments.

    Args:
        directory: Target directory; it is created or replaced atomically.
        kind: What is built, such as `tiny`; the file `<kind>.json` in the directory records the arguments.
        arguments: The arguments of the build, as JSON types.
        write: Writes the checkpoint into a directory that does not exist yet.

    Returns:
        The directory.

    Raises:
        CheckpointError: The directory contains something else, or cannot be written.
    """
    path, record = directory / f"{kind}.json", json.dumps(arguments, sort_keys=True)
    if _is_built(path, record):
        return directory
    if directory.is_dir() and any(directory.iterdir()) and not path.is_file():
        raise CheckpointError(f"{directory} is not empty and is not a {kind} checkpoint: choose another directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as scratch:
        fresh = Path(scratch) / "checkpoint"
        write(fresh)
        (fresh / path.name).write_text(record, encoding="utf-8")
        shutil.rmtree(directory, ignore_errors=True)
        try:
            fresh.rename(directory)
        except OSError as error:
            if not _is_built(path, record):  # otherwise another process has just built the same checkpoint
                raise CheckpointError(f"{directory} cannot be written: {error}") from error
    return directory


def _is_built(path: Path, record: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == record


def small_tokenizer(*, absent: bool = False) -> Any:
    """Return a tokenizer of some 1,600 tokens: those of the prompts, of any UTF-8 text and of TAIHRI."""
    return make_tokenizer(_WORDS * 4, _MERGES, absent=absent)


def _write(directory: Path, seed: int, spec: ModelSpec, tied: bool) -> None:
    tokenizer = small_tokenizer(absent=spec.has_absent)
    tokenizer.save_pretrained(directory)
    write_image_processor(directory, spec)
    torch = require("torch", "transformers")
    transformers = require("transformers", "transformers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.Qwen3VLForConditionalGeneration(_make_config(tokenizer, tied))
    model.generation_config = make_generation_config(tokenizer)
    model.save_pretrained(directory)


def _make_config(tokenizer: Any, tied: bool) -> Any:
    """Return the configuration of a Qwen3-VL that has every part at a very small size."""
    width, head = 128, 32
    text = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 4,
        "num_attention_heads": width // head,
        "num_key_value_heads": width // head // 2,
        "head_dim": head,
        "initializer_range": 0.05,
        "rope_parameters": rope_parameters(5e6, head),
    }
    vision = {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 2,
        "out_hidden_size": width,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.05,
    }
    return make_config(tokenizer, text=text, vision=vision, tied=tied)


def main() -> None:
    """Build the checkpoint as the command line specifies."""
    parser = argparse.ArgumentParser(description="Build a tiny random checkpoint with the token layout of TAIHRI.")
    parser.add_argument("directory", type=Path, help="target directory")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--without-spec", dest="spec", action="store_const", const=None, default=SPEC, help=f"omit {FILE_NAME}"
    )
    kinds.add_argument(
        "--absent", dest="spec", action="store_const", const=SPEC_WITH_ABSENT, help="with the token <absent>"
    )
    arguments = parser.parse_args()
    try:
        build(arguments.directory, seed=arguments.seed, spec=arguments.spec)
    except TaihriError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
