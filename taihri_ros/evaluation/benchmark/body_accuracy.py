"""Measurement of body recovery on synthetic people: joints, surface and time, for the metrics of docs/body.md.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.body_accuracy out/test
    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.body_accuracy out/test --model taihri_ros/models/nano

The keypoints are the true joints, true joints with noise, and those of the upper body only; or the answers of a model
to the pictures, as the node asks for them with its default parameters. The true surface is that of anny's body without
clothes, at the vertices that the template keeps. The script needs an environment with anny.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.body.template import shipped_template
from taihri_ros.commands.command import joint_command
from taihri_ros.evaluation.benchmark.script_options import make_parser, write_json
from taihri_ros.inference.environment import EngineKind
from taihri_ros.inference.factory import open_engine
from taihri_ros.node.body_fits import keypoint_arrays
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.synthetic.bare_body import bare_body
from taihri_ros.synthetic.dataset import Sample, read
from taihri_ros.synthetic.labels import VISIBLE

Array = NDArray[np.float64]

UPPER_BODY = (
    *("pelvis", "spine3", "neck", "head"),
    *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist") for side in ("left", "right")),
)
"""The joints of the upper body, as a camera near the person sees them."""

FRAMES = 10
"""Frames of each person with noise, 0.1 s apart, each with noise of its own; errors are those of the first."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One person of the test data, in the camera's optical frame.

    Attributes:
        joints: (22, 3) metres.
        vertices: (V, 3) the vertices that the template keeps, metres.
        visible: (V,) whether the vertex belongs to a bone whose joint is visible in the picture.
    """

    joints: Array
    vertices: NDArray[np.float32]
    visible: NDArray[np.bool_]


def main() -> None:
    """Run the measurement from the command line."""
    parser = make_parser(__doc__, engine="transformers")
    parser.add_argument("data", type=Path, help="directory of `taihri synth`")
    parser.add_argument("--people", type=int, default=200, help="number of people (default: 200, half a minute)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    parser.add_argument("--model", help="checkpoint; its answers to the pictures are the keypoints")
    parser.add_argument("--pictures", type=int, default=60, help="number of pictures for --model (default: 60)")
    parser.add_argument(
        "--shared", type=float, nargs="+", default=[0.5], help="shares of common errors to compare (default: 0.5)"
    )
    arguments = parser.parse_args()
    if arguments.model is None:
        cases = noisy_cases(itertools.islice(people(arguments.data), arguments.people), arguments.seed)
    else:
        cases = answered_cases(
            itertools.islice(read(arguments.data), arguments.pictures), arguments.engine, arguments.model
        )
    rows: list[dict[str, Any]] = []
    for (name, frames), shared in itertools.product(cases.items(), arguments.shared):
        recovered = [each for each in (Recovered(*one, shared=shared) for one in frames) if each.found]
        row = {"keypoints": name, "shared": shared, "without body": len(frames) - len(recovered)}
        rows.append(row | summarize(recovered))
    print(f"{arguments.data}, seed {arguments.seed}; errors in mm")
    for row in rows:
        print(
            ", ".join(
                f"{key} {value:.2f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
        )
    write_json(arguments.out, rows)


def people(data: Path) -> Iterator[Subject]:
    """Yield the people of a test set; a person whose shape and pose another sample shares comes once."""
    last = None
    for sample in read(data):
        if sample.body["phenotype"] != last:
            last = sample.body["phenotype"]
            yield subject(sample)


def subject(sample: Sample) -> Subject:
    """Return the person of a sample."""
    template = shipped_template()
    bones = template.weight_bones[np.arange(len(template.weights)), template.weights.argmax(axis=1)]
    bare = bare_body(sample)
    return Subject(bare.joints, bare.vertices[template.vertex_ids], (sample.visibility == VISIBLE)[bones])


Frames = Sequence[tuple[Array, Array]]
"""Keypoints (22, 3) of some frames, metres, NaN where missing; and their covariances (22, 3, 3) m²."""


def noisy_cases(subjects: Iterable[Subject], seed: int) -> dict[str, list[tuple[Subject, Frames]]]:
    """Return people and their true joints with noise, by what the keypoints are."""
    seen = list(subjects)
    return {
        name: [
            (each, noisy_frames(each, noise_m, names, np.random.default_rng((seed, number))))
            for number, each in enumerate(seen)
        ]
        for name, noise_m, names in (
            ("true joints", 0.0, JOINTS),
            ("30 mm of noise", 0.03, JOINTS),
            ("100 mm of noise", 0.1, JOINTS),
            ("30 mm of noise, upper body", 0.03, UPPER_BODY),
        )
    }


def noisy_frames(person: Subject, noise_m: float, names: Sequence[str], rng: np.random.Generator) -> Frames:
    """Return frames of a person who stands still.

    Args:
        person: The person.
        noise_m: Standard deviation of the noise on each coordinate of a keypoint, metres.
        names: The joints that have a keypoint.
        rng: Gives the noise.

    Returns:
        The frames.
    """
    given = np.isin(JOINTS, names)[:, None]
    covariances = np.tile(max(noise_m, 0.005) ** 2 * np.eye(3), (len(JOINTS), 1, 1))
    noise = noise_m * rng.normal(size=(FRAMES, *person.joints.shape))
    return [(np.where(given, person.joints + each, np.nan), covariances) for each in noise]


def answered_cases(
    samples: Iterable[Sample], engine: EngineKind, model: str
) -> dict[str, list[tuple[Subject, Frames]]]:
    """Return people and a model's answers about them, one picture each: the joints it believes in, and all of them."""
    believed: list[tuple[Subject, Frames]] = []
    answered: list[tuple[Subject, Frames]] = []
    with open_engine(engine, model) as opened:
        tracker = Tracker(Estimator(opened), person_crop=PersonCrop("auto"))
        for sample in samples:
            estimate = tracker.estimate(sample.image, sample.camera, joint_command(JOINTS), 0, one_shot=True)
            assert estimate.decoded is not None
            person = subject(sample)
            believed.append((person, [keypoint_arrays(estimate.person)]))
            answered.append((person, [keypoint_arrays(estimate.decoded)]))
    return {"joints that the model believes in": believed, "all joints of the model": answered}


