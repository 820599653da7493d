"""Latency and throughput of a `vllm serve`, or of several behind a load balancer, for more and more robots.

    .venv/bin/python -m taihri_ros.evaluation.benchmark.fleet --url http://gpu-box:8000 --model TAIHRI --clients 1 4 16

Each client asks for both wrists of a person, as a node does, and asks again as soon as it has the answer.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from taihri_ros.camera.picture_files import read_picture
from taihri_ros.commands.command import joint_command
from taihri_ros.evaluation.benchmark.aggregates import quantiles
from taihri_ros.evaluation.benchmark.script_options import make_parser, print_rows, write_json
from taihri_ros.inference.engine import GenerationRequest
from taihri_ros.inference.openai.openai_engine import OpenAiEngine
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.prompt_batch import make_prompt_batch
from taihri_ros.resources import PERSON

JOINTS = ("left_wrist", "right_wrist")
WARM_UP = 2


def main() -> None:
    """Run the benchmark from the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--url", required=True, help="address of the server or of the load balancer")
    parser.add_argument("--model", required=True, help="name of the served model")
    parser.add_argument("--checkpoint", type=Path, help="directory with its taihri.json; default: the official values")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16], help="default: 1 4 16")
    parser.add_argument("--size", type=int, nargs=2, default=[640, 480], help="width and height of the image, px")
    parser.add_argument("--seconds", type=float, default=20.0, help="duration of each case (default: 20)")
    arguments = parser.parse_args()
    spec = ModelSpec.load(arguments.checkpoint) if arguments.checkpoint else None
    with ExitStack() as stack:
        engines = [
            stack.enter_context(
                OpenAiEngine(arguments.url, arguments.model, spec, api_key=os.environ.get("VLLM_API_KEY"))
            )
            for _ in range(max(arguments.clients))
        ]
        rows = [measure(engines[:count], tuple(arguments.size), arguments.seconds) for count in arguments.clients]
    print_rows(rows)
    write_json(arguments.out, rows)


def measure(engines: list[OpenAiEngine], size: tuple[int, int], seconds: float) -> dict[str, Any]:
    """Let clients ask at the same time.

    Args:
        engines: One client per robot, connected.
        size: Width and height of the image, px.
        seconds: Duration in s.

    Returns:
        Number of clients, median and 95th percentile of the latency in ms, and answered images per second of all.
    """
    image = np.asarray(cv2.resize(read_picture(PERSON), size, interpolation=cv2.INTER_AREA), np.uint8)

    def ask(engine: OpenAiEngine) -> list[float]:
        batch = make_prompt_batch(joint_command(JOINTS), engine.info, "per_joint")
        request = GenerationRequest(image=image, questions=batch.questions, max_tokens=batch.max_tokens)
        for _ in range(WARM_UP):
            engine.generate(request)
        began = time.perf_counter()
        times = []
        while time.perf_counter() - began < seconds:
            times.append(engine.generate(request).timings_ms["total"])
        return times

    with ThreadPoolExecutor(len(engines)) as pool:
        times = list(pool.map(ask, engines))
    latency = {f"{share}_ms": value for share, value in quantiles(np.concatenate(times), 0).items()}
    rate = sum(1e3 / float(np.mean(of_client)) for of_client in times)
    return {"clients": len(engines), **latency, "images_per_s": round(rate, 2)}


if __name__ == "__main__":
    main()
