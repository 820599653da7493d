"""Views of training pictures through virtual cameras, with the labels as the model sees them.

Rotating or cropping the canonical camera of TAIHRI (arXiv 2604.08921) is exact: the new image is a homography of the
old one, and the joints are rotated by the same rotation. One labelled picture is therefore the source of any number of
views. A share of them are those of the node: person crops and search views, which `pipeline/person_views.py` chooses.
Both are zoomed for a checkpoint that learns zoom (`ModelSpec.zoom`), and labelled by the rule of `model/zoom.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView, reduced, reduction_for
from taihri_ros.inference.checkpoint.layout import TOKEN_PX
from taihri_ros.model.spec import ModelSpec
from taihri_ros.model.zoom import ROOT_INDEX, seen_points
from taihri_ros.pipeline.person_views import ZOOM_STEP, Located, PersonViews
from taihri_ros.skeleton import JOINTS
from taihri_ros.training.data.backgrounds import OUTSIDE
from taihri_ros.training.data.pictures import Picture, project

ABSENT_M = 1000.0
"""Coordinates of the joints of a view without a person; far outside every range (metres)."""


_SMALLER = 0.35
_SEARCHES = 0.12
"""Share of search views among the views that are no person crops, for a checkpoint that learns zoom."""

_ALL_JOINTS = 0.5
"""Share of the person crops that cover all joints in the picture; the others cover a random number of them."""

_POSITION_NOISE_M, _DEPTH_NOISE = 0.1, 0.15
"""Standard deviations of where the node believes the person: metres of each joint, and share of the distance of all."""

_REACHES = (0.85, 1.4)
"""Limits of the size of a person crop, relative to a new one; the node keeps a view as the person moves."""

_OTHER_SIDE = {"left": "right", "right": "left"}
_MIRROR = np.array([JOINTS.index("_".join(_OTHER_SIDE.get(word, word) for word in name.split("_"))) for name in JOINTS])
"""For each joint the index of its mirror image."""


@dataclass(frozen=True, eq=False)
class View:
    """An input image of the model with its labels.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        joints: (22, 3) float32 metres, frame of the view, as the model sees them through the zoom; NaN without a label.
        pixels: (22, 2) float32 px, projections of the true joints; they may lie outside the image.
        visibility: (22,) int8, 0 visible, 1 occluded, -1 either, 2 out of the view or without a label.
        person: Whether the view shows a person; if not, all joints are out of the view and at `ABSENT_M`.
        zoom: Focal length of the view divided by that of the model.
    """

    image: NDArray[np.uint8]
    joints: NDArray[np.float32]
    pixels: NDArray[np.float32]
    visibility: NDArray[np.int8]
    person: bool = True
    zoom: float = 1.0

    @classmethod
    def without_person(cls, image: NDArray[np.uint8], zoom: float = 1.0) -> View:
        """Return a view that shows nobody.

        Args:
            image: (height, width, 3) uint8 RGB.
            zoom: Focal length of the view divided by that of the model.

        Returns:
            The view.
        """
        count = len(JOINTS)
        joints = np.full((count, 3), ABSENT_M, np.float32)
        nowhere = np.zeros((count, 2), np.float32)
        return cls(image, joints, nowhere, np.full(count, 2, np.int8), person=False, zoom=zoom)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(22,) whether the joint has a label."""
        return np.asarray(np.isfinite(self.joints).all(axis=1))


