"""The view that follows the person: turned toward them and no larger than they need.

The time to an answer grows with the number of visual tokens, and TAIHRI (arXiv 2604.08921) may be shown any size at
its one focal length. So once a person has been found, a virtual camera at the same optical centre looks at them. Its
focal length is the canonical one and its principal point its centre, as the model learned it, and `points_to_camera`
undoes its turn exactly: a smaller view loses surroundings, not metres.
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
"""Never; whenever it saves a visual token; when it saves at least a third of them and the model knows such views."""

MARGIN_M = 0.5
"""How far around every located joint a new view reaches, metres."""

FEW_JOINTS = 6
FEW_JOINTS_MARGIN_M = 0.9
"""The same around fewer joints than that: how far away a wrist is is told by the body, which is about an arm away."""

KEPT_MARGIN = 0.5
"""A view is kept as long as it reaches this part of the margin around every joint."""

LOST_MARGIN = 0.25
"""What is found nearer to the view's edge than this part of the margin may be cut off by it: all is looked at again."""

KEPT_SIZE = 1.5
"""A view is kept as long as it has at most this many times the visual tokens that a new one would have."""

LEAST_TOKENS_A_SIDE = 4
"""No view is narrower or lower than so many visual tokens, unless the full view is: taihri-nano learned with three."""

_MOST_TOKENS: dict[PersonCropMode, float] = {"never": 0.0, "always": 1.0 - 1e-9, "auto": 2 / 3}
"""A view is shown instead of the full one if it has at most this part of its visual tokens."""

_VIEWS_KEPT = 4
_FULL_KEPT_NS = 500_000_000
"""So long the full view is kept where nothing smaller would do, before that is computed again: nanoseconds."""

_AIMING_STEPS = 2
_NEAREST = 1e-3
_DEPTH_TO_SPARE = 0.1
"""How far behind all joints the depth bins of a turned view must reach, metres."""


