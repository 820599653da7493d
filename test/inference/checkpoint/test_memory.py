"""The memory of a checkpoint is the arithmetic of its docstring, for sizes worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taihri_ros.inference.checkpoint.memory import ModelSizes, view_memory
from taihri_ros.model.spec import ModelSpec
from taihri_ros.resources import NANO

QWEN3_VL_2B: dict[str, Any] = {
    "text_config": {"num_hidden_layers": 28, "hidden_size": 2048, "num_attention_heads": 16, "num_key_value_heads": 8}
    | {"head_dim": 128},
    "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "deepstack_visual_indexes": [5, 11, 17]}
    | {"patch_size": 16, "temporal_patch_size": 2, "spatial_merge_size": 2},
}
"""The sizes that Qwen published."""


def test_a_published_size_at_the_official_views() -> None:
    sizes = ModelSizes.read(QWEN3_VL_2B)
    assert sizes is not None
    views = {view.name: view for view in view_memory(ModelSpec(), sizes, weight_bytes=4 << 30, value_bytes=2)}
    vga = views["640x480 px"]
    assert (vga.width, vga.height, vga.visual_tokens) == (640, 480, 300)
    assert vga.cache_bytes == (300 + 512) * 114_688  # 112 KiB a token
    patches = 1200
    assert vga.vision_bytes == patches * (2 * 1024 + 2 * 4096) * 2 + patches * 1536 * 4 + 300 * 4 * 2048 * 2
    assert vga.total_bytes == (4 << 30) + vga.cache_bytes + vga.vision_bytes
    assert views["camera 640x480, f 600 px"].visual_tokens == 34 * 25  # 1088 x 800 px
    assert views["1000x1000 px"].visual_tokens == 32 * 32
    assert views["1400x1400 px"].visual_tokens == 43 * 43
    counts = [view.visual_tokens for view in views.values()]
    assert (min(counts), max(counts)) == (views["smallest view"].visual_tokens, views["largest view"].visual_tokens)


def test_views_stay_within_the_limits_of_the_checkpoint() -> None:
    spec = ModelSpec.load(NANO)
    sizes = ModelSizes.read(json.loads((NANO / "config.json").read_text()))
    assert sizes is not None
    for view in view_memory(spec, sizes, weight_bytes=0, value_bytes=2):
        assert view.width <= spec.max_image_size[0]
        assert view.height <= spec.max_image_size[1]
        assert view.visual_tokens == view.width * view.height // spec.image_multiple**2


def test_a_head_without_its_size_has_its_share_of_the_width() -> None:
    text = {name: value for name, value in QWEN3_VL_2B["text_config"].items() if name != "head_dim"}
    sizes = ModelSizes.read(QWEN3_VL_2B | {"text_config": text})
    assert sizes is not None
    assert sizes.head_dim == 128


@pytest.mark.parametrize("value", [None, 0, -1, "2048", 2.5, True, [2048]])
@pytest.mark.parametrize(("part", "name"), [("text_config", "hidden_size"), ("vision_config", "patch_size")])
def test_sizes_that_are_no_positive_integers_are_unknown(part: str, name: str, value: object) -> None:
    assert ModelSizes.read(QWEN3_VL_2B | {part: QWEN3_VL_2B[part] | {name: value}}) is None


@pytest.mark.parametrize("config", [{}, {"text_config": [], "vision_config": {}}, {"text_config": {}}])
def test_a_configuration_without_its_parts_has_no_sizes(config: dict[str, Any]) -> None:
    assert ModelSizes.read(config) is None
