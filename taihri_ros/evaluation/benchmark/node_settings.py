"""Rate, latency and accuracy of the node's pipeline with person crops and with two frames in flight.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.node_settings --engine vllm

The scheduler runs with the engine process, as in the node, on the images of a simulated camera with a fixed rate.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import InfoFields
from taihri_ros.evaluation.benchmark.aggregates import mean, median, position_errors_mm, quantiles
from taihri_ros.evaluation.benchmark.comparison import joint_count_command
from taihri_ros.evaluation.benchmark.script_options import make_parser, print_rows, write_json
from taihri_ros.evaluation.benchmark.simulated_frames import LabelledFrame, SimulatedFrames
from taihri_ros.inference.engine import Engine
from taihri_ros.node.configured_engine import ready_engine
from taihri_ros.node.configured_tracker import make_tracker
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.frames import Frame, Result, SizeCheck
from taihri_ros.pipeline.scheduler import Scheduler

SIZE = (640, 480)
SETTINGS: dict[str, dict[str, Any]] = {
    "full view": {"person_crop.mode": "never"},
    "person crop": {"person_crop.mode": "always"},
    "person crop, 2 in flight": {"person_crop.mode": "always", "max_in_flight": 2},
    "full view, 2 in flight": {"person_crop.mode": "never", "max_in_flight": 2},
}


def main() -> None:
    """Run the benchmark from the command line."""
    parser = make_parser(__doc__, engine="vllm", images=200)
    parser.add_argument("--model", help="checkpoint (default: taihri-nano)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of every setting, interleaved (default: 3)")
    parser.add_argument("--joints", type=int, default=2, help="number of joints in the command (default: 2)")
    parser.add_argument("--rate", type=float, default=60.0, help="images per second of the camera (default: 60)")
    arguments = parser.parse_args()
    chosen: dict[str, Any] = {"engine.kind": arguments.engine, "engine.python": sys.executable}
    chosen |= {"min_confidence": 0.0, "min_presence": 0.0}  # the errors are those of all joints
    if arguments.model:
        chosen["engine.model"] = arguments.model
    simulation = SimulatedFrames(SIZE)
    frames = list(simulation.take(arguments.images))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SETTINGS}
    with ready_engine(Parameters.from_mapping(chosen)) as engine:
        for _ in range(arguments.rounds):
            for name, values in SETTINGS.items():
                parameters = Parameters.from_mapping({**chosen, **values})
                found[name].append(
                    run(engine, parameters, simulation.camera, frames, joints=arguments.joints, rate=arguments.rate)
                )
    rows = [{"setting": name, **_median_run(runs)} for name, runs in found.items()]
    print_rows(rows)
    write_json(arguments.out, rows)


def run(
    engine: Engine,
    parameters: Parameters,
    camera: Camera,
    frames: Sequence[LabelledFrame],
    *,
    joints: int,
    rate: float,
) -> dict[str, Any]:
    """Submit images to the scheduler at a fixed rate and wait for the last result.

    Args:
        engine: The engine.
        parameters: Parameters of the node.
        camera: Calibration of the images.
        frames: The images.
        joints: Number of joints in the command.
        rate: Images per second.

    Returns:
        Rate of the results, latencies, visual tokens, error, and whether the results were in order.
    """
    results: list[Result] = []
    scheduler = Scheduler(
        make_tracker(engine, parameters),
        lambda result: lambda: results.append(result),
        max_in_flight=parameters.max_in_flight,
    )
    scheduler.calibrations.add(_camera_info(camera))
    scheduler.set_command(joint_count_command(joints))
    scheduler.start()
    started = time.perf_counter()
    pause = Event()
    for number, frame in enumerate(frames):
        pause.wait(max(0.0, started + number / rate - time.perf_counter()))
        scheduler.submit(Frame(frame.stamp_ns, "camera", partial(_decoded, np.asarray(frame.image))))
    while scheduler.counters.snapshot().pending:
        time.sleep(0.001)
    elapsed = time.perf_counter() - started
    scheduler.stop()
    multiple = engine.info.spec.image_multiple
    truth = {frame.stamp_ns: frame.joints for frame in frames}
    sizes = [result.estimate.view_size or (0, 0) for result in results]
    errors = [
        error
        for result in results
        for error in position_errors_mm(result.estimate.person.located, truth[result.frame.stamp_ns])
    ]
    return {
        "answers_per_s": round(len(results) / elapsed, 1),
        "latency_ms": quantiles([result.stages_ms["total"] for result in results]),
        "engine_ms": quantiles([result.stages_ms["engine"] for result in results]),
        "visual_tokens": median([width * height // multiple**2 for width, height in sizes]),
        "g_mpjpe_mm": mean(errors),
        "in_order": all(a.frame.stamp_ns < b.frame.stamp_ns for a, b in pairwise(results)),
    }


def _camera_info(camera: Camera) -> InfoFields:
    """Return the CameraInfo of a simulated camera."""
    return InfoFields(camera.width, camera.height, camera.model.value, camera.D, camera.K)


def _decoded(image: NDArray[np.uint8], _: SizeCheck) -> NDArray[np.uint8]:
    return image


def _median_run(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run with the median rate."""
    return sorted(runs, key=lambda one: float(one["answers_per_s"]))[len(runs) // 2]


if __name__ == "__main__":
    main()
