"""Ids and latency of the node's tracker with several people, in rendered scenes in which they cross.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.several_people --engine vllm

The engine process answers about the pictures, as in the node. A detector gives the true boxes of the people who can be
seen, or there is none. The latency is that of `estimate` and `refine` for the frames that show three people, of whom
the boxes of one, two or all are given, and who are all asked about or all but the selected one in turn.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from taihri_ros.camera.camera import Camera
from taihri_ros.commands.command import joint_command
from taihri_ros.evaluation.benchmark.aggregates import mean, median
from taihri_ros.evaluation.benchmark.crossing_people import FIRST_SEED, Noise, is_visible
from taihri_ros.evaluation.benchmark.script_options import make_parser, print_rows, write_json
from taihri_ros.evaluation.identity_metrics import Frames, IdentityScores, hota_scores, identity_scores
from taihri_ros.inference.engine import Engine
from taihri_ros.node.configured_engine import ready_engine
from taihri_ros.node.configured_tracker import make_tracker
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.people.person_track import TrackState
from taihri_ros.pipeline.people.whereabouts import Boxes
from taihri_ros.synthetic.crossings import CrossingFrame, crossing_scene
from taihri_ros.synthetic.simulated_camera import simulated_camera

SIZE = (320, 240)
COMMAND = joint_command(["left_wrist", "right_wrist"])


def boxes_of(frame: CrossingFrame, most: int) -> Boxes:
    """Return the true boxes of the people in a frame who can be seen, at most so many."""
    boxes = [person.box for person in frame.people if person.box is not None and is_visible(person, Noise())]
    return Boxes(np.array(boxes, np.float64).reshape(-1, 4)[:most], of_image=True)


def follow(
    engine: Engine, parameters: Parameters, camera: Camera, frames: Sequence[CrossingFrame], most: int
) -> tuple[Frames, dict[int, list[float]]]:
    """Track the people of a scene.

    Args:
        engine: The engine.
        parameters: The node's parameters; with `people.detections` the true boxes are given.
        camera: The camera.
        frames: The frames with their pictures.
        most: Largest number of boxes to give.

    Returns:
        The people who can be seen, and those who are tracked and seen, of each frame; the latencies in milliseconds by
        the number of boxes.
    """
    given: dict[int, Boxes] = {}
    tracker = make_tracker(engine, parameters, given.get if parameters.people_detections else lambda _: None)
    compared, latencies = [], dict[int, list[float]]()
    for frame in frames:
        assert frame.image is not None
        stamp = round(frame.seconds * 1e9) + 1
        given[stamp] = boxes_of(frame, most)
        started = time.perf_counter()
        estimate = tracker.refine(tracker.estimate(frame.image, camera, COMMAND, stamp), stamp)
        latencies.setdefault(len(given[stamp].boxes), []).append((time.perf_counter() - started) * 1e3)
        true = {str(number): each.joints[0] for number, each in enumerate(frame.people) if is_visible(each, Noise())}
        tracks = [each.track for each in estimate.people if each.track.state is TrackState.CONFIRMED]
        compared.append((true, {track.id: track.root for track in tracks}))
    return compared, latencies


def root_errors_mm(compared: Iterable[tuple[Any, Any]]) -> list[float]:
    """Return the distance of each tracked root from the nearest true one, millimetres."""
    return [
        1e3 * min(float(np.linalg.norm(root - other)) for other in true.values())
        for true, tracked in compared
        if true
        for root in tracked.values()
    ]


def main() -> None:
    """Run the benchmark from the command line."""
    parser = make_parser(__doc__, engine="vllm", engines=("vllm", "transformers", "mediapipe"))
    parser.add_argument("--model", default="", help="checkpoint (default: taihri-nano)")
    parser.add_argument("--scenes", type=int, default=6, help="scenes (default: 6), of 2 and 3 people in turn")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="seed of the first scene")
    parser.add_argument("--rate", type=float, default=10.0, help="frames per second (default: 10)")
    parser.add_argument("--seconds", type=float, default=8.0, help="duration of a scene (default: 8)")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of the latency (default: 2)")
    options = parser.parse_args()
    chosen = {"engine.kind": options.engine, "engine.model": options.model, "engine.python": sys.executable}
    camera = simulated_camera(*SIZE)
    scenes = [
        list(crossing_scene(options.seed + number, 2 + number % 2, options.seconds, options.rate, render=True))
        for number in range(options.scenes)
    ]
    rows: list[dict[str, Any]] = []
    with ready_engine(Parameters.from_mapping(chosen)) as engine:
        for boxes in (True, False):
            settings = chosen | {"people.enabled": True, "people.detections": boxes}
            parameters = Parameters.from_mapping(settings)
            runs = [follow(engine, parameters, camera, frames, 4)[0] for frames in scenes]
            total = sum((identity_scores(run) for run in runs), IdentityScores(0, 0, 0, 0))
            rows.append(
                {
                    "people from": "true boxes" if boxes else "the model",
                    "idf1": round(total.idf1, 3),
                    "precision": round(total.precision, 3),
                    "recall": round(total.recall, 3),
                    "switches": total.switches,
                    "hota": mean([hota_scores(run).hota for run in runs], 3),
                    "root_error_mm": median([error for run in runs for error in root_errors_mm(run)], 0),
                }
            )
        threes = [[frame for frame in frames if len(boxes_of(frame, 4).boxes) == 3] for frames in scenes]
        times: dict[tuple[int, int], list[float]] = {(1, 1): [], (2, 1): [], (3, 1): [], (3, 2): []}
        for most, others in (*times,) * options.rounds:
            settings = {"people.enabled": True, "people.detections": True, "people.others_per_frame": others}
            parameters = Parameters.from_mapping(chosen | settings)
            for frames in threes:
                times[most, others] += follow(engine, parameters, camera, frames, most)[1].get(most, [])
        rows += [
            {"people": most, "others in an image": others, "latency_ms": median(each), "frames": len(each)}
            for (most, others), each in times.items()
        ]
    print_rows(rows)
    write_json(options.out, rows)


if __name__ == "__main__":
    main()
