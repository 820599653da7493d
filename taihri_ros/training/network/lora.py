"""Low-rank adaptation (LoRA) of a published checkpoint; embedding rows of new tokens are trained in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peft import LoraConfig, get_peft_model

from taihri_ros.training.recipe import Lora

_LAYERS = r".*language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj"


def add_adapters(model: Any, settings: Lora, new_tokens: Sequence[int]) -> Any:
    """Add adapters to the layers of the language model; besides them, only the rows of new tokens stay trainable.

    Args:
        model: transformers' Qwen3VLForConditionalGeneration; its layers are replaced in place.
        settings: Settings of the adapters.
        new_tokens: Ids of the rows to train.

    Returns:
        PEFT's model, for `merge_adapters`.
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


def merge_adapters(adapted: Any) -> Any:
    """Return the model with the adapters merged into its weights, in the form that every engine loads.

    Args:
        adapted: The model from `add_adapters`.

    Returns:
        transformers' Qwen3VLForConditionalGeneration.
    """
    return adapted.merge_and_unload()
