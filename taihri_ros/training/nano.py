"""taihri-nano before its training: a small Qwen3-VL with TAIHRI's tokens, whose numbers already mean numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from taihri_ros.engine.framework import require
from taihri_ros.engine.layout import answer_ends, make_config, make_tokenizer, rope, write_image_processor
from taihri_ros.model_spec import ModelSpec
from taihri_ros.quantization import BINS, coordinate_token

_WAVES = 64
_POSITIONS_PER_SIDE = 12


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
        directory: Where to.
        spec: Its numbers.
        texts: What it will be asked, to make a tokenizer of.
        merges: Tokens of that tokenizer beside bytes and added tokens.
        text: Sizes of the language model, as Qwen3VLTextConfig names them.
        vision: Sizes of the vision tower, as Qwen3VLVisionConfig names them.
        seed: Of the weights.

    Returns:
        The directory.

    Raises:
        EngineError: transformers is not installed.
    """
    transformers = require("transformers", "transformers")
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer([*texts, spec.system_prompt, spec.named_prompt, "system user assistant"], merges)
    tokenizer.save_pretrained(directory)
    write_image_processor(directory, spec)
    spec.save(directory)
    sizes = {"rope_parameters": rope(1e4, text["head_dim"])} | dict(text)
    towers = {"num_position_embeddings": _POSITIONS_PER_SIDE**2} | dict(vision)
    torch.manual_seed(seed)
    model = transformers.Qwen3VLForConditionalGeneration(make_config(tokenizer, text=sizes, vision=towers, tied=False))
    first = tokenizer.convert_tokens_to_ids(coordinate_token(0))
    with torch.no_grad():
        for embedding in (model.get_input_embeddings(), model.get_output_embeddings()):
            embedding.weight[first : first + BINS] = number_embeddings(embedding.weight.shape[1])
        model.model.visual.pos_embed.weight.copy_(place_embeddings(vision["hidden_size"]))
        for merger in model.model.visual.deepstack_merger_list:
            merger.linear_fc2.weight.zero_()
    model.generation_config = answer_ends(tokenizer)
    model.save_pretrained(directory)
    return directory


def number_embeddings(width: int, scale: float = 0.06) -> torch.Tensor:
    """Give embeddings in which near numbers are near each other: random mixtures of slow waves over the bins.

    Independent random embeddings have to learn from examples that <499> lies beside <500>, a thousand times.

    Args:
        width: Of the embedding.
        scale: Standard deviation of the values.

    Returns:
        float32 (1000, width).
    """
    place = torch.linspace(0.0, 1.0, BINS)[:, None]
    waves = torch.cos(torch.pi * place * torch.arange(1, _WAVES + 1))
    strength = torch.arange(1, _WAVES + 1) ** -0.5
    mixed = (waves * strength) @ torch.randn(_WAVES, width)
    return mixed / mixed.std() * scale


def place_embeddings(width: int, scale: float = 0.3) -> torch.Tensor:
    """Give two-dimensional sine and cosine embeddings for the learned position grid of the vision tower.

    Args:
        width: Of the embedding, a multiple of 4.
        scale: Amplitude.

    Returns:
        float32 (144, width).
    """
    side = torch.linspace(0.0, torch.pi, _POSITIONS_PER_SIDE)[:, None]
    waves = side * torch.linspace(0.5, _POSITIONS_PER_SIDE / 2, width // 4)
    along = torch.cat([waves.sin(), waves.cos()], dim=1)
    rows = along[:, None].expand(-1, _POSITIONS_PER_SIDE, -1)
    columns = along[None].expand(_POSITIONS_PER_SIDE, -1, -1)
    return torch.cat([rows, columns], dim=-1).reshape(-1, width) * scale
