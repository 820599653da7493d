"""Chooses the person crop of each frame: a view that is turned toward the person, only as large as needed, and zoomed.

The time to an answer grows with the number of visual tokens, and TAIHRI (arXiv 2604.08921) accepts views of any size at
its canonical focal length. Once a person has been found, a smaller view shows less of the surroundings, and metric
accuracy is unchanged. A checkpoint that has learned zoomed views is shown somebody far away as if they stood near,
which is more accurate (`person_views.py`).
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import State
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.person_views import ZOOM_STEP, Located, PersonViews

PersonCropMode = Literal["never", "always", "auto"]
"""When to crop: `never`; `always`, whenever it saves a visual token; `auto`, when it saves at least a third of them and
the model was trained on person crops. Both crop to zoom, where the model was trained for it."""

KEEP_MARGIN = 0.5
"""A view is kept as long as it leaves this fraction of the margin around every joint."""

LOST_MARGIN = 0.25
"""A joint closer to the view's edge than this fraction of the margin may be cut off: the next view is the full one."""

KEEP_SIZE = 1.5
"""A view is kept as long as it has at most this many times the visual tokens of a new one."""

_MAX_TOKEN_FRACTION: dict[PersonCropMode, float] = {"never": 0.0, "always": 1.0 - 1e-9, "auto": 2 / 3}
"""A crop that does not zoom replaces the full view if it has at most this fraction of its visual tokens."""

_RECENT_VIEWS = 4
"""Number of recent views that may be used again."""

_FULL_VIEW_NS = 500_000_000
"""How long the full view is kept when no crop is small enough, before crops are tried again, nanoseconds."""

_SECOND_VIEW_NS = 1_000_000_000
"""Shortest time between two frames with a second view, nanoseconds."""


