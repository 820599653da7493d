"""The memory that a checkpoint needs, computed from its sizes; nothing here is measured.

With the values of `config.json` (L layers of width h with k key and value heads of size e; a vision tower of width d
with an inner width m, T frames of p x p px in a patch, M x M patches in a visual token, s + 1 outputs of width h) and b
bytes a value, a view of W x H px has

    V = W H / (M p)^2                           visual tokens
    N = V M^2                                   patches
    cache  = (V + 512) 2 L k e b                keys and values of the view and of 512 tokens of prompt and answer
    vision = N (2 d + max(4 d, 2 m)) b          the largest step of a block: residual and its norm, with queries, keys,
                                                values and their result, or with both sides of the activation
             + 4 N 3 T p^2 + V (s + 1) h b      the patches in float32, and the outputs
    total  = weights + cache + vision

Attention is counted without its table of N x N scores, which the kernels of vLLM and torch do not store. What a
framework adds (CUDA context, graphs, workspace, the prefill of the language model) is not counted. vLLM on a GPU takes
the fraction `engine.gpu_memory_utilization` of the memory, however much is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from taihri_ros.camera.view_size import size_within
from taihri_ros.model.spec import ModelSpec

TEXT_TOKENS = 512
"""Tokens of a prompt for all joints and of its answer."""

_CHANNELS = 3
_FLOAT32_BYTES = 4
_CAMERA_PX, _CAMERA_FOCAL_PX = (640, 480), 600.0
"""Width and height, and focal length, of the camera for whose view the memory is estimated, px."""


@dataclass(frozen=True)
class ModelSizes:
    """The sizes in `config.json` that memory depends on; the names are those of transformers.

    Attributes:
        layers, width, kv_heads, head_dim: Of the language model.
        vision_width, vision_inner_width: Of the vision tower.
        vision_outputs: Number of outputs of the vision tower for each visual token.
        patch_size, temporal_patch_size, merge_size: Of the image processor, in px, frames and patches.
    """

    layers: int
    width: int
    kv_heads: int
    head_dim: int
    vision_width: int
    vision_inner_width: int
    vision_outputs: int
    patch_size: int
    temporal_patch_size: int
    merge_size: int

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> ModelSizes | None:
        """Read the sizes from the content of `config.json`; None if one is missing or is not a positive integer."""
        text, vision = config.get("text_config"), config.get("vision_config")
        if not isinstance(text, dict) or not isinstance(vision, dict):
            return None
        width, heads = text.get("hidden_size"), text.get("num_attention_heads")
        head_dim = text.get("head_dim")
        if head_dim is None and isinstance(width, int) and isinstance(heads, int) and heads > 0:
            head_dim = width // heads
        deepstack = vision.get("deepstack_visual_indexes", [])
        values = (
            *(text.get("num_hidden_layers"), width, text.get("num_key_value_heads", heads), head_dim),
            *(vision.get("hidden_size"), vision.get("intermediate_size")),
            len(deepstack) + 1 if isinstance(deepstack, list) else None,
            *(vision.get("patch_size", 16), vision.get("temporal_patch_size", 2), vision.get("spatial_merge_size", 2)),
        )
        return cls(*values) if all(type(value) is int and value > 0 for value in values) else None  # type: ignore[arg-type]

    def cache_bytes(self, visual_tokens: int, value_bytes: int) -> int:
        """Return the size of the keys and values of one view with prompt and answer, bytes."""
        return (visual_tokens + TEXT_TOKENS) * 2 * self.layers * self.kv_heads * self.head_dim * value_bytes

    def vision_bytes(self, visual_tokens: int, value_bytes: int) -> int:
        """Return the largest size of the vision tower's activations for one view, bytes."""
        patches = visual_tokens * self.merge_size**2
        block = 2 * self.vision_width + max(4 * self.vision_width, 2 * self.vision_inner_width)
        pixels = _CHANNELS * self.temporal_patch_size * self.patch_size**2
        outputs = visual_tokens * self.vision_outputs * self.width
        return patches * (block * value_bytes + pixels * _FLOAT32_BYTES) + outputs * value_bytes


@dataclass(frozen=True)
class ViewMemory:
    """The cost of one view.

    Attributes:
        name: What the view shows.
        width, height: Size of the view that the node sends, within the model's limits, px.
        visual_tokens: Number of its visual tokens.
        cache_bytes: Keys and values.
        vision_bytes: Activations of the vision tower.
        total_bytes: Both and the weights.
    """

    name: str
    width: int
    height: int
    visual_tokens: int
    cache_bytes: int
    vision_bytes: int
    total_bytes: int


def view_memory(spec: ModelSpec, sizes: ModelSizes, *, weight_bytes: int, value_bytes: int) -> tuple[ViewMemory, ...]:
    """Compute the memory for views from the smallest to the largest.

    Args:
        spec: The checkpoint's specification, whose limits of the view apply.
        sizes: Sizes of the model.
        weight_bytes: Size of the weights, bytes.
        value_bytes: Size of one value of cache and activations, bytes.

    Returns:
        The cost of each view; the formula is that of this module.

    Raises:
        CameraError: No view is within the limits of the specification.
    """
    views = []
    for name, needed in _views(spec):
        width, height = size_within(
            needed,
            max_size=spec.max_image_size,
            min_pixels=spec.min_pixels,
            max_pixels=spec.max_pixels,
            multiple=spec.image_multiple,
        )
        tokens = width * height // (sizes.merge_size * sizes.patch_size) ** 2
        cache, vision = sizes.cache_bytes(tokens, value_bytes), sizes.vision_bytes(tokens, value_bytes)
        views.append(ViewMemory(name, width, height, tokens, cache, vision, weight_bytes + cache + vision))
    return tuple(views)


def _views(spec: ModelSpec) -> Iterable[tuple[str, tuple[float, float]]]:
    """Return the name of each view, and its width and height before the model's limits, px."""
    zoom = spec.focal_px / _CAMERA_FOCAL_PX
    width, height = _CAMERA_PX
    return (
        ("smallest view", (1.0, 1.0)),
        (f"{width}x{height} px", (width, height)),
        (f"camera {width}x{height}, f {_CAMERA_FOCAL_PX:g} px", (width * zoom, height * zoom)),
        ("1000x1000 px", (1000.0, 1000.0)),
        ("1400x1400 px", (1400.0, 1400.0)),
        ("largest view", (math.inf, math.inf)),
    )
