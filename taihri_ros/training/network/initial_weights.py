"""Structured initial weights: ordered coordinate tokens, and the locality of images.

With little data, a transformer needs much of its training to learn two properties that a convolutional network has by
design: neighbouring patches are related, and fine detail matters as much as brightness. Both can be encoded in the
initial weights.
"""

from __future__ import annotations

import torch

from taihri_ros.inference.checkpoint.layout import PATCH_PX
from taihri_ros.model.quantization import BINS

POSITIONS_PER_SIDE = 12
"""Number of position embeddings along each side of an image."""

_WAVES = 64
"""Number of cosines that are mixed into the embeddings of the bins."""

_LUMA, _RED_BLUE, _GREEN = (3**-0.5,) * 3, (2**-0.5, 0.0, -(2**-0.5)), (6**-0.5, -2 * 6**-0.5, 6**-0.5)
_NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Shifts in rows and columns of patches, one for each attention head."""


def number_embeddings(width: int, scale: float = 0.06) -> torch.Tensor:
    """Return embeddings in which neighbouring coordinate tokens are similar: random mixtures of low frequencies.

    With independent random embeddings, the order of the 1000 bins would have to be learned from examples.

    Args:
        width: Width of the embedding.
        scale: Standard deviation of the values.

    Returns:
        float32 (1000, width).
    """
    place = torch.linspace(0.0, 1.0, BINS)[:, None]
    waves = torch.cos(torch.pi * place * torch.arange(1, _WAVES + 1))
    strength = torch.arange(1, _WAVES + 1) ** -0.5
    mixed = (waves * strength) @ torch.randn(_WAVES, width)
    return mixed / mixed.std() * scale


def position_embeddings(width: int, scale: float = 0.3) -> torch.Tensor:
    """Return two-dimensional sine and cosine embeddings for the learned position grid of the vision tower.

    Args:
        width: Width of the embedding, a multiple of 4.
        scale: Amplitude.

    Returns:
        float32 (144, width).
    """
    side = torch.linspace(0.0, torch.pi, POSITIONS_PER_SIDE)[:, None]
    waves = side * torch.linspace(0.5, POSITIONS_PER_SIDE / 2, width // 4)
    along = torch.cat([waves.sin(), waves.cos()], dim=1)
    rows = along[:, None].expand(-1, POSITIONS_PER_SIDE, -1)
    columns = along[None].expand(POSITIONS_PER_SIDE, -1, -1)
    return torch.cat([rows, columns], dim=-1).reshape(-1, width) * scale


def frequency_filters(width: int) -> torch.Tensor:
    """Return patch filters that whiten natural images: the lowest cosines of a patch, scaled to equal output variance.

    The amplitude of natural images falls with the frequency. Random filters therefore respond mainly to brightness and
    hardly to edges. The discrete cosine transform separates the frequencies, as in JPEG.

    Args:
        width: Number of filters: a sixth for each of two colour axes, the others for luminance.

    Returns:
        float32 (width, 3, 16, 16), for pixels in [-1, 1].
    """
    place = torch.arange(PATCH_PX)
    waves = torch.cos(torch.pi * (place + 0.5) * place[:, None] / PATCH_PX) * (2.0 / PATCH_PX) ** 0.5
    waves[0] *= 0.5**0.5
    frequency = torch.hypot(place[:, None].float(), place.float()).flatten()
    slowest = frequency.argsort(stable=True)
    cosines = torch.einsum("ux,vy->uvxy", waves, waves).reshape(-1, PATCH_PX, PATCH_PX)
    sixth = width // 6
    filters = []
    for color, count, amplitude in (
        (_LUMA, width - 2 * sixth, 3.0),
        (_RED_BLUE, sixth, 0.55),
        (_GREEN, sixth, 0.55),
    ):
        chosen = slowest[:count]
        strength = amplitude * frequency[chosen].clamp_min(1 / 3) ** -1.35 + 0.1
        filters.append(torch.einsum("c,nxy->ncxy", torch.tensor(color), cosines[chosen] / strength[:, None, None]))
    return torch.cat(filters)


def neighbour_biases(width: int, heads: int, *, sharpness: float = 5.0) -> torch.Tensor:
    """Return biases of query, key and value with which four heads attend to the four neighbours of a patch.

    The rotary embedding rotates a bias by an angle that depends only on the position. The product of two biases
    therefore depends only on the distance of their positions, like the kernel of a convolution. Trockman and Kolter
    (2023, arXiv 2305.09828) do the same with learned positions.

    Args:
        width: Width of the layer.
        heads: Number of heads; those after the fourth attend uniformly.
        sharpness: Amplitude of the logit, for each axis and frequency of the rotary embedding.

    Returns:
        float32 (3 * width,).
    """
    size = width // heads
    rates = 1e4 ** (-torch.arange(0, size // 2, 2) / (size // 2))
    amplitude = torch.where(rates > 0.2, (sharpness * size**0.5) ** 0.5, 0.0)
    query, key = torch.zeros(heads, size), torch.zeros(heads, size)
    both = amplitude.repeat(2)
    for head, shifts in enumerate(_NEIGHBOURS[:heads]):
        angle = torch.cat([shift * rates for shift in shifts])
        query[head, : size // 2] = both
        key[head] = torch.cat([both * angle.cos(), -both * angle.sin()])
    return torch.cat([query.flatten(), key.flatten(), torch.zeros(width)])
