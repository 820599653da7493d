"""Bodies of adults: anny's parametric human, posed by the directions of its limbs.

anny (https://github.com/naver/anny, Apache-2.0, assets CC0) provides the rest shape and the skinning. The pose is
computed here as global rotations of bones. Body frame: x to the person's left, y to the back, z up, metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from taihri_ros.skeleton import INDEX
from taihri_ros.synthetic.people.anny_model import load_anny, texture_directory
from taihri_ros.synthetic.people.kinematics import bend_limb, cross, euler, forward_kinematics, frame, rotation, unit
from taihri_ros.synthetic.people.phenotype import Phenotype
from taihri_ros.synthetic.people.poses import Limb, Pose

Array = NDArray[np.float64]

_BONES = (
    "root",
    "upperleg01.L",
    "upperleg01.R",
    "spine05",
    "lowerleg01.L",
    "lowerleg01.R",
    "spine03",
    "foot.L",
    "foot.R",
    "spine02",
    "toe1-1.L",
    "toe1-1.R",
    "neck01",
    "clavicle.L",
    "clavicle.R",
    "head",
    "upperarm01.L",
    "upperarm01.R",
    "lowerarm01.L",
    "lowerarm01.R",
    "wrist.L",
    "wrist.R",
)
"""The bone that begins at each joint, in the order of `taihri_ros.skeleton.JOINTS`."""

_SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
_NECK = ("neck01", "neck02", "neck03", "head")
_SIDES = (("L", 1.0), ("R", -1.0))


@dataclass(frozen=True)
class Body:
    """A posed body.

    Attributes:
        vertices: float32 (V, 3) metres, body frame, with the lowest point at z = 0.
        joints: float64 (22, 3) metres, body frame, in the order of `taihri_ros.skeleton.JOINTS`.
        seat: Height of the seat, metres; None for a body that does not sit.
    """

    vertices: NDArray[np.float32]
    joints: Array
    seat: float | None


@dataclass(frozen=True)
class Place:
    """Planar pose of a standing person.

    Attributes:
        x: Offset to the left, metres.
        y: Offset to the back, metres.
        yaw: Rotation to the person's left, radians.
    """

    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0


def moved(body: Body, place: Place) -> Body:
    """Return a body that is rotated about the vertical axis through the origin and then translated."""
    turn, offset = rotation([0.0, 0.0, 1.0], place.yaw), np.array([place.x, place.y, 0.0])
    vertices = body.vertices @ turn.T.astype(np.float32) + offset.astype(np.float32)
    return replace(body, vertices=vertices, joints=body.joints @ turn.T + offset)


@dataclass(frozen=True, eq=False)
class Template:
    """The mean body at rest, whose topology all bodies share.

    Attributes:
        vertices: float32 (V, 3) at rest, metres.
        normals: float32 (V, 3) outward unit normals at rest.
        faces: int32 (F, 3) vertex indices of each triangle, counter-clockwise from outside.
        joints: float64 (22, 3) at rest, metres.
        weights: Skinning weight of each vertex, float32 (V,), summed over the bones whose name starts with the key.
        uv: float32 (V, 2) texture coordinates, v upwards.
        textures: Directory of anny's mask textures.
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]
    joints: Array
    weights: dict[str, NDArray[np.float32]]
    uv: NDArray[np.float32]
    textures: Path

    @property
    def head_centre(self) -> Array:
        """(3,) centre of the head, metres."""
        return np.asarray(self.joints[INDEX["head"]] + np.array([0.0, -0.01, 0.065]))


