"""Measures how well people keep their ids in synthetic scenes in which they cross and hide each other.

The tracker is given the true boxes and the true roots with noise. A person is missed in a frame if others hide most of
them, if too little of them is in the picture, and else by chance. It needs the environment of `synthetic`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation.benchmark.script_options import make_parser, print_rows, write_json
from taihri_ros.evaluation.identity_metrics import Frames, IdentityScores, hota_scores, identity_scores
from taihri_ros.pipeline.people.people_tracker import PeopleSettings, PeopleTracker
from taihri_ros.pipeline.people.person_track import PersonDetection, TrackState
from taihri_ros.synthetic.crossings import CrossingFrame, PersonTruth, crossing_scene
from taihri_ros.synthetic.labels import OUTSIDE

Array = NDArray[np.float64]

FIRST_SEED = 9_100_000
"""Seed of the first scene; other scenes were used to choose the tracker's settings."""


@dataclass(frozen=True)
class Noise:
    """The errors of the detections.

    Attributes:
        depth_m: Standard deviation of a root along its ray, metres.
        across_m: Standard deviation perpendicular to it, metres.
        joints_m: Standard deviation of the joints relative to the root on each axis, metres.
        missed: Share of the visible people who are missed by chance.
        least_shown: A person of whom less is shown is not detected; a share.
        least_joints: A person with fewer joints in the picture is not detected.
        memory_s: Time constant over which an error of the root stays the same, seconds; 0 for independent errors.
    """

    depth_m: float = 0.15
    across_m: float = 0.05
    joints_m: float = 0.03
    missed: float = 0.05
    least_shown: float = 0.3
    least_joints: int = 6
    memory_s: float = 0.0


def is_visible(person: PersonTruth, noise: Noise) -> bool:
    """Check whether enough of a person is in the picture and not hidden, so that they can be detected."""
    in_picture = int((person.visibility != OUTSIDE).sum())
    return person.box is not None and person.shown >= noise.least_shown and in_picture >= noise.least_joints


class Detector:
    """A detector that knows the truth, with errors."""

    def __init__(self, noise: Noise, seed: int) -> None:
        """Create a detector.

        Args:
            noise: Its errors.
            seed: Seed of the errors.
        """
        self._noise = noise
        self._rng = np.random.default_rng([seed, 5])
        self._errors: dict[int, Array] = {}
        self._seconds = 0.0

    def detect(self, frame: CrossingFrame) -> list[PersonDetection]:
        """Return the people who are detected in a frame, in random order."""
        noise, rng = self._noise, self._rng
        elapsed, self._seconds = frame.seconds - self._seconds, frame.seconds
        kept = float(np.exp(-elapsed / noise.memory_s)) if noise.memory_s else 0.0
        found = []
        for number, person in enumerate(frame.people):
            fresh = rng.normal(size=3)
            error = kept * self._errors[number] + np.sqrt(1 - kept**2) * fresh if number in self._errors else fresh
            self._errors[number] = error
            if is_visible(person, noise) and rng.random() >= noise.missed:
                found.append(self._detection(person, error))
        return [found[index] for index in rng.permutation(len(found))]

    def _detection(self, person: PersonTruth, error: Array) -> PersonDetection:
        assert person.box is not None
        root = person.joints[0]
        ray = root / np.linalg.norm(root)
        deviations = self._noise.across_m * np.eye(3) + (self._noise.depth_m - self._noise.across_m) * np.outer(
            ray, ray
        )
        moved = root + deviations @ error
        joints = person.joints - root + moved + self._rng.normal(0.0, self._noise.joints_m, person.joints.shape)
        return PersonDetection(moved, deviations @ deviations, person.box.astype(np.float64), joints)


def track(
    frames: Iterable[CrossingFrame], detector: Detector, tracker: PeopleTracker, noise: Noise, *, hidden_too: bool
) -> Frames:
    """Track the people of a scene.

    Args:
        frames: The frames.
        detector: Detects the people.
        tracker: Tracks them.
        noise: Decides who is visible.
        hidden_too: Whether also hidden people count, with the predicted positions of lost ones; else only the visible
            people, with those who are seen.

    Returns:
        The true and the tracked people of each frame.
    """
    kept = (TrackState.CONFIRMED, TrackState.LOST) if hidden_too else (TrackState.CONFIRMED,)
    compared = []
    for frame in frames:
        people = tracker.update(detector.detect(frame), frame.seconds)
        counts = [
            bool((person.visibility != OUTSIDE).sum() >= noise.least_joints)
            if hidden_too
            else is_visible(person, noise)
            for person in frame.people
        ]
        true = {str(number): frame.people[number].joints[0] for number, counted in enumerate(counts) if counted}
        compared.append((true, {person.id: person.root for person in people if person.state in kept}))
    return compared


def measure(
    scenes: Iterable[list[CrossingFrame]], noise: Noise, settings: PeopleSettings | None = None
) -> Iterator[dict[str, Any]]:
    """Measure the tracker on scenes.

    Args:
        scenes: The frames of each scene.
        noise: The errors of the detections.
        settings: Settings of the tracker; None for the defaults.

    Yields:
        One row for each scene with the visible people only, and at last one for all scenes together.
    """
    total, total_hidden = IdentityScores(0, 0, 0, 0), IdentityScores(0, 0, 0, 0)
    hotas = []
    for number, frames in enumerate(scenes):
        compared = {
            hidden_too: track(
                frames,
                Detector(noise, number),
                PeopleTracker(settings, seed=number),
                noise,
                hidden_too=hidden_too,
            )
            for hidden_too in (False, True)
        }
        scores, hota = identity_scores(compared[False]), hota_scores(compared[False])
        total, total_hidden = total + scores, total_hidden + identity_scores(compared[True])
        hotas.append(hota.hota)
        yield {
            "scene": number,
            "people": len(frames[0].people),
            "idf1": round(scores.idf1, 3),
            "hota": round(hota.hota, 3),
            "switches": scores.switches,
        }
    yield {
        "scenes": len(hotas),
        "idf1": round(total.idf1, 3),
        "precision": round(total.precision, 3),
        "recall": round(total.recall, 3),
        "switches": total.switches,
        "hota": round(float(np.mean(hotas)), 3),
        "lowest_hota": round(float(np.min(hotas)), 3),
        "idf1_hidden_too": round(total_hidden.idf1, 3),
    }


def main() -> None:
    """Run the script."""
    parser = make_parser(__doc__)
    parser.add_argument("--scenes", type=int, default=24, help="scenes (default: 24), of 2, 3 and 4 people in turn")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="seed of the first scene")
    parser.add_argument("--rate", type=float, default=10.0, help="frames per second (default: 10)")
    parser.add_argument("--memory", type=float, default=0.0, help="seconds over which an error of the root stays")
    options = parser.parse_args()
    scenes = (
        list(crossing_scene(options.seed + number, 2 + number % 3, rate_hz=options.rate))
        for number in range(options.scenes)
    )
    rows = list(measure(scenes, Noise(memory_s=options.memory)))
    print_rows(rows)
    write_json(options.out, rows)


if __name__ == "__main__":
    main()
