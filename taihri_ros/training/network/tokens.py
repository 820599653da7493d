"""Addition of TAIHRI's tokens to a model that lacks them, with suitable initial embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from taihri_ros.inference.checkpoint.layout import added_tokens
from taihri_ros.model.quantization import BINS, coordinate_token
from taihri_ros.training.network.initial_weights import number_embeddings

_ROWS_TO_A_MULTIPLE_OF = 128
"""The number of rows of the embedding is a multiple of this, for which matrix kernels are fast."""


def add_tokens(tokenizer: Any, *, absent: bool) -> int:
    """Add the missing tokens of TAIHRI to a tokenizer.

    Args:
        tokenizer: A transformers tokenizer.
        absent: Whether to add `<absent>`, too.

    Returns:
        The number of tokens added.
    """
    from tokenizers import AddedToken

    added = [AddedToken(text, special=True, normalized=False) for text in added_tokens(absent=absent)]
    return int(tokenizer.add_tokens(added))


def fill_new_rows(model: Any, tokenizer: Any, new: Sequence[int]) -> tuple[int, ...]:
    """Extend the embeddings of a model by new tokens and fill their rows.

    Rows of coordinates are near those of neighbouring bins (see `number_embeddings`), with the mean and the standard
    deviation of the existing rows. The row of a joint or a delimiter is the mean of the rows of its words.

    Args:
        model: transformers' Qwen3VLForConditionalGeneration.
        tokenizer: The tokenizer with the new tokens.
        new: Ids of the new tokens, the last ones of the tokenizer.

    Returns:
        The ids.
    """
    if not new:
        return ()
    old = new[0]
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer), _ROWS_TO_A_MULTIPLE_OF, mean_resizing=False)
    first = tokenizer.convert_tokens_to_ids(coordinate_token(0))
    tables = [model.get_input_embeddings().weight]
    if not model.config.tie_word_embeddings:
        tables.append(model.get_output_embeddings().weight)
    with torch.no_grad():
        for table in tables:
            centre, spread = table[:old].mean(dim=0), float(table[:old].std())
            if first >= old:
                table[first : first + BINS] = centre + number_embeddings(table.shape[1], spread).to(table)
            for token in (token for token in new if not first <= token < first + BINS):
                words = tokenizer.convert_ids_to_tokens(token).strip("<|>").replace("_", " ")
                table[token] = table[tokenizer(words, add_special_tokens=False)["input_ids"]].mean(dim=0)
    return tuple(new)