@dataclass(frozen=True)
class Viewpoint:
    """A virtual camera at the optical centre of a picture.

    Attributes:
        focal_px: Focal length in px.
        size: Width and height in px.
        rotation_vector: Rotation from the frame of the picture to that of the view, axis times angle in radians.
        mirrored: Whether the image is mirrored and the left and right joints are exchanged.
        zoom: The focal length divided by that of the model.
    """

    focal_px: float
    size: tuple[int, int]
    rotation_vector: tuple[float, float, float] = (0.0, 0.0, 0.0)
    mirrored: bool = False
    zoom: float = 1.0

    @classmethod
    def sample(
        cls,
        rng: np.random.Generator,
        picture: Picture,
        spec: ModelSpec,
        *,
        degrees: tuple[float, float, float],
        person_crops: float = 0.0,
    ) -> Viewpoint:
        """Sample a random viewpoint: a full view, a smaller one, or a person crop or search view of the node.

        Args:
            rng: Random generator.
            picture: The picture to view.
            spec: The model's focal length, largest view and range of zoom.
            degrees: Standard deviations of tilt, pan and roll, degrees.
            person_crops: Probability of a person crop, as the node's `PersonCrop` makes them.

        Returns:
            The viewpoint.
        """
        spec = _usable_spec(picture, spec)
        angles = np.radians(degrees) * rng.standard_normal(3)
        mirrored = bool(rng.random() < 0.5)
        if rng.random() < person_crops:
            crop = _sample_person_crop(rng, picture, spec)
            if crop is not None:
                return cls.of(crop, spec, 0.5 * angles, mirrored=mirrored)
        elif spec.zooms and rng.random() < _SEARCHES:
            views = PersonViews(picture.camera, spec).search
            if views:
                return cls.of(views[int(rng.integers(len(views)))], spec, angles, mirrored=mirrored)
        blocks = _full_size(picture, spec) // TOKEN_PX
        if rng.random() < _SMALLER:
            blocks = np.maximum(blocks - rng.integers(0, 3, 2), np.minimum(blocks, 3))
        width, height = (int(side) for side in blocks * TOKEN_PX)
        tilt, pan, roll = angles.tolist()
        return cls(spec.focal_px, (width, height), (tilt, pan, roll), mirrored)

    @classmethod
    def plain(cls, picture: Picture, spec: ModelSpec) -> Viewpoint:
        """Return the full view without rotation, as the node uses it."""
        width, height = (int(side) for side in _full_size(picture, spec))
        return cls(spec.focal_px, (width, height))

    @classmethod
    def around(cls, picture: Picture, spec: ModelSpec) -> Viewpoint:
        """Return the person crop that the node makes of somebody whose joints in the picture it knows exactly."""
        inside = picture.visibility < 2
        if not inside.any():
            return cls.plain(picture, spec)
        views = PersonViews(picture.camera, _usable_spec(picture, spec))
        return cls.of(views.around(_located(picture, inside)), spec, np.zeros(3))

    @classmethod
    def of(
        cls, view: CanonicalView, spec: ModelSpec, angles: NDArray[np.float64], *, mirrored: bool = False
    ) -> Viewpoint:
        """Return the viewpoint of a view of the node, turned a little.

        Args:
            view: The view, of a picture's camera.
            spec: The model's focal length.
            angles: (3,) tilt, pan and roll of an unzoomed view, radians; zoomed ones tilt and pan less.
            mirrored: Whether the image is mirrored.

        Returns:
            The viewpoint.
        """
        zoom = view.focal_px / spec.focal_px
        turn = cv2.Rodrigues(view.R_view_from_camera)[0][:, 0] + angles / [zoom, zoom, 1.0]
        tilt, pan, roll = turn.tolist()
        return cls(view.focal_px, (view.width, view.height), (tilt, pan, roll), mirrored, zoom)

    def render(self, picture: Picture) -> View:
        """Render a picture from this viewpoint, with the labels in the frame of the view.

        Args:
            picture: The picture.

        Returns:
            The view.
        """
        joints, visibility = picture.joints @ self._rotation.T, picture.visibility
        if self.mirrored:
            joints, visibility = (joints * [-1.0, 1.0, 1.0])[_MIRROR], visibility[_MIRROR]
        pixels = project(joints, self.focal_px, self.size)
        inside = (joints[:, 2] > 0.0) & (pixels > -0.5).all(axis=1) & (pixels < np.array(self.size) - 0.5).all(axis=1)
        seen = joints  # without zoom the root is not needed, and it may have no label
        if self.zoom != 1.0:
            seen = seen_points(joints, float(joints[ROOT_INDEX, 2]), self.zoom)
        return View(
            self._warp(picture, picture.image(), cv2.INTER_LINEAR, 0),
            seen.astype(np.float32),
            pixels.astype(np.float32),
            np.where(inside, visibility, 2).astype(np.int8),
            zoom=self.zoom,
        )

    def render_owners(self, picture: Picture) -> NDArray[np.uint8] | None:
        """Render the owner of each pixel from this viewpoint.

        Args:
            picture: The picture.

        Returns:
            (height, width) uint8, 255 outside the camera's image; None if the picture does not store owners.
        """
        owners = picture.owners()
        return None if owners is None else self._warp(picture, owners, cv2.INTER_NEAREST, OUTSIDE)

    @property
    def _rotation(self) -> NDArray[np.float64]:
        return np.asarray(cv2.Rodrigues(np.array(self.rotation_vector))[0], np.float64)

    def _warp(self, picture: Picture, image: NDArray[np.uint8], mode: int, outside: int) -> NDArray[np.uint8]:
        source = picture.camera.K
        reduction = reduction_for(picture.focal_px / self.focal_px)
        if mode == cv2.INTER_LINEAR and reduction > 1:
            image = reduced(image, reduction)
            source = np.diag([1 / reduction, 1 / reduction, 1.0]) @ source
            source[:2, 2] += 0.5 / reduction - 0.5
        homography = Camera.ideal(self.focal_px, *self.size).K @ self._rotation @ np.linalg.inv(source)
        warped = cv2.warpPerspective(image, homography, self.size, flags=mode, borderValue=(outside,) * 3)
        return np.asarray(np.ascontiguousarray(warped[:, ::-1]) if self.mirrored else warped, np.uint8)


