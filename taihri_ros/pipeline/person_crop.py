"""Chooses the person crop: a view that is turned toward the person and only as large as needed.

The time to an answer grows with the number of visual tokens, and TAIHRI (arXiv 2604.08921) accepts views of any size at
its canonical focal length. Once a person has been found, a virtual camera at the same optical centre is turned toward
them. It has the canonical focal length and its principal point at its centre, as in training. `points_to_camera`
inverts the rotation exactly, so a smaller view shows less of the surroundings, but metric accuracy is unchanged.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.view_size import size_within
from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import State
from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.estimate import Estimate

PersonCropMode = Literal["never", "always", "auto"]
"""When to crop: `never`; `always`, whenever it saves a visual token; `auto`, when it saves at least a third of them and
the model was trained on person crops."""

MARGIN_M = 0.5
"""Margin of a new view around every located joint, metres."""

FEW_JOINTS = 6
FEW_JOINTS_MARGIN_M = 0.9
"""Margin if fewer joints than `FEW_JOINTS` are located, metres. It is about an arm's length, since the model needs the
body in view to estimate the depth of, for example, a wrist."""

KEEP_MARGIN = 0.5
"""A view is kept as long as it leaves this fraction of the margin around every joint."""

LOST_MARGIN = 0.25
"""A joint closer to the view's edge than this fraction of the margin may be cut off: the next view is the full one."""

KEEP_SIZE = 1.5
"""A view is kept as long as it has at most this many times the visual tokens of a new one."""

MIN_TOKENS_PER_SIDE = 4
"""Smallest width and height of a crop, visual tokens, unless the full view is smaller. The smallest crops on which
taihri-nano was trained had three."""

_MAX_TOKEN_FRACTION: dict[PersonCropMode, float] = {"never": 0.0, "always": 1.0 - 1e-9, "auto": 2 / 3}
"""A crop replaces the full view if it has at most this fraction of its visual tokens."""

_RECENT_VIEWS = 4
"""Number of recent views that may be used again."""

_FULL_VIEW_NS = 500_000_000
"""How long the full view is kept when no crop is small enough, before crops are tried again, nanoseconds."""

_CENTERING_STEPS = 2
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


