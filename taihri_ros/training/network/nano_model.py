"""taihri-nano before training: a small Qwen3-VL with TAIHRI's tokens and structured initial weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from taihri_ros.inference.checkpoint.layout import (
    make_config,
    make_generation_config,
    make_tokenizer,
    rope_parameters,
    write_image_processor,
)
from taihri_ros.inference.framework_imports import require
from taihri_ros.model.quantization import BINS, coordinate_token
from taihri_ros.model.spec import ModelSpec
from taihri_ros.training.network.initial_weights import (
    POSITIONS_PER_SIDE,
    frequency_filters,
    neighbour_biases,
    number_embeddings,
    position_embeddings,
)


def build_nano(
    directory: Path,
    *,
    spec: ModelSpec,
    texts: Iterable[str],
    merges: int,
    text: Mapping[str, Any],
    vision: Mapping[str, Any],
    seed: int,
) -> Path:
    """Write the untrained checkpoint.

    Args:
        directory: Directory to write.
        spec: Spec of the model.
        texts: Typical prompts, to train the tokenizer on.
        merges: Number of tokens of the tokenizer besides bytes and added tokens.
        text: Sizes of the language model, with the names of Qwen3VLTextConfig.
        vision: Sizes of the vision tower, with the names of Qwen3VLVisionConfig.
        seed: Seed of the weights.

    Returns:
        The directory.

    Raises:
        EngineError: transformers is not installed.
    """
    transformers = require("transformers", "transformers")
    directory.mkdir(parents=True, exist_ok=True)
    words = [*texts, spec.system_prompt, spec.named_prompt, "system user assistant"]
    tokenizer = make_tokenizer(words, merges, absent=spec.has_absent)
    tokenizer.save_pretrained(directory)
    write_image_processor(directory, spec)
    spec.save(directory)
    sizes = {"rope_parameters": rope_parameters(1e4, text["head_dim"])} | dict(text)
    towers = {"num_position_embeddings": POSITIONS_PER_SIDE**2} | dict(vision)
    torch.manual_seed(seed)
    model = transformers.Qwen3VLForConditionalGeneration(make_config(tokenizer, text=sizes, vision=towers, tied=False))
    first = tokenizer.convert_tokens_to_ids(coordinate_token(0))
    with torch.no_grad():
        for embedding in (model.get_input_embeddings(), model.get_output_embeddings()):
            embedding.weight[first : first + BINS] = number_embeddings(embedding.weight.shape[1])
        _initialize_tower(model.model.visual)
    model.generation_config = make_generation_config(tokenizer)
    model.save_pretrained(directory)
    return directory


def _initialize_tower(tower: Any) -> None:
    width, heads = tower.config.hidden_size, tower.config.num_heads
    tower.pos_embed.weight.copy_(position_embeddings(width))
    tower.patch_embed.proj.weight.copy_(frequency_filters(width)[:, :, None] / tower.config.temporal_patch_size)
    tower.patch_embed.proj.bias.zero_()
    for block in tower.blocks:
        block.attn.qkv.bias.copy_(neighbour_biases(width, heads))
    for merger in tower.deepstack_merger_list:
        merger.linear_fc2.weight.zero_()