def full_view(camera: Camera, spec: ModelSpec) -> CanonicalView:
    """Make the view that shows as much of the camera's image as the model may be shown.

    Args:
        camera: The source camera.
        spec: The model's numbers.

    Returns:
        The view.

    Raises:
        CameraError: There is none within the model's limits.
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
    """Chooses the view of every frame by what was found in the one before. Used from one thread at a time.

    The full view is shown first, after an error, when no joint was found or one near the view's edge, and every
    `refresh_s`, so that nobody is followed who is not there. A view is kept until the person leaves its inner part or
    needs much less of it, and the last few are kept at hand: a person who sways between two of them costs nothing.
    """

    def __init__(self, mode: PersonCropMode, *, refresh_s: float = 1.0) -> None:
        """Create a fovea that has seen nothing.

        Args:
            mode: When to show less than the full view.
            refresh_s: Longest time between two full views, seconds.

        Raises:
            TaihriError: A setting is out of its range.
        """
        if mode not in _MOST_TOKENS:
            raise TaihriError(f"the fovea's mode must be never, always or auto, not {mode!r}")
        if not refresh_s > 0.0:
            raise TaihriError(f"the fovea's refresh_s must be positive, not {refresh_s:g} s")
        self._mode: PersonCropMode = mode
        self._refresh_ns = refresh_s * 1e9
        self._full: CanonicalView | None = None
        self._spec: ModelSpec | None = None
        self._joints: tuple[str, ...] = ()
        self._recent: deque[CanonicalView] = deque(maxlen=_VIEWS_KEPT)
        self.reset()

    def reset(self) -> None:
        """Forget where the person was: the next view is the full one."""
        self._person: NDArray[np.float64] | None = None
        self._full_seen_ns = 0
        self._full_until_ns = 0

    def view(self, camera: Camera, spec: ModelSpec, joints: tuple[str, ...], stamp_ns: int) -> CanonicalView:
        """Choose the view for a frame.

        Args:
            camera: The camera that took it.
            spec: The model's numbers.
            joints: The joints that are asked for; another question starts from the full view.
            stamp_ns: The frame's stamp, nanoseconds.

        Returns:
            The view; mostly the same object as for the frame before.

        Raises:
            CameraError: No view of the camera suits the model.
        """
        if self._full is None or self._full.source != camera or self._spec != spec:
            self._full, self._spec = full_view(camera, spec), spec
            self._shown = self._full.view_rays(_corners(self._full.source_box()))
            self._recent.clear()
            self.reset()
        if joints != self._joints:
            self._joints = joints
            self.reset()
        if (
            self._most_tokens(spec) == 0.0
            or self._person is None
            or not 0 <= stamp_ns - self._full_seen_ns < self._refresh_ns
        ):
            return self._full
        if 0 < self._full_until_ns - stamp_ns <= _FULL_KEPT_NS:
            return self._full
        view = self._toward(self._person, self._full, spec)
        if view is self._full:
            self._full_until_ns = stamp_ns + _FULL_KEPT_NS
        return view

    def learn(self, estimate: Estimate | None, view: CanonicalView, stamp_ns: int) -> None:
        """Take note of what was found.

        Args:
            estimate: What was found; None for an error.
            view: The view that it was found in.
            stamp_ns: The frame's stamp, nanoseconds.
        """
        self._person = None
        known = view is self._full or view in self._recent
        if estimate is None or self._spec is None or not known:
            return
        found = [keypoint.position for keypoint in estimate.person.keypoints if keypoint.state is State.MEASURED]
        if not found:
            return
        points = np.array(found)
        if view is self._full:
            self._full_seen_ns = stamp_ns
        elif not self._holds(view, points, LOST_MARGIN, self._spec.space):
            return
        self._person = points

    def _most_tokens(self, spec: ModelSpec) -> float:
        """Give the part of the full view's visual tokens that another view may have."""
        return 0.0 if self._mode == "auto" and not spec.person_crops else _MOST_TOKENS[self._mode]

    def _toward(self, points: NDArray[np.float64], full: CanonicalView, spec: ModelSpec) -> CanonicalView:
        """Give a view of N points, (N, 3) metres in the camera's frame: the last one or a recent one where it will do.

        A new one costs nothing until it is drawn.
        """
        aim = self._aim(points)
        if aim is None:
            return full
        rotation, reach = aim
        least = np.minimum(LEAST_TOKENS_A_SIDE * spec.image_multiple, [full.width, full.height])
        width, height = size_within(
            np.maximum(2.0 * spec.focal_px * reach, least),
            max_size=spec.max_image_size,
            min_pixels=spec.min_pixels,
            max_pixels=spec.max_pixels,
            multiple=spec.image_multiple,
        )
        most_pixels = min(self._most_tokens(spec) * full.width * full.height, KEPT_SIZE * width * height)
        new = CanonicalView(full.source, spec.focal_px, width, height, rotation)
        for view in (*self._recent, new):
            pixels = view.width * view.height
            if pixels <= most_pixels and self._holds(view, points, KEPT_MARGIN, spec.space):
                if view in self._recent:
                    self._recent.remove(view)
                self._recent.appendleft(view)
                return view
        return full

    def _aim(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Find the direction in which points with their margin are in the middle of the view.

        Returns:
            The rotation from the camera's frame to the view's, (3, 3), and how far the view must reach to either side
            of its centre, (2,), on the plane z = 1; None where nothing of it is in the full view.
        """
        ahead = np.column_stack([points[:, :2], np.maximum(points[:, 2], _NEAREST)])
        direction = (ahead / np.linalg.norm(ahead, axis=1, keepdims=True)).sum(axis=0)
        for _ in range(_AIMING_STEPS):
            rotation = look_along(direction)
            low, high = self._needed(points, rotation)
            if not (low < high).all():
                return None
            direction = rotation.T @ [*(low + high) / 2, 1.0]
        rotation = look_along(direction)
        return rotation, np.abs(self._needed(points, rotation)).max(axis=0)

    def _needed(
        self, points: NDArray[np.float64], rotation: NDArray[np.float64], part: float = 1.0
    ) -> NDArray[np.float64]:
        """Span a box around points with a part of their margin, as far as the full view shows it.

        Returns:
            (2, 2), left and top, right and bottom on the plane z = 1 of the turned frame.
        """
        low, high = extent(points @ rotation.T, part * (MARGIN_M if len(points) >= FEW_JOINTS else FEW_JOINTS_MARGIN_M))
        shown_low, shown_high = extent(self._shown @ rotation.T, 0.0)
        return np.array([np.maximum(low, shown_low), np.minimum(high, shown_high)])

    def _holds(self, view: CanonicalView, points: NDArray[np.float64], part: float, space: InteractionSpace) -> bool:
        """Tell whether a view shows points, (N, 3) metres in the camera's frame, with a part of their margin.

        And whether the model's bins reach as far: depth is measured along the view's own direction.
        """
        needed = self._needed(points, view.R_view_from_camera, part)
        reach = np.array([view.width, view.height]) / (2.0 * view.focal_px)
        in_range = space.contains(view.points_to_view(points) + np.array([0.0, 0.0, _DEPTH_TO_SPARE]))
        return bool((np.abs(needed) <= reach).all() and in_range.all())


def extent(points: NDArray[np.float64], margin_m: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Span a box around what is seen of points and a margin around each, on the plane z = 1: two corners, (2,)."""
    depth = np.maximum(points[:, 2:], _NEAREST)
    return ((points[:, :2] - margin_m) / depth).min(axis=0), ((points[:, :2] + margin_m) / depth).max(axis=0)


def _corners(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the four corners, (4, 2), of a box (2, 2)."""
    (left, top), (right, bottom) = box
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def look_along(direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn the camera to look along a direction, (3,) in its optical frame, without rolling: what is level stays level.

    Returns:
        (3, 3), from the camera's frame to the view's.
    """
    z = direction / np.linalg.norm(direction)
    x = np.array([z[2], 0.0, -z[0]]) / np.hypot(z[0], z[2])
    return np.array([x, np.cross(z, x), z])
