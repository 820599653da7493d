"""How latency grows with the pixels of the view and with the size of the model, on noise and random weights.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.latency_growth --engine vllm

What the weights are makes no difference to the time. Every size has its turn in every round.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from taihri_ros.evaluation.benchmark.comparison import wrists_and_more
from taihri_ros.inference.engine import GenerationRequest
from taihri_ros.inference.factory import open_engine
from taihri_ros.inference.local_engine import LocalEngine
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.prompt_batch import make_prompt_batch
from taihri_ros.resources import NANO
from taihri_ros.training.network.nano import build_nano

VIEWS = ((96, 128), (128, 160), (192, 256), (256, 256))
"""Height and width of views for taihri-nano, px."""

MODELS = {
    "192 wide, 4 and 6 layers": (192, 4, 6),
    "384 wide, 8 and 12": (384, 8, 12),
    "384 wide, 16 and 24": (384, 16, 24),
}
"""Width, layers of the language model and of the vision tower."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="vllm", choices=["vllm", "transformers"])
    parser.add_argument("--images", type=int, default=15)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with open_engine(arguments.engine, str(NANO)) as engine:
        for size in VIEWS:
            rows += [{"model": "taihri-nano"} | measure(engine, size, joints, arguments.images) for joints in (2, 22)]
    with tempfile.TemporaryDirectory() as place:
        for name, (width, layers, depth) in MODELS.items():
            checkpoint = make(Path(place) / f"{width}x{layers}", width, layers, depth)
            with open_engine(arguments.engine, str(checkpoint)) as engine:
                rows += [{"model": name} | measure(engine, (128, 160), joints, arguments.images) for joints in (2, 22)]
    for row in rows:
        print(row)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def make(directory: Path, width: int, layers: int, depth: int) -> Path:
    """Build a checkpoint with random weights and taihri-nano's numbers."""
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
    """Time requests about noise of one size."""
    rng = np.random.default_rng(0)
    batch = make_prompt_batch(wrists_and_more(joints), engine.info, "per_joint")
    times: dict[str, list[float]] = {"total": [], "prefill": [], "decode": []}
    for _ in range(images + 3):
        request = GenerationRequest(
            image=rng.integers(0, 256, (*size, 3), np.uint8), questions=batch.questions, max_tokens=batch.max_tokens
        )
        found = engine.generate(request).timings_ms
        for stage, values in times.items():
            values.append(found[stage])
    tokens = size[0] * size[1] // engine.info.spec.image_multiple**2
    stages = {f"{stage}_ms": round(median(values[3:]), 1) for stage, values in times.items()}
    return {"visual_tokens": tokens, "joints": joints, **stages}


if __name__ == "__main__":
    main()
