"""The camera calibrations received last, from which each image gets the one that belongs to its stamp and size."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from threading import Condition
from time import monotonic

import numpy as np

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, CameraInfoLike, InfoFields, Region
from taihri_ros.pipeline.frames import is_same_frame

_KEPT = 100
"""Number of different calibrations that are kept; one that is received again and again counts once."""

_LONGEST_TEXT = 1000
"""Number of characters that are kept of a text in a CameraInfo; a longer one is a fault in any case."""

_MOST_COEFFICIENTS = 200
"""Number of coefficients that are kept; no lens model has so many, so that more are refused, too."""

_STREAM_S = 0.2
"""Longest time between two messages of a camera whose calibration changes from image to image, seconds."""

_WAIT_S = 0.02
"""Longest wait for the calibration of an image that overtook it, seconds; only while the calibration changes."""


class NoCameraInfoError(CameraError):
    """No CameraInfo was received."""


@dataclass(eq=False)
class _Calibration:
    """A calibration, and the stamps of the first and the last message that held it without another one between them."""

    content: tuple[object, ...]
    info: CameraInfoLike
    rectified: bool
    frame_id: str
    first_ns: int
    last_ns: int
    arrived: float
    repeated: bool = False
    _camera: Camera | str | None = None

    def camera(self) -> Camera:
        """Return the camera; raise `CameraError` if the message does not describe one. It is computed only once."""
        if self._camera is None:
            try:
                self._camera = Camera.from_info(self.info, rectified=self.rectified)
            except CameraError as error:
                self._camera = str(error)  # raising the same error again would extend its traceback every time
        if isinstance(self._camera, str):
            raise CameraError(self._camera)
        return self._camera


class Calibrations:
    """A thread-safe store of the last CameraInfos.

    An image gets the calibration with its own stamp. If there is none, it gets the one in force at its stamp, which is
    the newest that is not newer than the image. If that has another size, the next one is tried, because an image may
    overtake its CameraInfo. An older calibration is never used in place of the one in force: the camera may have
    changed its zoom or its video mode since then.

    A CameraInfo without a stamp (0) is in force from its arrival on. An image without a stamp gets the last one.

    Example:
        >>> from taihri_ros.camera.camera_info import InfoFields
        >>> calibrations = Calibrations()
        >>> for stamp_ns, focal in ((1_000, 500.0), (2_000, 700.0)):  # the camera zooms in
        ...     k = [focal, 0, 319.5, 0, focal, 239.5, 0, 0, 1]
        ...     calibrations.add(InfoFields(640, 480, "", [], k), stamp_ns, "camera")
        >>> float(calibrations.camera(1_500, "camera", 640, 480).K[0, 0])
        500.0
    """

    def __init__(self, *, rectified: bool = False, any_frame: bool = False) -> None:
        """Create an empty store.

        Args:
            rectified: Whether the images are rectified.
            any_frame: Whether a CameraInfo may have another frame_id than its image.
        """
        self._rectified = rectified
        self._any_frame = any_frame
        self._changed = Condition()
        self._known: deque[_Calibration] = deque(maxlen=_KEPT)
        self._newest_ns = 0

    def add(self, info: CameraInfoLike, stamp_ns: int = 0, frame_id: str = "") -> None:
        """Store a received CameraInfo. An invalid one is reported when an image needs it.

        Args:
            info: The sensor_msgs/CameraInfo.
            stamp_ns: Its stamp, nanoseconds; 0 for none.
            frame_id: Its frame_id; empty if unknown.
        """
        info, frame_id = _bounded(info), frame_id[:_LONGEST_TEXT]
        content = (_content(info), frame_id)
        with self._changed:
            now = monotonic()
            self._newest_ns = max(self._newest_ns, stamp_ns)
            position = stamp_ns or self._newest_ns + 1
            last = self._known[-1] if self._known else None
            if last is not None and last.content == content:
                last.first_ns, last.last_ns = min(last.first_ns, position), max(last.last_ns, position)
                last.arrived, last.repeated = now, True
            else:
                same = next((each for each in self._known if each.content == content), None)
                added = _Calibration(content, info, self._rectified, frame_id, position, position, now)
                if same is not None:
                    added._camera = same._camera
                self._known.append(added)
            self._changed.notify_all()

    @property
    def is_empty(self) -> bool:
        """Whether no CameraInfo was received."""
        return not self._known

    def check_known(self) -> None:
        """Check that any CameraInfo was received; raise `NoCameraInfoError` otherwise."""
        if self.is_empty:
            raise NoCameraInfoError("images arrive, but no camera_info: publish it or remap the topic camera_info")

    def note_image(self, stamp_ns: int) -> None:
        """Note the stamp of a received image, nanoseconds: a CameraInfo without a stamp is newer than it."""
        with self._changed:
            self._newest_ns = stamp_ns or self._newest_ns

    def camera(self, stamp_ns: int, frame_id: str, width: int, height: int) -> Camera:
        """Return the camera that took an image.

        While the calibration changes from image to image, this waits up to 20 ms for the one with the image's stamp.

        Args:
            stamp_ns: Stamp of the image, nanoseconds; 0 for none.
            frame_id: Its frame_id; empty if unknown.
            width: Its width, pixels.
            height: Its height, pixels.

        Returns:
            The camera.

        Raises:
            CameraError: No calibration belongs to the image, or the one that does is invalid.
            NoCameraInfoError: No calibration was received.
        """
        with self._changed:
            if stamp_ns and self._is_changing():
                self._changed.wait_for(lambda: _with_stamp(self._known, stamp_ns), _WAIT_S)
            candidates = _candidates(self._known, stamp_ns)
        self.check_known()
        of_frame = [each for each in candidates if self._any_frame or is_same_frame(each.frame_id, frame_id)]
        if not of_frame:
            raise CameraError(
                f"camera_info has the frame_id {candidates[0].frame_id!r}, but the image has {frame_id!r}: remap "
                "camera_info to the topic of the image's camera, or set camera_info_frame:=any if it is the same camera"
            )
        first = of_frame[0].camera()
        cameras = chain([first], (each.camera() for each in of_frame[1:]))
        camera = next((each for each in cameras if (each.width, each.height) == (width, height)), first)
        camera.check_image(width, height)
        return camera

    def _is_changing(self) -> bool:
        """Check whether the last two messages differed and arrived in short succession, just now."""
        if len(self._known) < 2 or self._known[-1].repeated:
            return False
        before, last = self._known[-2].arrived, self._known[-1].arrived
        return last - before < _STREAM_S and monotonic() - last < _STREAM_S


def _bounded(info: CameraInfoLike) -> CameraInfoLike:
    """Return a CameraInfo whose fields of any length are cut off where no valid one would be so long."""
    if np.size(info.d) <= _MOST_COEFFICIENTS and len(info.distortion_model) <= _LONGEST_TEXT:
        return info
    return InfoFields(
        info.width,
        info.height,
        info.distortion_model[:_LONGEST_TEXT],
        np.ravel(info.d)[:_MOST_COEFFICIENTS],
        info.k,
        info.p,
        info.binning_x,
        info.binning_y,
        Region(info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height),
        info.r,
    )


def _content(info: CameraInfoLike) -> tuple[object, ...]:
    """Return the values of a CameraInfo that a camera is made of, in a form that can be compared quickly."""
    roi = info.roi
    numbers = (info.width, info.height, info.binning_x, info.binning_y)
    region = (roi.x_offset, roi.y_offset, roi.width, roi.height)
    arrays = (np.asarray(values, np.float64).tobytes() for values in (info.d, info.k, info.r, info.p))
    return (*numbers, *region, info.distortion_model, *arrays)


def _with_stamp(known: Sequence[_Calibration], stamp_ns: int) -> list[_Calibration]:
    """Return the calibrations whose messages enclose a stamp, the closest and last received first."""
    found = [each for each in reversed(known) if each.first_ns <= stamp_ns <= each.last_ns]
    return sorted(found, key=lambda each: each.last_ns - each.first_ns)


def _candidates(known: Sequence[_Calibration], stamp_ns: int) -> list[_Calibration]:
    """Return the calibrations that can belong to an image: those with its stamp, or the one in force and the next."""
    if stamp_ns == 0:
        return list(known)[-1:]
    if found := _with_stamp(known, stamp_ns):
        return found
    received_last = list(reversed(known))
    older = [each for each in received_last if each.last_ns < stamp_ns]
    newer = [each for each in received_last if each.first_ns > stamp_ns]
    return [
        *([max(older, key=lambda each: each.last_ns)] if older else []),
        *([min(newer, key=lambda each: each.first_ns)] if newer else []),
    ]
