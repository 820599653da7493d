"""Low-rank adaptation of a published checkpoint; the rows of new tokens are trained whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peft import LoraConfig, get_peft_model

from taihri_ros.training.recipe import Lora

_LAYERS = r".*language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj"


def adapt(model: Any, settings: Lora, new_tokens: Sequence[int]) -> Any:
    """Put adapters on the language model's layers, and leave nothing else to train but the rows of new tokens.

    Args:
        model: transformers' Qwen3VLForConditionalGeneration; its layers are replaced in place.
        settings: Of the adapters.
        new_tokens: Ids of the rows to train.

    Returns:
        PEFT's model, for `merge`.
    """
    tables = ["embed_tokens"] if model.config.tie_word_embeddings else ["embed_tokens", "lm_head"]
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=_LAYERS,
        trainable_token_indices={table: list(new_tokens) for table in tables} if new_tokens else None,
    )
    return get_peft_model(model, config)


def merge(adapted: Any) -> Any:
    """Give the model with its adapters added to its weights, as any engine loads it.

    Args:
        adapted: What `adapt` gave.

    Returns:
        transformers' Qwen3VLForConditionalGeneration.
    """
    return adapted.merge_and_unload()
