"""The views of a camera that show a person: turned toward them, no larger than needed, and zoomed in if they are far.

A view is a virtual camera at the same optical centre, with its principal point at its centre, as in training.
`CanonicalView.points_to_camera` inverts the rotation exactly, and `model/zoom.py` the zoom.

Somebody 4 m away is 48 px high at the focal length of taihri-nano, hardly more than one visual token. For a checkpoint
that has learned zoomed views (`ModelSpec.zoom`), the focal length is therefore chosen so that the person appears to
stand `READ_AT_M` away. Whoever stands nearer is not zoomed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.view_size import size_within
from taihri_ros.keypoints import Person, State
from taihri_ros.model.spec import ModelSpec
from taihri_ros.model.zoom import ROOT, seen_points

MARGIN_M = 0.5
"""Margin of a new view around every located joint, metres."""

FEW_JOINTS = 6
FEW_JOINTS_MARGIN_M = 0.9
"""Margin if fewer joints than `FEW_JOINTS` are located, metres. It is about an arm's length, since the model needs the
body in view to estimate the depth of, for example, a wrist."""

READ_AT_M = 1.6
"""Distance at which a zoomed view shows a person, metres. An adult there is as high as the focal length is long: 120 px
or four visual tokens for taihri-nano, and with their margins they fit into its largest view."""

ZOOM_STEP = 1.25
"""Zooms whose ratio is smaller are as good as each other: less is not worth another view."""

RESCALES = (4 / 3, 3 / 4)
"""Zooms of the further views of somebody in a single picture, divided by the zoom that shows them best. They move every
joint to another place of its visual token and another depth; an error that grows with the zoom cancels between both."""

FINEST = 3.0
"""Largest number of pixels of a zoomed view per pixel of the source image, in each direction. Beyond 1 a zoom adds no
detail, but it brings the person to the size and into the range of depth that the model has learned: on wide pictures of
a real person shrunk to a height of 35 px, the error of taihri-nano halved with 3. More was not measured: there is
hardly a person in fewer pixels."""

MIN_TOKENS_PER_SIDE = 4
"""Smallest width and height of a crop, visual tokens, unless the full view is smaller. The smallest crops on which
taihri-nano was trained had three."""

SEARCH_ZOOM = 2.0
"""Zoom of the views that search for somebody whom the full view does not show well enough. They show people best at
twice `READ_AT_M`, and the full view shows them best at up to `READ_AT_M`."""

_BODY_M = np.array([0.6, 1.7])
"""Width and height of an adult, metres. Neighbouring search views overlap by as much at the distance at which they
show people best, so that one of them shows the whole of somebody who is there or farther away."""

_CENTRING_STEPS = 2
"""Number of iterations that centre the view on the box around the joints."""

_MIN_DEPTH = 1e-3
"""Smallest z with which a point is projected, metres."""

_DEPTH_RESERVE = 0.1
"""Distance behind every joint that the depth bins of a turned view must still cover, metres."""


def full_view(camera: Camera, spec: ModelSpec) -> CanonicalView:
    """Return the largest view of a camera's image that the model accepts.

    Args:
        camera: The source camera.
        spec: The checkpoint's specification.

    Returns:
        The view.

    Raises:
        CameraError: No view is within the model's limits.
    """
    return CanonicalView.fit(
        camera,
        focal_px=spec.focal_px,
        max_size=spec.max_image_size,
        min_pixels=spec.min_pixels,
        max_pixels=spec.max_pixels,
        multiple=spec.image_multiple,
    )


@dataclass(frozen=True, eq=False)
class Located:
    """Where a person was found.

    Attributes:
        points: (N, 3) metres, the joints, camera optical frame; at least one.
        root: (3,) metres, the pelvis, or the mean of the joints if it is unknown.
    """

    points: NDArray[np.float64]
    root: NDArray[np.float64]

    @classmethod
    def of(cls, person: Person) -> Located | None:
        """Return where a person was found in an image; None if no joint was."""
        found = [*person.located, *([] if person.root is None or not person.root.has_position else [person.root])]
        measured = {joint.name: joint.position for joint in found if joint.state is not State.PREDICTED}
        if not measured:
            return None
        points = np.array(list(measured.values()))
        return cls(points, measured.get(ROOT, points.mean(axis=0)))

    @classmethod
    def in_box(cls, camera: Camera, box: ArrayLike) -> Located:
        """Return where somebody stands who fills a box, if they are as high (or long) as an adult.

        Args:
            camera: The source camera.
            box: (4,) left, top, right and bottom in its image, px.

        Returns:
            The corners of the box and the middles of its sides at the distance of the person, and its centre.
        """
        left, top, right, bottom = np.asarray(box, np.float64)
        outline = [(u, v) for v in (top, (top + bottom) / 2, bottom) for u in (left, (left + right) / 2, right)]
        rays = camera.unproject(outline)
        points = rays * _BODY_M[1] / np.ptp(rays[:, :2], axis=0).max()
        return cls(points, points[len(points) // 2])


@dataclass(frozen=True)
class Aim:
    """How a view shows a person.

    Attributes:
        rotation: From the camera's frame to the view's, (3, 3).
        reach: Half width and half height of the view on the plane z = 1, (2,).
        zoom: Focal length of the view divided by that of the model.
    """

    rotation: NDArray[np.float64]
    reach: NDArray[np.float64]
    zoom: float


class PersonViews:
    """The views of one camera for one checkpoint.

    Example:
        >>> from taihri_ros.camera.distortion import DistortionModel
        >>> camera = Camera(640, 480, [[500, 0, 320], [0, 500, 240], [0, 0, 1]], [], DistortionModel.NONE)
        >>> spec = ModelSpec(focal_px=112.0, max_image_size=(256, 256), min_pixels=1024, max_pixels=65536, zoom=(1, 3))
        >>> view = PersonViews(camera, spec).around(Located.in_box(camera, (300, 100, 380, 300)))
        >>> round(view.focal_px / spec.focal_px, 1)  # a person of 200 px is 4.25 m away, and shown at 1.6 m
        2.7

    Attributes:
        spec: The checkpoint's specification.
        full: The full view, which is never zoomed.
    """

    def __init__(self, camera: Camera, spec: ModelSpec) -> None:
        """Create the full view.

        Args:
            camera: The source camera.
            spec: The checkpoint's specification.

        Raises:
            CameraError: The model accepts no view of the camera.
        """
        self.spec = spec
        self.full = full_view(camera, spec)

    def suit(self, camera: Camera, spec: ModelSpec) -> bool:
        """Check that these are the views of a camera for a checkpoint."""
        return self.full.source == camera and self.spec == spec

    def zoom(self, view: CanonicalView) -> float:
        """Return the focal length of a view divided by that of the model."""
        return view.focal_px / self.spec.focal_px

    def around(self, found: Located) -> CanonicalView:
        """Return a new view around a person.

        Args:
            found: Where the person was found, in the full view for example, or `Located.in_box`.

        Returns:
            The view; the full view if the person is outside of it or beyond the range of the model.
        """
        aim = self.aim(found)
        view = self.full if aim is None else self.aimed(aim)
        return view if self.contains(view, found, 0.0) else self.full

    def aim(self, found: Located) -> Aim | None:
        """Return how a view shows a person with their margin; None if they are outside the full view."""
        points = found.points
        ahead = np.column_stack([points[:, :2], np.maximum(points[:, 2], _MIN_DEPTH)])
        direction = (ahead / np.linalg.norm(ahead, axis=1, keepdims=True)).sum(axis=0)
        for _ in range(_CENTRING_STEPS):
            rotation = look_along(direction)
            low, high = self._required_box(points, rotation)
            if not (low < high).all():
                return None
            direction = rotation.T @ [*(low + high) / 2, 1.0]
        rotation = look_along(direction)
        reach = np.abs(self._required_box(points, rotation)).max(axis=0)
        return Aim(rotation, reach, self._zoom(float((rotation @ found.root)[2]), reach))

    def aimed(self, aim: Aim) -> CanonicalView:
        """Return the view of an aim; a zoom of less than `ZOOM_STEP` is left out."""
        return self._view(aim.rotation, aim.reach, aim.zoom if aim.zoom >= ZOOM_STEP else 1.0)

    def rescaled(self, found: Located) -> tuple[CanonicalView, ...]:
        """Return views like that around a person, but larger and smaller, with zooms that the model has learned."""
        aim = self.aim(found)
        if aim is None:
            return ()
        zooms = [aim.zoom * factor for factor in RESCALES]
        return tuple(self._view(aim.rotation, aim.reach, zoom) for zoom in zooms if 1.0 <= zoom <= self._largest_zoom)

    def shows(self, view: CanonicalView, found: Located, fraction: float) -> bool:
        """Check that a view shows a person with a fraction of their margin, as far as the full view does."""
        required = self._required_box(found.points, view.R_view_from_camera, fraction)
        return bool((np.abs(required) <= np.array([view.width, view.height]) / (2.0 * view.focal_px)).all())

    def contains(self, view: CanonicalView, found: Located, fraction: float) -> bool:
        """Check that a view shows a person with a fraction of their margin, within the range of the model's bins.

        The bins hold the depth along the view's own axis, as the model sees it.
        """
        (root,) = view.points_to_view(found.root)
        seen = seen_points(view.points_to_view(found.points), root[2], self.zoom(view))
        in_range = self.spec.space.contains(seen + np.array([0.0, 0.0, _DEPTH_RESERVE]))
        return self.shows(view, found, fraction) and bool(in_range.all())

    @cached_property
    def search(self) -> tuple[CanonicalView, ...]:
        """A coarse grid of zoomed views over the full view, empty for a model without zoom.

        The row in the middle is the first, since people stand beside each other, and each row begins in its middle.
        """
        zoom = min(SEARCH_ZOOM, self._largest_zoom)
        if zoom < ZOOM_STEP:
            return ()
        low, high = extent(self._corners, 0.0)
        largest = np.array(self.spec.max_image_size) / (2.0 * self.spec.focal_px * zoom)
        reach = np.minimum((high - low) / 2.0, largest)
        shared = np.minimum(_BODY_M / (READ_AT_M * zoom), reach)
        counts = np.maximum(np.ceil((high - low - shared) / (2.0 * reach - shared)), 1).astype(int)
        across, down = (
            np.linspace(start + half, end - half, count) if count > 1 else np.array([(start + end) / 2.0])
            for start, end, half, count in zip(low, high, reach, counts, strict=True)
        )
        places = sorted(((x, y) for y in down for x in across), key=lambda place: (abs(place[1]), abs(place[0])))
        return tuple(self._view(look_along(np.array([x, y, 1.0])), reach, zoom) for x, y in places)

    @cached_property
    def _corners(self) -> NDArray[np.float64]:
        """The corners of what the full view shows of the image, (4, 3), on the plane z = 1."""
        return self.full.view_rays(_corners(self.full.source_box()))

    @property
    def _largest_zoom(self) -> float:
        """Largest zoom that the model has learned, with at most `FINEST` pixels per pixel of the source image."""
        if not self.spec.zooms:
            return 1.0
        return min(self.spec.zoom[1], max(FINEST * self.full.source.focal_px / self.spec.focal_px, 1.0))

    def _zoom(self, depth: float, reach: NDArray[np.float64]) -> float:
        """Return the zoom with which somebody seems to be at `READ_AT_M`, and the whole reach is in the largest view.

        Args:
            depth: z of the root in the frame of the view, metres.
            reach: Half width and half height that the view must show on the plane z = 1.
        """
        spec = self.spec
        needed = 2.0 * spec.focal_px * reach
        limit = np.array(spec.max_image_size) // spec.image_multiple * spec.image_multiple
        fitting = min((limit / needed).min(), np.sqrt(spec.max_pixels / needed.prod()))
        return float(max(min(depth / READ_AT_M, fitting, self._largest_zoom), 1.0))

    def _view(self, rotation: NDArray[np.float64], reach: NDArray[np.float64], zoom: float) -> CanonicalView:
        spec, full, focal_px = self.spec, self.full, self.spec.focal_px * zoom
        min_size = np.minimum(MIN_TOKENS_PER_SIDE * spec.image_multiple, [full.width, full.height])
        width, height = size_within(
            np.maximum(2.0 * focal_px * reach, min_size),
            max_size=spec.max_image_size,
            min_pixels=spec.min_pixels,
            max_pixels=spec.max_pixels,
            multiple=spec.image_multiple,
        )
        return CanonicalView(full.source, focal_px, width, height, rotation)

    def _required_box(
        self, points: NDArray[np.float64], rotation: NDArray[np.float64], fraction: float = 1.0
    ) -> NDArray[np.float64]:
        """Return the box around points with a fraction of their margin, clipped to the full view.

        Returns:
            (2, 2), left and top, right and bottom on the plane z = 1 of the turned frame.
        """
        low, high = extent(
            points @ rotation.T, fraction * (MARGIN_M if len(points) >= FEW_JOINTS else FEW_JOINTS_MARGIN_M)
        )
        shown_low, shown_high = extent(self._corners @ rotation.T, 0.0)
        return np.array([np.maximum(low, shown_low), np.minimum(high, shown_high)])


def extent(points: NDArray[np.float64], margin_m: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the box around projected points with a margin.

    Args:
        points: (N, 3) metres, in a frame with z forward.
        margin_m: Margin around every point, metres.

    Returns:
        (left, top) and (right, bottom) on the plane z = 1, (2,) each.
    """
    depth = np.maximum(points[:, 2:], _MIN_DEPTH)
    return ((points[:, :2] - margin_m) / depth).min(axis=0), ((points[:, :2] + margin_m) / depth).max(axis=0)


def _corners(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the four corners (4, 2) of a box (2, 2), which has the rows (left, top) and (right, bottom)."""
    (left, top), (right, bottom) = box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def look_along(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotation that turns a camera to look along a direction without rolling.

    Args:
        direction: (3,) in the camera's optical frame, of any length.

    Returns:
        (3, 3), from the camera's frame to the view's.
    """
    z = direction / np.linalg.norm(direction)
    x = np.array([z[2], 0.0, -z[0]]) / np.hypot(z[0], z[2])
    return np.array([x, np.cross(z, x), z])
