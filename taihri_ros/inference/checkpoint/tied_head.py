"""A checkpoint with tied embeddings that also stores an output matrix of its own.

With `tie_word_embeddings`, frameworks take the input embedding for the output matrix and leave `lm_head.weight` out. A
model whose vocabulary was extended in training may have been saved with both, which then differ: its answers would be
nonsense, without an error (https://github.com/huggingface/transformers/issues/45127).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from taihri_ros.inference.checkpoint.files import MAX_TABLE_BYTES, read_json
from taihri_ros.inference.checkpoint.safetensors_header import INDEX, WEIGHTS
from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require

HEAD = "lm_head.weight"
EMBEDDING = "model.language_model.embed_tokens.weight"
"""Names of the output matrix and of the input embedding."""


def check_tied_head(directory: Path, rows: Iterable[int]) -> None:
    """Check that the output matrix of a tied checkpoint is its input embedding.

    Args:
        directory: The checkpoint's directory, whose tensors are checked and hold `HEAD`.
        rows: The rows to compare: ids of the tokens that were added.

    Raises:
        CheckpointError: The two differ.
    """
    safetensors = require("safetensors", "transformers")
    index = directory / INDEX
    files = read_json(index, MAX_TABLE_BYTES)["weight_map"] if index.exists() else {}
    with (
        safetensors.safe_open(directory / files.get(HEAD, WEIGHTS), framework="pt") as head_file,
        safetensors.safe_open(directory / files.get(EMBEDDING, WEIGHTS), framework="pt") as embedding_file,
    ):
        head, embedding = head_file.get_slice(HEAD), embedding_file.get_slice(EMBEDDING)
        same = head.get_shape() == embedding.get_shape() and all(
            (head[row : row + 1].float() == embedding[row : row + 1].float()).all() for row in rows
        )
    if not same:
        raise CheckpointError(
            f"{directory} has tie_word_embeddings in config.json, but its {HEAD} differs from its embedding, and would "
            "be left out: set tie_word_embeddings to false there, also in text_config, or merge the adapter again"
        )