def _sample_person_crop(rng: np.random.Generator, picture: Picture, spec: ModelSpec) -> CanonicalView | None:
    """Sample a person crop around noisy positions of some joints; None when no joint is in the image."""
    inside = np.flatnonzero(picture.visibility < 2)
    if not len(inside):
        return None
    count = len(inside) if rng.random() < _ALL_JOINTS else int(rng.integers(1, len(inside) + 1))
    found = _located(picture, rng.permutation(inside)[:count])
    exact = np.array([found.root, *found.points])
    noise = _POSITION_NOISE_M * rng.standard_normal(exact.shape)
    root, *points = (exact + noise) * np.exp(_DEPTH_NOISE * rng.standard_normal())
    views = PersonViews(picture.camera, spec)
    aim = views.aim(Located(np.array(points), root))
    if aim is None:
        return None
    least = np.log(ZOOM_STEP)
    zoom = float(np.clip(aim.zoom * np.exp(rng.uniform(-least, least)), *spec.zoom))
    return views.aimed(replace(aim, reach=aim.reach * rng.uniform(*_REACHES), zoom=zoom))


def _located(picture: Picture, joints: NDArray[np.bool_] | NDArray[np.int64]) -> Located:
    """Return where some joints of a picture are."""
    points, root = picture.joints[joints].astype(np.float64), picture.joints[ROOT_INDEX].astype(np.float64)
    return Located(points, root if np.isfinite(root).all() else points.mean(axis=0))


def _usable_spec(picture: Picture, spec: ModelSpec) -> ModelSpec:
    """Return the spec without zoom for a picture whose root has no label, which the rule of `model/zoom.py` needs."""
    return spec if np.isfinite(picture.joints[ROOT_INDEX]).all() else replace(spec, zoom=(1.0, 1.0))


def _full_size(picture: Picture, spec: ModelSpec) -> NDArray[np.int64]:
    """Return width and height of the view that shows a whole picture, (2,) px, multiples of a visual token."""
    size = np.array(picture.size) * spec.focal_px / picture.focal_px
    return np.asarray(np.clip(np.ceil(size / TOKEN_PX), 1, min(spec.max_image_size) // TOKEN_PX) * TOKEN_PX, np.int64)
