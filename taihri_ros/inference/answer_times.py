"""How long an engine may take, from what it has taken so far: beyond that it hangs."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from threading import Lock

import numpy as np

from taihri_ros.inference.engine import GenerationRequest

HANG_S = 2.0
"""An engine is never taken for hung within this time, in s."""

_MARGIN = 2.0
"""How many times the 99th percentile of its times an engine may take."""

_ENOUGH = 20
"""Number of times from which the 99th percentile is taken; before it nothing is known about what is usual."""

_WINDOW = 200
"""Number of recent times that are kept of each kind of work."""

_KINDS_KEPT = 64


class AnswerTimes:
    """The recent times of one engine, by the kind of work. It may be used from several threads."""

    def __init__(self) -> None:
        """Start without any time."""
        self._lock = Lock()
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def add(self, kind: Hashable, time_s: float) -> None:
        """Add how long the engine has taken for work of a kind, in s; aborted and failed work does not count."""
        with self._lock:
            self._times.setdefault(kind, deque(maxlen=_WINDOW)).append(time_s)
            self._times.move_to_end(kind)
            if len(self._times) > _KINDS_KEPT:
                self._times.popitem(last=False)

    def usual_s(self, kind: Hashable) -> float | None:
        """Return the 99th percentile of the times of a kind, in s; None while there are fewer than 20 of them."""
        with self._lock:
            times = list(self._times.get(kind, ()))
        return float(np.percentile(times, 99)) if len(times) >= _ENOUGH else None

    def limit_s(self, kind: Hashable, unknown_s: float) -> float:
        """Return the time after which work of a kind counts as hung, in s.

        Args:
            kind: Kind of the work.
            unknown_s: The limit while it is not known what is usual, in s.

        Returns:
            The larger of `HANG_S` and twice the 99th percentile.
        """
        usual = self.usual_s(kind)
        return unknown_s if usual is None else max(HANG_S, _MARGIN * usual)


def kind_of(request: GenerationRequest) -> Hashable:
    """Return what the time of a request depends on: its questions, their number, and about how large the image is."""
    height, width, _ = request.image.shape
    return (
        tuple(question.prompt for question in request.questions),
        (height * width).bit_length(),
        request.max_tokens,
    )
