"""Passes through the model and latency of the decoding modes, by number of joints.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.decoding_modes --engine vllm
    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.decoding_modes --engine transformers --images 20

All modes process the same simulated images, interleaved, in one engine in this process. The row `speculative` is an
estimate of the passes of speculative decoding with the answer of the previous image as the draft: greedy decoding
accepts a draft up to the first different coordinate, so every different coordinate needs one more pass.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from time import perf_counter
from typing import Any

from taihri_ros.evaluation.benchmark.aggregates import mean, median, position_errors_mm
from taihri_ros.evaluation.benchmark.comparison import joint_count_command
from taihri_ros.evaluation.benchmark.script_options import make_parser, print_rows, write_json
from taihri_ros.evaluation.benchmark.simulated_frames import SimulatedFrames
from taihri_ros.inference.factory import open_engine
from taihri_ros.pipeline.belief import OFF
from taihri_ros.pipeline.estimator import Estimator, Exchange
from taihri_ros.pipeline.prompt_batch import Decoding

JOINT_COUNTS = (1, 2, 4, 8, 22)
MODES: tuple[Decoding, ...] = ("plain", "jump_forward", "per_joint")
WARM_UP = 3


def main() -> None:
    """Run the benchmark from the command line."""
    parser = make_parser(__doc__, engine="vllm", images=20, with_model=True)
    parser.add_argument("--size", default="640x480", help="size of the images (default: 640x480)")
    parser.add_argument("--gesture", help="gesture of the simulated person (default: alternating)")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    rows: list[dict[str, Any]] = []
    with open_engine(arguments.engine, arguments.model) as engine:
        estimators = {mode: Estimator(engine, decoding=mode) for mode in MODES}
        for count in JOINT_COUNTS:
            frames = SimulatedFrames((width, height), gesture=arguments.gesture)
            measured = measure(estimators, frames, count, arguments.images)
            print_rows(measured)
            rows += measured
    write_json(arguments.out, rows)


def measure(
    estimators: dict[Decoding, Estimator], frames: SimulatedFrames, count: int, images: int
) -> list[dict[str, Any]]:
    """Measure all modes with the same images, interleaved.

    Args:
        estimators: An estimator for each mode.
        frames: The images.
        count: Number of joints in the command.
        images: Number of images after the warm-up.

    Returns:
        A row for each mode, and one for speculative decoding.
    """
    command = joint_count_command(count)
    times: dict[Decoding, list[float]] = defaultdict(list)
    passes: dict[Decoding, list[float]] = defaultdict(list)
    errors: dict[Decoding, list[float]] = defaultdict(list)
    answers: list[list[int]] = []
    for number, frame in enumerate(frames.take(images + WARM_UP)):
        for mode, estimator in estimators.items():
            started = perf_counter()
            exchange = estimator.exchange(frame.image, frames.camera, command)
            person = exchange.estimate("bins", OFF).person
            elapsed = 1e3 * (perf_counter() - started)
            if number < WARM_UP:
                continue
            times[mode].append(elapsed)
            passes[mode].append(exchange.steps)
            errors[mode] += position_errors_mm(person.located, frame.joints)
            if mode == "jump_forward":
                answers.append(_coordinates(exchange))
    rows: list[dict[str, Any]] = [
        {
            "joints": count,
            "mode": mode,
            "passes": median(passes[mode]),
            "ms": median(times[mode]),
            "g_mpjpe_mm": mean(errors[mode]),
        }
        for mode in estimators
    ]
    drafted = [1 + sum(a != b for a, b in zip(*pair, strict=True)) for pair in pairwise(answers)]
    speculative = {"joints": count, "mode": "speculative", "passes": median(drafted) if drafted else None}
    return [*rows, speculative]


def _coordinates(exchange: Exchange) -> list[int]:
    """Return the coordinates of an answer in the order in which they are decoded."""
    joints = exchange.decoder.answer.joints
    pixels = [token.bin for joint in joints for token in joint.pixel]
    return pixels + [token.bin for joint in joints for token in joint.point]


if __name__ == "__main__":
    main()
