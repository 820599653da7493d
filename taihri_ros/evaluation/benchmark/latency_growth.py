"""Latency by size of the view and by size of the model, with random images and random weights.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.latency_growth --engine vllm

Random weights have the same latency as trained ones.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from taihri_ros.evaluation.benchmark.aggregates import median
from taihri_ros.evaluation.benchmark.script_options import make_parser, print_rows, write_json
from taihri_ros.evaluation.benchmark.view_cost import noise_request
from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.spec import ModelSpec
from taihri_ros.resources import NANO
from taihri_ros.training.network.nano_model import build_nano

VIEWS = ((96, 128), (128, 160), (192, 256), (256, 256))
"""Height and width of the views for taihri-nano, px."""

MODELS = {
    "192 wide, 4 and 6 layers": (192, 4, 6),
    "384 wide, 8 and 12": (384, 8, 12),
    "384 wide, 16 and 24": (384, 16, 24),
}
"""Width, layers of the language model, and layers of the vision tower."""

VIEW_OF_MODELS = (128, 160)
JOINT_COUNTS = (2, 22)
WARM_UP = 3


def main() -> None:
    """Run the benchmark from the command line."""
    arguments = make_parser(__doc__, engine="vllm", images=15).parse_args()
    rows: list[dict[str, Any]] = []
    with open_engine(arguments.engine, str(NANO)) as engine:
        for size in VIEWS:
            rows += [{"model": "taihri-nano"} | measure(engine, size, n, arguments.images) for n in JOINT_COUNTS]
    with tempfile.TemporaryDirectory() as directory:
        for name, (width, layers, depth) in MODELS.items():
            checkpoint = build_random(Path(directory) / f"{width}x{layers}", width, layers, depth)
            with open_engine(arguments.engine, str(checkpoint)) as engine:
                rows += [{"model": name} | measure(engine, VIEW_OF_MODELS, n, arguments.images) for n in JOINT_COUNTS]
    print_rows(rows)
    write_json(arguments.out, rows)


def build_random(directory: Path, width: int, layers: int, depth: int) -> Path:
    """Write a checkpoint with random weights and the spec of taihri-nano.

    Args:
        directory: Directory to write.
        width: Width of the language model and of the vision tower.
        layers: Number of layers of the language model.
        depth: Number of layers of the vision tower.

    Returns:
        The directory.
    """
    spec = replace(ModelSpec.load(NANO), name="random", trained=False, answer=AnswerFormat(box=False))
    common = {"hidden_size": width, "initializer_range": 0.04}
    text = {
        **common,
        "intermediate_size": 8 * width // 3,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": width // 64,
        "head_dim": 64,
    }
    vision = {
        **common,
        "depth": depth,
        "intermediate_size": 4 * width,
        "num_heads": width // 32,
        "out_hidden_size": width,
        "deepstack_visual_indexes": [depth // 2],
    }
    return build_nano(directory, spec=spec, texts=[], merges=900, text=text, vision=vision, seed=0)


def measure(engine: LocalEngine, size: tuple[int, int], joints: int, images: int) -> dict[str, Any]:
    """Measure requests with random images of one size.

    Args:
        engine: The engine.
        size: Height and width of the images, px.
        joints: Number of joints in the command.
        images: Number of requests after the warm-up.

    Returns:
        Number of visual tokens and joints, and median durations in ms.
    """
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {"total": [], "prefill": [], "decode": []}
    for _ in range(images + WARM_UP):
        found = engine.generate(noise_request(engine.info, size[::-1], joints, rng)).timings_ms
        for stage, values in times.items():
            values.append(found[stage])
    tokens = size[0] * size[1] // engine.info.spec.image_multiple**2
    stages = {f"{stage}_ms": median(values[WARM_UP:]) for stage, values in times.items()}
    return {"visual_tokens": tokens, "joints": joints, **stages}


if __name__ == "__main__":
    main()
