"""Several people in the demo: who was tracked in each image, and how that agrees with the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body, BodyRecovery
from taihri_ros.evaluation.identity_metrics import Frames, identity_scores
from taihri_ros.evaluation.metrics import distances_mm
from taihri_ros.pipeline.estimate import PersonInFrame
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState
from taihri_ros.skeleton import INDEX

Joints = NDArray[np.float64]

_BODY_DEVIATION_M = 0.02
"""Standard deviation of the joints of a body from which its surface is computed again, metres."""


@dataclass
class PeopleRecord:
    """What was received about several people, by the stamp of the image (ns).

    Attributes:
        truths: (N, 22, 3) metres, the joints of everybody.
        visible: The people who can be seen, by their place in `truths`.
        tracked: The people whom the node tracks.
        latencies_ms: Time from the stamp to the arrival of the tracked people.
        bodies: The joints of the bodies by id, (22, 3) metres, NaN where no keypoint showed them; from TF.
    """

    truths: dict[int, Joints] = field(default_factory=dict)
    visible: dict[int, frozenset[int]] = field(default_factory=dict)
    tracked: dict[int, tuple[PersonInFrame, ...]] = field(default_factory=dict)
    latencies_ms: dict[int, float] = field(default_factory=dict)
    bodies: dict[int, dict[str, Joints]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def compared(self) -> list[int]:
        """The stamps of which both the truth and the tracked people are known, in order."""
        return sorted(self.truths.keys() & self.visible.keys() & self.tracked.keys())


def who_is_who(record: PeopleRecord) -> dict[str, int]:
    """Return the true person of each id: the one who was nearest to it in most images, by the place in `truths`."""
    nearest: dict[str, Counter[int]] = defaultdict(Counter)
    for stamp in record.compared:
        for track in _seen(record, stamp):
            away = np.linalg.norm(record.truths[stamp][:, 0] - track.root, axis=1)
            nearest[track.id][int(away.argmin())] += 1
    return {name: counts.most_common(1)[0][0] for name, counts in nearest.items()}


def selected_truths(record: PeopleRecord) -> dict[int, Joints]:
    """Return the true joints (22, 3) of the person whom the command meant, by stamp, where somebody was selected."""
    people = who_is_who(record)
    return {
        stamp: record.truths[stamp][people[selected[0]]]
        for stamp in record.compared
        if (selected := [each.track.id for each in record.tracked[stamp] if each.selected and each.track.id in people])
    }


def people_summary(record: PeopleRecord) -> dict[str, Any]:
    """Summarise how well people were told apart.

    Args:
        record: What was received.

    Returns:
        `idf1` (None without an answer) and `switches` among those who can be seen; for each id the true `person`, the
        number of `images`, the number of `joints` and how far off they were; the median latency by the number of people
        who were seen.
    """
    people = who_is_who(record)
    frames: Frames = [
        (
            {str(number): record.truths[stamp][number, 0] for number in record.visible[stamp]},
            {track.id: track.root for track in _seen(record, stamp)},
        )
        for stamp in record.compared
    ]
    scores = identity_scores(frames)
    images, errors_mm = Counter[str](), defaultdict[str, list[float]](list)
    latencies_ms = defaultdict[int, list[float]](list)
    for stamp in record.compared:
        seen = {track.id for track in _seen(record, stamp)}
        latencies_ms[len(seen)].append(record.latencies_ms[stamp])
        for each in record.tracked[stamp]:
            if each.track.id in seen and each.person is not None:
                images[each.track.id] += 1
                true = record.truths[stamp][people[each.track.id]]
                errors_mm[each.track.id] += [
                    float(distances_mm(joint.position, true[INDEX[joint.name]])) for joint in each.person.located
                ]
    return {
        "true": max(len(joints) for joints in record.truths.values()),
        "idf1": round(scores.idf1, 3) if frames else None,
        "switches": scores.switches,
        "ids": {
            name: {
                "person": people[name],
                "images": images[name],
                "joints": len(errors_mm[name]),
                "gmpjpe_mm": round(float(np.mean(errors_mm[name])), 1) if errors_mm[name] else None,
            }
            for name in people
        },
        "latency_ms_by_people": {
            str(count): round(float(np.median(each)), 1) for count, each in sorted(latencies_ms.items())
        },
    }


def describe_people(summary: Mapping[str, Any]) -> list[str]:
    """Say in words who was told apart, and how long it took: one line for each id, and one for all."""
    lines = []
    for name, about in summary["ids"].items():
        off = "" if about["gmpjpe_mm"] is None else f", {about['gmpjpe_mm']:.0f} mm off on average"
        lines.append(
            f"{name} is person {about['person'] + 1}: seen in {about['images']} images, joints found "
            f"{about['joints']}{off}"
        )
    latencies = ", ".join(f"{count}: {ms:.0f} ms" for count, ms in summary["latency_ms_by_people"].items())
    idf1 = "unknown" if summary["idf1"] is None else f"{summary['idf1']:.2f}"
    lines.append(
        f"{summary['true']} people had {len(summary['ids'])} ids: IDF1 {idf1}, {summary['switches']} id "
        f"switches; latency by the number of people who were seen: {latencies}"
    )
    return lines


def recovered_people(record: PeopleRecord) -> dict[int, dict[str, Body]]:
    """Return the bodies in each image by stamp (ns) and id: a fit to the joints in TF gives back their surfaces."""
    recoveries: dict[str, BodyRecovery] = defaultdict(BodyRecovery)
    covariances = np.tile(_BODY_DEVIATION_M**2 * np.eye(3), (len(INDEX), 1, 1))
    found: dict[int, dict[str, Body]] = {}
    for stamp, joints in sorted(record.bodies.items()):
        fitted = {name: recoveries[name].update(points, covariances, stamp_ns=stamp) for name, points in joints.items()}
        found[stamp] = {name: body for name, body in fitted.items() if body is not None}
    return found


def _seen(record: PeopleRecord, stamp: int) -> list[TrackedPerson]:
    """Return those who are known and seen in an image."""
    return [each.track for each in record.tracked[stamp] if each.track.state is TrackState.CONFIRMED]