class PersonCrop:
    """A selector of the views of each frame, from the joints found in the frame before. Not thread-safe.

    The full view is used for the first frame, after an error, when no joint was found, when one was found near the
    view's edge or out of a view although the full view shows it, and every `refresh_s`, so that a false detection does
    not persist. A view is kept until the person leaves its inner part, or until a much smaller view or another zoom is
    better. The last few views are used again, so that a person who sways between two of them causes no new views.

    In the full view, a model that needs zoomed views may not find somebody who is far away. So a frame that is shown in
    full may be shown in a second view, too, at most once a second (`second_view`):

    - Somebody was found in the full view: their zoomed crop, so that a frame in full is not less accurate than others.
    - Nobody was found, but the frames before had a zoomed crop: that crop. The person is usually still there.
    - Nobody was found, and nobody is known: one view of a coarse grid of zoomed views (`PersonViews.search`), the
      middle first, then the others in rotation. The first view in which the model believes somebody leads to the crop.
      The grid starts anew with another command, model or camera.

    What the model does not believe is neither published nor followed, in every view.

    Example:
        >>> import numpy as np
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
            refresh_s: Longest time between two full views, seconds; at least 1 s for a model that zooms.

        Raises:
            TaihriError: A setting is out of range.
        """
        if mode not in _MAX_TOKEN_FRACTION:
            raise TaihriError(f"person_crop.mode must be never, always or auto, not {mode!r}")
        if not refresh_s > 0.0:
            raise TaihriError(f"person_crop.refresh_s must be positive, not {refresh_s:g} s")
        self._mode: PersonCropMode = mode
        self._refresh_ns = refresh_s * 1e9
        self._views: PersonViews | None = None
        self._joints: tuple[str, ...] = ()
        self._unseen: set[str] = set()
        self._recent: deque[CanonicalView] = deque(maxlen=_RECENT_VIEWS)
        self._second_ns: int | None = None
        self.reset()

    def reset(self) -> None:
        """Discard the person's position: the next view is the full one."""
        self._person: Located | None = None
        self._zoomed: CanonicalView | None = None
        self._searched = 0
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
        if self._views is None or not self._views.suit(camera, spec):
            self._views = PersonViews(camera, spec)
            self._recent.clear()
            self.reset()
        if joints != self._joints:
            self._joints = joints
            self.reset()
        full, refresh_ns = self._views.full, max(self._refresh_ns, _SECOND_VIEW_NS if spec.zooms else 0.0)
        if self._person is None or not 0 <= stamp_ns - self._full_seen_ns < refresh_ns:
            return full
        if 0 < self._full_until_ns - stamp_ns <= _FULL_VIEW_NS:
            return full
        view = self._crop_around(self._person, self._views)
        if view is full:
            self._full_until_ns = stamp_ns + _FULL_VIEW_NS
        return view

    def second_view(self, view: CanonicalView, stamp_ns: int) -> CanonicalView | None:
        """Return another view in which the model must look at a frame; call it after `update`.

        Args:
            view: The view from `view`.
            stamp_ns: Time stamp of the frame, nanoseconds.

        Returns:
            The view; None, as for most frames, if one view is enough.
        """
        views = self._views
        if views is None or view is not views.full or self._mode == "never" or not views.search:
            return None
        if self._second_ns is not None and abs(stamp_ns - self._second_ns) < _SECOND_VIEW_NS:
            return None
        if self._person is not None:
            second = self._crop_around(self._person, views)
            if views.zoom(second) == 1.0:
                return None
        elif self._zoomed is not None:
            second, self._zoomed = self._zoomed, None
        else:
            second = views.search[self._searched % len(views.search)]
            self._searched += 1
        self._second_ns = stamp_ns
        return second

    def update(self, estimate: Estimate | None, view: CanonicalView, stamp_ns: int) -> None:
        """Update the person's position with the result of a frame.

        Args:
            estimate: The estimate; None after an error.
            view: The view from which it was made.
            stamp_ns: Time stamp of the frame, nanoseconds.
        """
        before, self._person = self._person, None
        views = self._views
        if views is None or not (view is views.full or view in self._recent or view in views.search):
            return
        if view is views.full:
            self._full_seen_ns = stamp_ns
        found = None if estimate is None else Located.of(estimate.person)
        if estimate is None or found is None:
            return
        unseen = {joint.name for joint in estimate.person.keypoints if joint.state is State.OUT_OF_VIEW}
        if view not in self._recent:
            self._unseen = unseen
            if before is not None and self._zoomed is not None and views.shows(self._zoomed, found, 0.0):
                found = before  # the zoomed crop is more accurate, and the full view agrees with it
        elif unseen - self._unseen or not views.contains(view, found, LOST_MARGIN):
            return
        elif views.zoom(view) != 1.0:
            self._zoomed = view
        self._person = found

    def _crop_around(self, found: Located, views: PersonViews) -> CanonicalView:
        """Return a view of a person: a recent one if possible, or else a new one.

        The full view is returned if no crop is suitable. A new view is cheap: its remap is computed when it renders.
        """
        aim = views.aim(found)
        if aim is None:
            return views.full
        new = views.aimed(aim)
        for view in (*self._recent, new):
            ratio = max(views.zoom(view) / aim.zoom, aim.zoom / views.zoom(view))
            if (
                (view is new or ratio < ZOOM_STEP)
                and view.width * view.height <= KEEP_SIZE * new.width * new.height
                and self._may_replace(view, views)
                and views.contains(view, found, KEEP_MARGIN)
            ):
                if view in self._recent:
                    self._recent.remove(view)
                self._recent.appendleft(view)
                return view
        return views.full

    def _may_replace(self, view: CanonicalView, views: PersonViews) -> bool:
        """Check that a crop zooms or saves enough visual tokens to be used instead of the full view."""
        if self._mode == "never":
            return False
        if views.zoom(view) != 1.0:
            return True
        if self._mode == "auto" and not views.spec.person_crops:
            return False
        full = views.full
        return view.width * view.height <= _MAX_TOKEN_FRACTION[self._mode] * full.width * full.height
