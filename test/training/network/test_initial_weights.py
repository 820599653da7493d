"""Initial weights: ordered coordinates, whitening filters, and heads that attend to neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision

from taihri_ros.training.data.pictures import Picture
from taihri_ros.training.data.viewpoints import Viewpoint
from taihri_ros.training.network.initial_weights import frequency_filters, neighbour_biases, number_embeddings
from taihri_ros.training.network.patch_batch import to_patches


def test_embeddings_of_near_bins_are_similar() -> None:
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(number_embeddings(96), dim=1)
    alike = rows @ rows[500]
    assert alike[501] > 0.95
    assert alike[501] > alike[510] > alike[560]


@pytest.mark.parametrize("width", [64, 192])
def test_filters_give_all_frequencies_a_similar_strength(pictures: list[Picture], width: int) -> None:
    patches, _ = to_patches([Viewpoint(80.0, (96, 96)).render(picture).image for picture in pictures])
    filters = frequency_filters(width).flatten(1)
    assert filters.shape == (width, 3 * 16 * 16)
    strengths = (patches @ filters.T).std(dim=0).numpy()
    noise = (patches @ (torch.randn(filters.shape, generator=torch.Generator().manual_seed(0)) * 0.04).T).numpy()
    assert np.median(strengths) == pytest.approx(0.75, abs=0.35)
    alike = np.abs(np.corrcoef((patches @ filters.T).numpy().T) - np.eye(width)).mean()
    assert alike < 0.5 * np.abs(np.corrcoef(noise.T) - np.eye(width)).mean()


def test_four_heads_attend_to_the_four_neighbours_and_the_others_uniformly() -> None:
    heads, size, side = 6, 32, 9
    query, key, value = neighbour_biases(heads * size, heads).view(3, heads, size)
    assert not value.any()
    rows, columns = (axis.flatten()[:, None] for axis in torch.meshgrid(*[torch.arange(side)] * 2, indexing="ij"))
    rates = 1e4 ** (-torch.arange(0, size // 2, 2) / (size // 2))
    angles = torch.cat([rows * rates, columns * rates], dim=1).repeat(1, 2)
    query, key = (bias.expand(side * side, heads, size) for bias in (query, key))
    query, key = apply_rotary_pos_emb_vision(query, key, angles.cos(), angles.sin())
    weights = (torch.einsum("qhd,khd->hqk", query, key) * size**-0.5).softmax(dim=-1)
    centre = side * side // 2
    favourites = [weights[head, centre].argmax().item() - centre for head in range(4)]
    assert favourites == [1, side, -1, -side]
    assert (weights[:4, centre].amax(dim=-1) > 0.6).all()
    assert weights[4:].std() < 1e-6