class BodyModel:
    """The anny body model. The first construction on a machine builds anny's cache, which takes half a minute."""

    def __init__(self) -> None:
        """Load the model."""
        self._model = load_anny()
        labels = list(self._model.bone_labels)
        self._index = {label: bone for bone, label in enumerate(labels)}
        self._parents = [max(int(parent), 0) for parent in self._model.bone_parents]
        self._joints = np.array([self._index[bone] for bone in _BONES])

    @cached_property
    def template(self) -> Template:
        """The mean adult at rest."""
        vertices, rest_heads = self.rest([Phenotype(0.5, 2 / 3, 0.5, 0.5, 0.4, 0.5)])
        faces = self._model.faces.numpy().astype(np.int32)
        points = vertices[0].numpy()
        corners = points[faces]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = np.zeros_like(points)
        for corner in range(3):
            np.add.at(normals, faces[:, corner], across)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        bones = self._model.vertex_bone_indices.numpy()
        shares = self._model.vertex_bone_weights.numpy()
        weights = {}
        for word in ("upperarm", "lowerarm", "wrist", "finger", "metacarpal", "neck", "head", "eye", "foot", "toe"):
            named = np.array([label.startswith(word) for label in self._index])
            weights[word] = np.where(named[bones], shares, 0.0).sum(axis=1).astype(np.float32)
        uv = np.zeros((len(points), 2), dtype=np.float32)
        uv[faces.ravel()] = self._model.texture_coordinates.numpy()[
            self._model.face_texture_coordinate_indices.numpy().ravel()
        ]
        return Template(points, normals, faces, rest_heads[0][self._joints], weights, uv, texture_directory())

    def pose(self, people: Sequence[tuple[Phenotype, Pose]], clothing: NDArray[np.float32] | None = None) -> list[Body]:
        """Pose several bodies in one call.

        The number of people in a call may change the last bits of the result. If results must be bit-identical, always
        pose the same number of people in a call.

        Args:
            people: Shape and pose of each person.
            clothing: float32 (N, V) distance of clothes and hair from the skin, metres; None for bare bodies.

        Returns:
            The bodies, in order.
        """
        vertices, rest_heads = self.rest([shape for shape, _ in people])
        if clothing is not None:
            vertices = vertices + torch.from_numpy(clothing)[..., None] * torch.from_numpy(self.template.normals)
        transforms = np.zeros((len(people), len(self._index), 4, 4), dtype=np.float32)
        transforms[:, :, 3, 3] = 1.0
        joints = []
        for index, (_, pose) in enumerate(people):
            turned, placed = self.bones(rest_heads[index], pose)
            transforms[index, :, :3, :3] = turned
            transforms[index, :, :3, 3] = placed - np.einsum("bij,bj->bi", turned, rest_heads[index])
            joints.append(placed[self._joints])
        with torch.inference_mode():
            skinned = self._model.get_skinned_vertices(vertices, torch.from_numpy(transforms)).numpy()
        return [
            self._stand(points, places, pose) for points, places, (_, pose) in zip(skinned, joints, people, strict=True)
        ]

    def _stand(self, vertices: NDArray[np.float32], joints: Array, pose: Pose) -> Body:
        """Return the body with its lowest point on the ground."""
        ground = np.array([0.0, 0.0, vertices[:, 2].min()])
        seat = float(joints[:3, 2].min() - 0.1 - ground[2]) if pose.seated else None
        return Body(vertices - ground.astype(np.float32), joints - ground, seat)

    @property
    def bone_names(self) -> tuple[str, ...]:
        """The names that anny gives the bones, in the order of `rest` and `bones`."""
        return tuple(self._index)

    @property
    def joint_bones(self) -> NDArray[np.int64]:
        """The bone that begins at each joint of `taihri_ros.skeleton.JOINTS`, int64 (22,)."""
        return self._joints

    @property
    def skinning(self) -> NDArray[np.float32]:
        """Weight of each bone for each vertex, float32 (V, B); every row adds up to 1."""
        bones, shares = self._model.vertex_bone_indices.numpy(), self._model.vertex_bone_weights.numpy()
        weights = np.zeros((len(bones), len(self._index)), dtype=np.float32)
        np.add.at(weights, (np.arange(len(bones))[:, None], bones), shares)
        return weights

    def rest(self, shapes: Sequence[Phenotype]) -> tuple[torch.Tensor, Array]:
        """Return the vertices float32 (N, V, 3) and the heads of the bones float64 (N, B, 3) at rest, metres."""
        columns = {name: torch.tensor([getattr(shape, name) for shape in shapes]) for name in Phenotype.__annotations__}
        model = self._model
        with torch.inference_mode():
            shares = model.get_phenotype_blendshape_coefficients(**columns)
            vertices = model.get_rest_vertices(shares)
            joints = model.template_bone_heads + torch.einsum("cbd,nc->nbd", model.bone_heads_blendshapes, shares)
        return vertices, joints.numpy().astype(np.float64)

    def bones(self, rest: Array, pose: Pose) -> tuple[Array, Array]:
        """Convert a pose to the bones of a body.

        Args:
            rest: (B, 3) heads of the bones at rest, metres.
            pose: The pose.

        Returns:
            Global rotations float64 (B, 3, 3) and heads float64 (B, 3), metres, of all bones.
        """
        index = self._index
        pelvis = euler(*pose.pelvis)
        turned = {index["root"]: pelvis}
        for step, name in enumerate(_SPINE, start=1):
            turned[index[name]] = pelvis @ euler(*(pose.spine * step / len(_SPINE)))
        chest = turned[index["spine01"]]
        for step, name in enumerate(_NECK, start=1):
            turned[index[name]] = chest @ euler(*(pose.head * step / len(_NECK)))
        for (side, mirror), arm in zip(_SIDES, pose.arms, strict=True):
            lift = float(np.clip(0.35 + 0.5 * arm.target[2], 0.0, 0.5))
            raised = rotation([0, 1, 0], -mirror * 0.6 * lift) @ rotation([0, 0, 1], -mirror * 0.125 * arm.target[1])
            turned[index[f"clavicle.{side}"]] = turned[index[f"shoulder01.{side}"]] = chest @ raised
        _, placed = forward_kinematics(self._parents, rest, turned)
        heading = euler(0.0, 0.0, float(pose.pelvis[2]))
        for (side, mirror), arm, leg in zip(_SIDES, pose.arms, pose.legs, strict=True):
            self._arm(turned, rest, placed, chest, arm, side, mirror, pose.fingers)
            self._leg(turned, rest, placed, heading, leg, side, mirror)
        return forward_kinematics(self._parents, rest, turned)

    def _arm(
        self,
        turned: dict[int, Array],
        rest: Array,
        placed: Array,
        chest: Array,
        limb: Limb,
        side: str,
        mirror: float,
        fingers: float,
    ) -> None:
        shoulder, elbow, wrist = (self._index[f"{name}.{side}"] for name in ("upperarm01", "lowerarm01", "wrist"))
        turned[shoulder], turned[elbow], forearm = _bend(
            rest, (shoulder, elbow, wrist), placed[shoulder], limb, chest, mirror
        )
        lower, axis = turned[elbow], unit(forearm)
        turned[self._index[f"lowerarm02.{side}"]] = rotation(axis, 0.5 * mirror * limb.twist) @ lower
        hinge = lower @ unit(cross(rest[elbow] - rest[shoulder], rest[wrist] - rest[elbow]))
        hand = rotation(hinge, limb.bend) @ rotation(axis, mirror * limb.twist) @ lower
        turned[wrist] = hand
        # The fingers curl about the axis across the palm.
        across = unit(rest[self._index[f"finger2-1.{side}"]] - rest[self._index[f"finger5-1.{side}"]])
        for joint in range(1, 4):
            curled = hand @ rotation(across, mirror * fingers * joint)
            turned.update({self._index[f"finger{finger}-{joint}.{side}"]: curled for finger in range(2, 6)})

    def _leg(
        self, turned: dict[int, Array], rest: Array, placed: Array, heading: Array, limb: Limb, side: str, mirror: float
    ) -> None:
        hip, knee, ankle = (self._index[f"{name}.{side}"] for name in ("upperleg01", "lowerleg01", "foot"))
        turned[hip], turned[knee], _ = _bend(rest, (hip, knee, ankle), placed[hip], limb, heading, mirror)
        turned[ankle] = heading @ rotation([0, 0, 1], mirror * limb.twist * 0.7) @ rotation([1, 0, 0], limb.bend)


def _to_body_axes(place: Array, mirror: float) -> Array:
    """Convert (outward, forward, up) of a side to the axes of the body."""
    return np.array([mirror * place[0], -place[1], place[2]])


def _bend(
    rest: Array, bones: tuple[int, int, int], root: Array, limb: Limb, axes: Array, mirror: float
) -> tuple[Array, Array, Array]:
    """Bend a limb to its target; return the rotations of its two bones and the direction of the second."""
    first, second = rest[bones[1]] - rest[bones[0]], rest[bones[2]] - rest[bones[1]]
    lengths = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    target = root + sum(lengths) * (axes @ _to_body_axes(limb.target, mirror))
    middle, end = bend_limb(root, target, *lengths, axes @ _to_body_axes(limb.pole, mirror))
    hinge, rest_hinge = cross(middle - root, end - middle), cross(first, second)
    upper = frame(middle - root, hinge) @ frame(first, rest_hinge).T
    lower = frame(end - middle, hinge) @ frame(second, rest_hinge).T
    return upper, lower, end - middle


@lru_cache(maxsize=1)
def body_model() -> BodyModel:
    """Return the body model of this process, loaded on first use."""
    return BodyModel()
