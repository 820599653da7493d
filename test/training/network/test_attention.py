"""Attention by plain products equals that of transformers, forward and backward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from taihri_ros.model.spec import ModelSpec
from taihri_ros.training.data.pictures import Picture
from taihri_ros.training.data.viewpoints import Viewpoint
from taihri_ros.training.network.attention import attend_by_products, attend_by_size
from taihri_ros.training.network.dense import collate
from taihri_ros.training.network.patch_batch import embed_still_patches


def load(nano: Path) -> Any:
    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(nano, dtype=torch.float32).model
    embed_still_patches(model.visual)
    return model


def gradient(module: torch.nn.Module, result: torch.Tensor) -> torch.Tensor:
    weights = torch.linspace(-1.0, 1.0, result.numel()).reshape(result.shape)
    (result * weights).sum().backward()
    return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])


@pytest.mark.parametrize("sizes", [[(64, 96)], [(64, 96), (96, 64), (64, 96), (128, 128)]])
def test_attention_within_views_of_any_size(nano: Path, pictures: list[Picture], sizes: list[tuple[int, int]]) -> None:
    focal_px = ModelSpec.load(nano).focal_px
    batch = collate([Viewpoint(focal_px, size).render(picture) for size, picture in zip(sizes, pictures, strict=False)])
    plain, together = load(nano).visual, load(nano).visual
    attend_by_size(together)
    results = [tower(batch["patches"], batch["grids"]).pooler_output for tower in (plain, together)]
    torch.testing.assert_close(results[1], results[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(gradient(together, results[1]), gradient(plain, results[0]), atol=1e-4, rtol=1e-3)


def test_a_view_does_not_attend_to_its_neighbour(nano: Path, pictures: list[Picture]) -> None:
    focal_px = ModelSpec.load(nano).focal_px
    views = [Viewpoint(focal_px, (64, 64)).render(picture) for picture in pictures[:3]]
    tower = load(nano).visual
    attend_by_size(tower)
    together, single = collate(views), collate(views[1:2])
    whole = tower(together["patches"], together["grids"]).pooler_output.split(4)[1]
    torch.testing.assert_close(whole, tower(single["patches"], single["grids"]).pooler_output, atol=1e-5, rtol=1e-4)


def test_attention_within_masked_rows(nano: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 200, (2, 9), generator=generator)
    visible = (torch.rand(2, 1, 9, 9, generator=generator) < 0.5).tril() | torch.eye(9, dtype=torch.bool)
    positions = torch.arange(9).expand(3, 2, 9)
    plain, products = load(nano).language_model, load(nano).language_model
    attend_by_products(products)
    results = [
        model(input_ids=ids, attention_mask=visible, position_ids=positions, use_cache=False).last_hidden_state
        for model in (plain, products)
    ]
    torch.testing.assert_close(results[1], results[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(gradient(products, results[1]), gradient(plain, results[0]), atol=1e-4, rtol=1e-3)
