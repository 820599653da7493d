"""Attention of a whole batch as plain matrix products, which is faster than torch's fused kernel on a CPU.

The backward pass of the fused kernel is slow on a CPU, and transformers calls the kernel once for each image of the
vision tower. With views of about 60 patches this took half of a training step. Here, attention is computed for all
neighbouring views of one size at once.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision, repeat_kv

_NAME = "taihri_products"


def attend_by_size(tower: nn.Module) -> None:
    """Compute the attention of a vision tower for neighbouring views of one size in one product.

    The result does not change.

    Args:
        tower: The vision tower. It is fastest when the views of a batch are sorted by size.
    """
    for block in tower.blocks:
        block.attn.forward = functools.partial(_attend_within_views, block.attn)


def attend_by_products(language_model: Any) -> None:
    """Compute the attention of a language model with plain matrix products on a CPU.

    The result does not change.

    Args:
        language_model: transformers' Qwen3VLTextModel; its masks must be bool (N, 1, L, L).
    """
    AttentionInterface.register(_NAME, _attend)
    language_model.set_attn_implementation(_NAME)


def _attend_within_views(
    attention: Any,
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    **_: Any,
) -> torch.Tensor:
    """Compute attention within each view, with the signature of transformers' Qwen3VLVisionAttention."""
    heads = attention.num_heads
    query, key, value = attention.qkv(hidden_states).view(len(hidden_states), 3, heads, -1).unbind(1)
    query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
    lengths, counts = torch.unique_consecutive(cu_seqlens.diff(), return_counts=True)
    groups = (lengths * counts).tolist()
    parts = [
        _product(*(part.view(count, -1, heads, part.shape[-1]).transpose(1, 2) for part in group))
        for count, *group in zip(counts.tolist(), *(each.split(groups) for each in (query, key, value)), strict=True)
    ]
    attended = torch.cat([part.transpose(1, 2).reshape(-1, hidden_states.shape[-1]) for part in parts])
    return attention.proj(attended)


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Compute attention within each row, with the signature of transformers' attention functions."""
    groups = module.num_key_value_groups
    attended = _product(query, repeat_kv(key, groups), repeat_kv(value, groups), attention_mask)
    return attended.transpose(1, 2), None


def _product(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, visible: torch.Tensor | None = None
) -> torch.Tensor:
    if query.is_cuda:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    scores = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
    if visible is not None:
        scores = scores.masked_fill(~visible, float("-inf"))
    return scores.softmax(dim=-1).to(value.dtype) @ value
