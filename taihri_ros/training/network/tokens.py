"""TAIHRI's tokens for a model that lacks them, with embeddings that already mean something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from taihri_ros.inference.checkpoint.layout import TAIHRI_TOKENS
from taihri_ros.model.quantization import BINS, coordinate_token
from taihri_ros.training.network.priors import number_embeddings

_ROWS_TO_A_MULTIPLE_OF = 128


def add_tokens(tokenizer: Any) -> int:
    """Add those of TAIHRI's tokens that a tokenizer lacks.

    Args:
        tokenizer: A transformers tokenizer.

    Returns:
        How many it lacked.
    """
    from tokenizers import AddedToken

    added = [AddedToken(text, special=True, normalized=False) for text in TAIHRI_TOKENS]
    return int(tokenizer.add_tokens(added))


def fill_new_rows(model: Any, tokenizer: Any, new: Sequence[int]) -> tuple[int, ...]:
    """Make room for new tokens in a model's embeddings, and fill their rows.

    A number's row lies near those of its neighbours (see `number_embeddings`); a joint's or a mark's is the mean of the
    rows of its words. Both have the mean, and the numbers the spread, of the rows that were there.

    Args:
        model: transformers' Qwen3VLForConditionalGeneration.
        tokenizer: The tokenizer with the new tokens.
        new: Their ids, the last ones of the tokenizer.

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