class Recovered:
    """The recovery of one person, first from one frame alone and then from frame to frame.

    Attributes:
        found: Whether there is a body; the others are only set if there is.
        keypoints: (N,) errors of the keypoints, metres.
        joints: (N,) errors of the body's joints that have a keypoint, metres.
        relative_keypoints: (N,) errors of the keypoints relative to that of the pelvis, metres.
        relative_joints: (N,) errors of the body's joints relative to its pelvis, metres.
        surface: (V,) distances of the body's vertices from the true ones, metres.
        supported: (V,) whether a keypoint shows each vertex.
        visible: (V,) whether each vertex is on a visible limb.
        surprise: (N,) squared errors of the body's joints by their variances; 1 on average if the doubts are right.
        times_s: Processor time of the first fit, of a later one, and of a later one with surface and normals, seconds;
            NaN for those of later ones if there is one frame.
    """

    def __init__(self, person: Subject, frames: Frames, *, shared: float) -> None:
        """Recover a person.

        Args:
            person: The person.
            frames: The keypoints, 0.1 s apart.
            shared: As for `BodyRecovery`.
        """
        recovery = BodyRecovery(shared=shared)
        bodies, times = [], np.empty((len(frames), 2))
        for number, (points, covariances) in enumerate(frames):
            start = time.process_time()
            body = recovery.update(points, covariances, stamp_ns=number * 100_000_000)
            self.found = body is not None
            if body is None:
                return
            times[number, 0] = time.process_time() - start
            body.surface.normals(body.vertices)
            times[number, 1] = time.process_time() - start
            bodies.append(body)
        points, first, pelvis = frames[0][0], bodies[0], INDEX["pelvis"]
        given = np.isfinite(points).all(axis=1)
        self.keypoints = _lengths(points - person.joints)[given]
        self.joints = _lengths(first.joints - person.joints)[given]
        true_pose, anchored = person.joints - person.joints[pelvis], given & np.isfinite(points[pelvis, 0])
        self.relative_keypoints = _lengths(points - points[pelvis] - true_pose)[anchored]
        self.relative_joints = _lengths(first.joints - first.joints[pelvis] - true_pose)[anchored]
        self.surface, self.visible = _lengths(first.vertices - person.vertices), person.visible
        self.supported = first.supported_vertices
        self.surprise = self.joints**2 / (3.0 * first.doubts_m[given] ** 2)
        later = np.median(times[1:], axis=0) if len(times) > 1 else np.full(2, np.nan)
        self.times_s = (float(times[0, 0]), *later.tolist())


def summarize(recovered: Sequence[Recovered]) -> dict[str, float]:
    """Return the errors, mm, and times, ms, of some people; those of a surface are medians of each person's median."""

    def mean(errors: Callable[[Recovered], Array]) -> float:
        return 1e3 * float(np.mean(np.concatenate([errors(person) for person in recovered])))

    def median(errors: Callable[[Recovered], Array]) -> float:
        return 1e3 * float(np.median(np.concatenate([errors(person) for person in recovered])))

    def surface(vertices: Callable[[Recovered], Array]) -> float:
        medians = [np.median(vertices(person)) for person in recovered if vertices(person).size]
        return 1e3 * float(np.median(medians))

    first, warm, mesh = 1e3 * np.median([person.times_s for person in recovered], axis=0)
    return {
        "people": len(recovered),
        "keypoint median": median(lambda person: person.keypoints),
        "keypoint mean": mean(lambda person: person.keypoints),
        "joint median": median(lambda person: person.joints),
        "joint mean": mean(lambda person: person.joints),
        "relative keypoint mean": mean(lambda person: person.relative_keypoints),
        "relative joint mean": mean(lambda person: person.relative_joints),
        "surface": surface(lambda person: person.surface),
        "surface of visible limbs": surface(lambda person: person.surface[person.visible]),
        "surface of supported limbs, mean": mean(lambda person: person.surface[person.supported]),
        "squared error by variance": float(np.mean([person.surprise.mean() for person in recovered])),
        "first fit ms": float(first),
        "warm fit ms": float(warm),
        "warm fit with mesh ms": float(mesh),
    }


def _lengths(vectors: NDArray[np.floating[Any]]) -> Array:
    return np.asarray(np.linalg.norm(vectors, axis=-1), np.float64)


if __name__ == "__main__":
    main()
