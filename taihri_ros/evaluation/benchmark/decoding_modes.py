"""What the ways of decoding cost: passes through the model and latency by the number of joints, all by turns.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.decoding_modes --engine vllm
    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.decoding_modes --engine transformers --images 20

Every way gets the same images of the simulated camera, one after the other, in one engine in this process. For
speculative decoding it is counted how many passes would verify an answer whose draft is the one of the image before:
greedy decoding accepts a draft up to the first coordinate that differs, so that each difference costs a pass.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from taihri_ros.evaluation.benchmark.comparison import wrists_and_more
from taihri_ros.evaluation.benchmark.footage import Footage
from taihri_ros.inference.factory import open_engine
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.prompt_batch import Decoding
from taihri_ros.resources import NANO
from taihri_ros.skeleton import INDEX

JOINT_COUNTS = (1, 2, 4, 8, 22)
WAYS: tuple[Decoding, ...] = ("plain", "jump_forward", "per_joint")
WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="vllm", choices=["vllm", "transformers"])
    parser.add_argument("--model", default=str(NANO))
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--gesture", help="what the simulated person does; left out: this and that")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    rows: list[dict[str, Any]] = []
    with open_engine(arguments.engine, arguments.model) as engine:
        estimators = {way: Estimator(engine, decoding=way) for way in WAYS}
        for count in JOINT_COUNTS:
            footage = Footage((width, height), gesture=arguments.gesture)
            rows += measure(estimators, footage, count, arguments.images)
            for row in rows[-len(WAYS) - 1 :]:
                print(row)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def measure(estimators: dict[Decoding, Estimator], footage: Footage, count: int, images: int) -> list[dict[str, Any]]:
    """Put the same images to every way by turns."""
    command = wrists_and_more(count)
    times, passes, errors = (defaultdict(list) for _ in range(3))
    answers: list[list[int]] = []
    for number, moment in enumerate(footage.moments(images + WARM_UP)):
        for way, estimator in estimators.items():
            started = perf_counter()
            exchange = estimator.exchange(moment.image, footage.camera, command)
            person = exchange.estimate("bins").person
            elapsed = 1e3 * (perf_counter() - started)
            if number < WARM_UP:
                continue
            times[way].append(elapsed)
            passes[way].append(exchange.steps)
            for keypoint in person.located:
                error = np.linalg.norm(keypoint.position - moment.joints[INDEX[keypoint.name]])
                errors[way].append(1e3 * float(error))
            if way == "jump_forward":
                joints = exchange.decoder.answer.joints
                answers.append([token.bin for joint in joints for token in joint.pixel])
                answers[-1] += [token.bin for joint in joints for token in joint.point]
    rows = [
        {
            "joints": count,
            "way": way,
            "passes": median(passes[way]),
            "ms": round(median(times[way]), 1),
            "g_mpjpe_mm": round(float(np.mean(errors[way])), 1),
        }
        for way in estimators
    ]
    drafted = [1 + sum(a != b for a, b in zip(*pair, strict=True)) for pair in pairwise(answers)]
    return [*rows, {"joints": count, "way": "speculative, draft of the image before", "passes": median(drafted)}]


if __name__ == "__main__":
    main()
