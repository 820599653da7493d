"""What the node's settings bring: the view that follows the person, two frames in flight, and the temporal filter.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.node_settings --engine vllm

The perception loop with its engine process, as the node has them, and a simulated camera that gives images at a rate.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from taihri_ros.evaluation.benchmark.comparison import quantiles, wrists_and_more
from taihri_ros.evaluation.benchmark.footage import Footage
from taihri_ros.inference.engine import Engine
from taihri_ros.node.application import make_tracker
from taihri_ros.node.configured_engine import ready_engine
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.frames import Frame, Result
from taihri_ros.pipeline.scheduler import Scheduler
from taihri_ros.skeleton import INDEX

SETTINGS: dict[str, dict[str, Any]] = {
    "full view": {"person_crop.mode": "never"},
    "person_crop": {"person_crop.mode": "always"},
    "fovea, 2 in flight": {"person_crop.mode": "always", "max_in_flight": 2},
    "full view, 2 in flight": {"person_crop.mode": "never", "max_in_flight": 2},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="vllm", choices=["vllm", "transformers"])
    parser.add_argument("--model")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3, help="how often every setting has its turn")
    parser.add_argument("--joints", type=int, default=2)
    parser.add_argument("--rate", type=float, default=60.0, help="images per second of the camera")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    chosen = {"engine.kind": arguments.engine, "engine.python": sys.executable}
    if arguments.model:
        chosen["engine.model"] = arguments.model
    footage = Footage((640, 480))
    moments = list(footage.moments(arguments.images))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SETTINGS}
    with ready_engine(Parameters.from_mapping(chosen)) as engine:
        for _ in range(arguments.rounds):
            for name, values in SETTINGS.items():
                parameters = Parameters.from_mapping({**chosen, **values})
                found[name].append(run(engine, parameters, footage, moments, arguments.joints, arguments.rate))
    rows = [{"setting": name, **_middle(runs)} for name, runs in found.items()]
    for row in rows:
        print(row)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def run(
    engine: Engine, parameters: Parameters, footage: Footage, moments: list[Any], joints: int, rate: float
) -> dict[str, Any]:
    """Give the images to the loop at a rate, as often as the answers of all but the dropped ones need."""
    results: list[Result] = []
    scheduler = Scheduler(make_tracker(engine, parameters), results.append, max_in_flight=parameters.max_in_flight)
    scheduler._camera = footage.camera  # the simulated camera needs no CameraInfo
    scheduler.set_command(wrists_and_more(joints))
    scheduler.start()
    started = time.perf_counter()
    pause = Event()
    for number, moment in enumerate(moments):
        pause.wait(max(0.0, started + number / rate - time.perf_counter()))
        scheduler.submit(Frame(moment.stamp_ns, "camera", partial(np.asarray, moment.image)))
    while scheduler.counters.snapshot().pending:
        time.sleep(0.001)
    elapsed = time.perf_counter() - started
    scheduler.stop()
    spec = engine.info.spec
    truth = {moment.stamp_ns: moment.joints for moment in moments}
    sizes = [result.estimate.view_size or (0, 0) for result in results]
    errors = [
        1e3 * float(np.linalg.norm(keypoint.position - truth[result.frame.stamp_ns][INDEX[keypoint.name]]))
        for result in results
        for keypoint in result.estimate.person.located
    ]
    return {
        "answers_per_s": round(len(results) / elapsed, 1),
        "latency_ms": quantiles([result.stages_ms["total"] for result in results]),
        "engine_ms": quantiles([result.stages_ms["engine"] for result in results]),
        "visual_tokens": float(np.median([width * height // spec.image_multiple**2 for width, height in sizes])),
        "g_mpjpe_mm": round(float(np.mean(errors)), 1),
        "in_order": all(a.frame.stamp_ns < b.frame.stamp_ns for a, b in pairwise(results)),
    }


def _middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the run of the median rate."""
    return sorted(runs, key=lambda one: one["answers_per_s"])[len(runs) // 2]


if __name__ == "__main__":
    main()
