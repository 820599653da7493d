"""Counters of received, published and dropped frames, and the duration of each processing stage."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from time import monotonic

import numpy as np

_WINDOW = 300
"""Number of results over which the stage times are summarized."""

_GAPS = 30
"""Number of frames over which their period is taken."""


class Drop(str, Enum):
    """Reason why a frame was dropped."""

    NO_COMMAND = "no_command"
    NO_CAMERA_INFO = "no_camera_info"
    NEWER_FRAME = "newer_frame"
    STALE_FRAME = "stale_frame"
    BAD_IMAGE = "bad_image"
    BAD_CAMERA_INFO = "bad_camera_info"
    COMMAND_CHANGED = "command_changed"
    LOCALIZE_TIMEOUT = "localize_timeout"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    ENGINE_ERROR = "engine_error"
    MALFORMED_ANSWER = "malformed_answer"
    NOT_PUBLISHED = "not_published"
    STOPPED = "stopped"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True)
class Snapshot:
    """The values of the counters at one moment.

    Attributes:
        frames_in: Frames received.
        published: Frames whose result was published, or returned to a `localize` call.
        dropped: Frames dropped, by reason.
        pending: Frames that wait or are in flight: frames_in = published + sum of dropped + pending.
        stages_ms: (median, 95th percentile) by stage over the last 300 results, in milliseconds.
        success_age_s: Seconds since the last result, None before the first.
        usual_s: Seconds within which the next result usually follows the last one: the median period of the frames and
            the 99th percentile of the time from a frame to its result; None before the first result.
    """

    frames_in: int
    published: int
    dropped: dict[str, int]
    pending: int
    stages_ms: dict[str, tuple[float, float]]
    success_age_s: float | None
    usual_s: float | None = None


class Counters:
    """Thread-safe counters of frames and stage times."""

    def __init__(self) -> None:
        """Start all counters at zero."""
        self._lock = Lock()
        self._in = 0
        self._published = 0
        self._dropped: Counter[Drop] = Counter()
        self._stages: dict[str, deque[float]] = {}
        self._last_success: float | None = None
        self._last_frame: float | None = None
        self._gaps: deque[float] = deque(maxlen=_GAPS)

    def count_received(self) -> None:
        """Count a received frame."""
        now = monotonic()
        with self._lock:
            self._in += 1
            if self._last_frame is not None:
                self._gaps.append(now - self._last_frame)
            self._last_frame = now

    def count_dropped(self, reason: Drop) -> None:
        """Count a dropped frame under its reason."""
        with self._lock:
            self._dropped[reason] += 1

    def count_published(self, stages_ms: dict[str, float]) -> None:
        """Count a frame whose result was published, and record its stage times.

        Args:
            stages_ms: Duration of each stage by name, milliseconds.
        """
        with self._lock:
            self._published += 1
            self._last_success = monotonic()
            for stage, duration in stages_ms.items():
                self._stages.setdefault(stage, deque(maxlen=_WINDOW)).append(duration)

    @property
    def success_age_s(self) -> float | None:
        """Seconds since the last result, None before the first."""
        last = self._last_success
        return None if last is None else monotonic() - last

    def snapshot(self) -> Snapshot:
        """Return a consistent snapshot of all counters."""
        with self._lock:
            dropped = {reason.value: count for reason, count in sorted(self._dropped.items())}
            stages = {stage: np.array(times) for stage, times in self._stages.items()}
            frames_in, published = self._in, self._published
            gaps = list(self._gaps)
        total = stages.get("total")
        return Snapshot(
            frames_in=frames_in,
            published=published,
            dropped=dropped,
            pending=frames_in - published - sum(dropped.values()),
            stages_ms={
                stage: (float(np.median(times)), float(np.percentile(times, 95))) for stage, times in stages.items()
            },
            success_age_s=self.success_age_s,
            usual_s=None if total is None else float(np.percentile(total, 99) / 1e3 + np.median(gaps or [0.0])),
        )