class PersonCrop:
    """A selector of the view of each frame, from the joints found in the frame before. Not thread-safe.

    The full view is used for the first frame, after an error, when no joint was found, when one was found near the
    view's edge or out of a view although the full view shows it, and every `refresh_s`, so that a false detection does
    not persist. A view is kept until the person leaves its inner part, or until a much smaller view is sufficient. The
    last few views are used again, so that a person who sways between two of them causes no new views.

    Example:
        >>> from taihri_ros.camera.camera import Camera
        >>> from taihri_ros.camera.distortion import DistortionModel
        >>> from taihri_ros.commands.command import joint_command
        >>> from taihri_ros.keypoints import Keypoint, Person
        >>> camera = Camera(640, 480, [[500, 0, 320], [0, 500, 240], [0, 0, 1]], [], DistortionModel.NONE)
        >>> spec, joints = ModelSpec(), ("head",)
        >>> head = Keypoint("head", State.MEASURED, position=np.array([0.2, -0.3, 3.0]))
        >>> estimate = Estimate(joint_command(joints), Person((head,), None), "", {}, spec.name)
        >>> person_crop = PersonCrop("always")
        >>> full = person_crop.view(camera, spec, joints, stamp_ns=0)
        >>> person_crop.update(estimate, full, stamp_ns=0)
        >>> crop = person_crop.view(camera, spec, joints, stamp_ns=100_000_000)
        >>> crop.width * crop.height < full.width * full.height
        True
    """

    def __init__(self, mode: PersonCropMode, *, refresh_s: float = 1.0) -> None:
        """Create a person crop that starts with the full view.

        Args:
            mode: When to show a crop instead of the full view.
            refresh_s: Longest time between two full views, seconds.

        Raises:
            TaihriError: A setting is out of range.
        """
        if mode not in _MAX_TOKEN_FRACTION:
            raise TaihriError(f"person_crop.mode must be never, always or auto, not {mode!r}")
        if not refresh_s > 0.0:
            raise TaihriError(f"person_crop.refresh_s must be positive, not {refresh_s:g} s")
        self._mode: PersonCropMode = mode
        self._refresh_ns = refresh_s * 1e9
        self._full: CanonicalView | None = None
        self._spec: ModelSpec | None = None
        self._joints: tuple[str, ...] = ()
        self._unseen: set[str] = set()
        self._recent: deque[CanonicalView] = deque(maxlen=_RECENT_VIEWS)
        self.reset()

    def reset(self) -> None:
        """Discard the person's position: the next view is the full one."""
        self._person: NDArray[np.float64] | None = None
        self._full_seen_ns = 0
        self._full_until_ns = 0

    def view(self, camera: Camera, spec: ModelSpec, joints: tuple[str, ...], stamp_ns: int) -> CanonicalView:
        """Return the view for a frame.

        Args:
            camera: The camera that took the frame.
            spec: The checkpoint's specification.
            joints: The requested joints; when they change, the full view is used.
            stamp_ns: Time stamp of the frame, nanoseconds.

        Returns:
            The view; usually the same object as for the frame before.

        Raises:
            CameraError: The model accepts no view of the camera.
        """
        if self._full is None or self._full.source != camera or self._spec != spec:
            self._full, self._spec = full_view(camera, spec), spec
            self._full_corners = self._full.view_rays(_corners(self._full.source_box()))
            self._recent.clear()
            self.reset()
        if joints != self._joints:
            self._joints = joints
            self.reset()
        if (
            self._max_token_fraction(spec) == 0.0
            or self._person is None
            or not 0 <= stamp_ns - self._full_seen_ns < self._refresh_ns
        ):
            return self._full
        if 0 < self._full_until_ns - stamp_ns <= _FULL_VIEW_NS:
            return self._full
        view = self._crop_around(self._person, self._full, spec)
        if view is self._full:
            self._full_until_ns = stamp_ns + _FULL_VIEW_NS
        return view

    def update(self, estimate: Estimate | None, view: CanonicalView, stamp_ns: int) -> None:
        """Update the person's position with the result of a frame.

        Args:
            estimate: The estimate; None after an error.
            view: The view from which it was made.
            stamp_ns: Time stamp of the frame, nanoseconds.
        """
        self._person = None
        known = view is self._full or view in self._recent
        if estimate is None or self._spec is None or not known:
            return
        found = [joint.position for joint in estimate.person.located if joint.state is not State.PREDICTED]
        if not found:
            return
        points = np.array(found)
        unseen = {joint.name for joint in estimate.person.keypoints if joint.state is State.OUT_OF_VIEW}
        if view is self._full:
            self._full_seen_ns, self._unseen = stamp_ns, unseen
        elif unseen - self._unseen or not self._contains(view, points, LOST_MARGIN, self._spec.space):
            return
        self._person = points

    def _max_token_fraction(self, spec: ModelSpec) -> float:
        """Return the fraction of the full view's visual tokens that a crop may have."""
        return 0.0 if self._mode == "auto" and not spec.person_crops else _MAX_TOKEN_FRACTION[self._mode]

    def _crop_around(self, points: NDArray[np.float64], full: CanonicalView, spec: ModelSpec) -> CanonicalView:
        """Return a view of points, (N, 3) metres in the camera's frame: a recent one if possible, or else a new one.

        The full view is returned if no crop is suitable. A new view is cheap: its remap is computed when it renders.
        """
        centered = self._center(points)
        if centered is None:
            return full
        rotation, reach = centered
        min_size = np.minimum(MIN_TOKENS_PER_SIDE * spec.image_multiple, [full.width, full.height])
        width, height = size_within(
            np.maximum(2.0 * spec.focal_px * reach, min_size),
            max_size=spec.max_image_size,
            min_pixels=spec.min_pixels,
            max_pixels=spec.max_pixels,
            multiple=spec.image_multiple,
        )
        max_pixels_kept = min(self._max_token_fraction(spec) * full.width * full.height, KEEP_SIZE * width * height)
        new = CanonicalView(full.source, spec.focal_px, width, height, rotation)
        for view in (*self._recent, new):
            pixels = view.width * view.height
            if pixels <= max_pixels_kept and self._contains(view, points, KEEP_MARGIN, spec.space):
                if view in self._recent:
                    self._recent.remove(view)
                self._recent.appendleft(view)
                return view
        return full

    def _center(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the view direction that centres points with their margin.

        Returns:
            The rotation from the camera's frame to the view's, (3, 3), and the half width and half height of the view
            on the plane z = 1, (2,); None if the points with their margin lie outside the full view.
        """
        ahead = np.column_stack([points[:, :2], np.maximum(points[:, 2], _MIN_DEPTH)])
        direction = (ahead / np.linalg.norm(ahead, axis=1, keepdims=True)).sum(axis=0)
        for _ in range(_CENTERING_STEPS):
            rotation = look_along(direction)
            low, high = self._required_box(points, rotation)
            if not (low < high).all():
                return None
            direction = rotation.T @ [*(low + high) / 2, 1.0]
        rotation = look_along(direction)
        return rotation, np.abs(self._required_box(points, rotation)).max(axis=0)

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
        shown_low, shown_high = extent(self._full_corners @ rotation.T, 0.0)
        return np.array([np.maximum(low, shown_low), np.minimum(high, shown_high)])

    def _contains(
        self, view: CanonicalView, points: NDArray[np.float64], fraction: float, space: InteractionSpace
    ) -> bool:
        """Check that a view shows points, (N, 3) metres in the camera's frame, with a fraction of their margin.

        The points must also be in the range of the model's bins, whose depth is along the view's own axis.
        """
        required = self._required_box(points, view.R_view_from_camera, fraction)
        reach = np.array([view.width, view.height]) / (2.0 * view.focal_px)
        in_range = space.contains(view.points_to_view(points) + np.array([0.0, 0.0, _DEPTH_RESERVE]))
        return bool((np.abs(required) <= reach).all() and in_range.all())


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
