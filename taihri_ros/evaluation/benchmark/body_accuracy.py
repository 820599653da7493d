"""Measurement of body recovery on synthetic people: joints, surface and time, for the figures of docs/body.md.

    .venv-vllm/bin/python -m taihri_ros.evaluation.benchmark.body_accuracy out/test

The keypoints are the true joints, true joints with noise, and those of the upper body only. The true surface is that of
anny's body without clothes, at the vertices that the template keeps. The script needs an environment with anny.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import BodyRecovery
from taihri_ros.evaluation.benchmark.script_options import make_parser, write_json
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.synthetic.bare_body import bare_body
from taihri_ros.synthetic.dataset import read
from taihri_ros.synthetic.labels import VISIBLE

Array = NDArray[np.float64]

UPPER_BODY = (
    *("pelvis", "spine3", "neck", "head"),
    *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist") for side in ("left", "right")),
)
"""The joints of the upper body, as a camera near the person sees them."""

WARM_FRAMES = 10
"""Frames of each person over which a fit from the frame before is timed, 0.1 s apart, each with noise of its own."""


@dataclass(frozen=True, eq=False)
class Person:
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
    parser = make_parser(__doc__)
    parser.add_argument("data", type=Path, help="directory of `taihri synth`")
    parser.add_argument("--people", type=int, default=200, help="number of people (default: 200, half a minute)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    arguments = parser.parse_args()
    people = list(itertools.islice(read_people(arguments.data), arguments.people))
    cases = (
        ("true joints", 0.0, JOINTS),
        ("30 mm of noise", 0.03, JOINTS),
        ("100 mm of noise", 0.1, JOINTS),
        ("30 mm of noise, upper body", 0.03, UPPER_BODY),
    )
    rows: list[dict[str, Any]] = []
    for name, noise_m, names in cases:
        recovered = [
            Recovered(person, noise_m, names, (arguments.seed, number)) for number, person in enumerate(people)
        ]
        rows.append({"keypoints": name, **summarize(recovered)})
    print(f"{len(people)} people of {arguments.data}, seed {arguments.seed}; errors in mm")
    for row in rows:
        print(", ".join(f"{key} {value:.1f}" if isinstance(value, float) else str(value) for key, value in row.items()))
    write_json(arguments.out, rows)


def read_people(data: Path) -> Iterator[Person]:
    """Yield the people of a test set; a person whose shape and pose another sample shares comes once."""
    template = BodyRecovery().template
    bones = template.weight_bones[np.arange(len(template.weights)), template.weights.argmax(axis=1)]
    last = None
    for sample in read(data):
        if sample.body["phenotype"] != last:
            last = sample.body["phenotype"]
            bare = bare_body(sample)
            visible = (sample.visibility == VISIBLE)[bones]
            yield Person(bare.joints, bare.vertices[template.vertex_ids], visible)


class Recovered:
    """The recovery of one person, first from one frame alone and then from frame to frame.

    Attributes:
        keypoints: (N,) errors of the keypoints, metres.
        joints: (N,) errors of the body's joints that have a keypoint, metres.
        relative_keypoints: (N,) errors of the keypoints relative to that of the pelvis, metres.
        relative_joints: (N,) errors of the body's joints relative to its pelvis, metres.
        surface: (V,) distances of the body's vertices from the true ones, metres.
        visible: (V,) whether each vertex is on a visible limb.
        surprise: (N,) squared errors of the body's joints by their variances; 1 on average if the doubts are right.
        times_s: Processor time of the first fit, of a later one, and of a later one with surface and normals, seconds.
    """

    def __init__(self, person: Person, noise_m: float, names: tuple[str, ...], seed: tuple[int, int]) -> None:
        """Recover a person.

        Args:
            person: The person.
            noise_m: Standard deviation of the noise on each coordinate of a keypoint, metres.
            names: The joints that have a keypoint.
            seed: Seed of the noise.
        """
        rng, recovery = np.random.default_rng(seed), BodyRecovery()
        given, pelvis = np.isin(JOINTS, names), INDEX["pelvis"]
        covariances = np.tile(max(noise_m, 0.005) ** 2 * np.eye(3), (len(JOINTS), 1, 1))
        times = np.empty((WARM_FRAMES, 2))
        for number in range(WARM_FRAMES):
            points = np.where(given[:, None], person.joints + noise_m * rng.normal(size=person.joints.shape), np.nan)
            start = time.process_time()
            body = recovery.update(points, covariances, stamp_ns=number * 100_000_000)
            assert body is not None
            times[number, 0] = time.process_time() - start
            body.surface.normals(body.vertices)
            times[number, 1] = time.process_time() - start
            if number == 0:
                first, keypoints = body, points
        true_pose, pose = person.joints - person.joints[pelvis], first.joints - first.joints[pelvis]
        self.keypoints = _lengths(keypoints - person.joints)[given]
        self.joints = _lengths(first.joints - person.joints)[given]
        self.relative_keypoints = _lengths(keypoints - keypoints[pelvis] - true_pose)[given]
        self.relative_joints = _lengths(pose - true_pose)[given]
        self.surface, self.visible = _lengths(first.vertices - person.vertices), person.visible
        self.surprise = self.joints**2 / (3.0 * first.doubts_m[given] ** 2)
        self.times_s = (float(times[0, 0]), *np.median(times[1:], axis=0).tolist())


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
        "keypoint median": median(lambda person: person.keypoints),
        "keypoint mean": mean(lambda person: person.keypoints),
        "joint median": median(lambda person: person.joints),
        "joint mean": mean(lambda person: person.joints),
        "relative keypoint mean": mean(lambda person: person.relative_keypoints),
        "relative joint mean": mean(lambda person: person.relative_joints),
        "surface": surface(lambda person: person.surface),
        "surface of visible limbs": surface(lambda person: person.surface[person.visible]),
        "squared error by variance": float(np.mean([person.surprise.mean() for person in recovered])),
        "first fit ms": float(first),
        "warm fit ms": float(warm),
        "warm fit with mesh ms": float(mesh),
    }


def _lengths(vectors: NDArray[np.floating[Any]]) -> Array:
    return np.asarray(np.linalg.norm(vectors, axis=-1), np.float64)


if __name__ == "__main__":
    main()
