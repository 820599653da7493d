"""Surface coordinates of a body that outline clothes: position along arm, leg and neck."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.people import hair, skirt
from taihri_ros.synthetic.people.body import Template
from taihri_ros.synthetic.people.features import features

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Surface:
    """Coordinates of each vertex that have the same meaning on every body.

    Attributes:
        rest: float32 (V, 3) rest positions, metres, for patterns; the skirt surrounds the legs.
        faces: int32 (F, 3) vertex indices of each triangle.
        arm: float32 (V,) -2 on the hair, -1 on the skirt, 0 on the trunk, 0 to 0.5 from shoulder to elbow, 0.5 to 1
            from there to the wrist, more than 1 on the hand.
        leg: float32 (V,) 0 at the height of the hips, 0.5 at the knees, 1 at the ankles; negative above the hips.
        neck: float32 (V,) height above the neck joint, metres.
        head: float32 (V, 3) position relative to the centre of the head, in units of 0.1 m: to the left, to the back,
            up.
        eyes: float32 (V,) skinning weight of the eyeballs.
        skin: Number of vertices of the body; those of the skirt and of the hair follow.
        rough: float32 (V, 3) three smooth random fields, about -1 to 1, for blotches of skin, and for edges and folds
            of cloth.
        face: float32 (V, 3) of `features.Features`: lips; eyelids, or minus the ears; gaze.
        occlusion: float32 (V,) of `features.Features`.
        slack: float32 (V,) of `features.Features`, metres.
    """

    rest: Floats
    faces: NDArray[np.int32]
    arm: Floats
    leg: Floats
    neck: Floats
    head: Floats
    eyes: Floats
    rough: Floats
    skin: int
    face: Floats
    occlusion: Floats
    slack: Floats


@lru_cache(maxsize=2)
def surface(template: Template) -> Surface:
    """Return the surface coordinates of a body at rest, of the skirt and of the hair, computed once."""
    points, joints = template.vertices.astype(np.float64), template.joints
    weights = template.weights
    arm_share = weights["upperarm"] + weights["lowerarm"] + weights["wrist"] + weights["finger"] + weights["metacarpal"]
    along = np.zeros(len(points))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder, elbow, wrist = (joints[INDEX[f"{side}_{name}"]] for name in ("shoulder", "elbow", "wrist"))
        first = _share(points, shoulder, elbow)
        second = _share(points, elbow, wrist)
        place = np.where(second > 0.0, 0.5 + 0.5 * second, np.minimum(0.5 * first, 0.5))
        own_side = points[:, 0] * sign > 0.0
        along = np.where(own_side & (arm_share > 0.25), np.maximum(place, 0.01), along)
    hip, ankle = joints[INDEX["left_hip"], 2], joints[INDEX["left_ankle"], 2]
    leg = np.where(arm_share > 0.25, -0.5, (hip - points[:, 2]) / (hip - ankle))
    middle = template.head_centre
    cloth, cloth_along = skirt.rest_tube()
    strands = hair.rest_shell(middle)
    tube, shell = np.zeros(skirt.POINTS), np.zeros(hair.POINTS)
    extra = np.zeros((skirt.POINTS + hair.POINTS, 3))

    def joined(*parts: NDArray[Any]) -> Floats:
        return np.concatenate(parts).astype(np.float32)

    head = (points - middle) * 10.0
    found = features(template, head.astype(np.float32), along.astype(np.float32), leg.astype(np.float32))
    face = np.column_stack([found.lips, found.eyelids - found.ears, found.gaze])
    first_strand = len(points) + skirt.POINTS
    return Surface(
        rest=joined(template.vertices, cloth, strands),
        faces=np.concatenate([template.faces, skirt.faces(len(points)), hair.faces(first_strand)]),
        arm=joined(along, tube - 1.0, shell - 2.0),
        leg=joined(leg, cloth_along, shell - 0.5),
        neck=joined(np.where(arm_share > 0.25, -0.3, points[:, 2] - joints[INDEX["neck"], 2]), tube - 0.3, shell + 0.2),
        head=joined(head, np.zeros((skirt.POINTS, 3)), (strands - middle) * 10.0),
        eyes=joined(weights["eye"], tube, shell),
        rough=_rough(joined(points, cloth, strands)),
        skin=len(points),
        face=joined(face, extra),
        occlusion=joined(found.occlusion, tube + 0.8, shell + 0.9),
        slack=joined(found.slack, tube, shell),
    )


def _rough(points: Floats) -> Floats:
    """Return random fields on the body as sums of plane waves of 6 to 40 cm wavelength."""
    rng = np.random.default_rng(3)
    directions = rng.normal(0.0, 1.0, (3, 14, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    waves = directions * (2.0 * np.pi / np.exp(rng.uniform(np.log(0.06), np.log(0.4), (3, 14, 1))))
    phases = np.einsum("vd,fwd->vfw", points, waves) + rng.uniform(0.0, 2.0 * np.pi, (3, 14))
    return np.asarray(np.sin(phases).sum(axis=2) / np.sqrt(14.0), dtype=np.float32)


def _share(points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the position of points (N, 3) along a bone, (N,): 0 at its start, 1 at its end."""
    axis = end - start
    return np.asarray((points - start) @ axis / (axis @ axis))
