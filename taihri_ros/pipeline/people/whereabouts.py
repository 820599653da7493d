"""Chooses the views of a frame in which people are looked for: around those who are known, in boxes, and elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.pipeline.people.gaps import views_beside
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState
from taihri_ros.pipeline.people.turns import Turns
from taihri_ros.pipeline.person_views import Located, PersonViews

Array = NDArray[np.float64]

SEARCH_S = 1.0
"""Shortest time between two frames in which the model looks for people who are not known, seconds."""

_EXPECTED = 1.0
"""Largest distance of an expected pelvis from the middle of the person's box, as a share of its width."""

_LONGEST_S = 1.0
"""Longest time for which a person's velocity is extrapolated, seconds."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """The people whom a detector found.

    Attributes:
        boxes: (N, 4) left, top, right and bottom in the image, px, in the order in which they matter.
        of_image: Whether they are those of the image; otherwise they are older.
    """

    boxes: Array
    of_image: bool


@dataclass(frozen=True, eq=False)
class Look:
    """A view in which the model is asked about one person.

    Attributes:
        view: The view.
        box: (4,) the detected box that it shows, px; None without one.
    """

    view: CanonicalView
    box: Array | None = None


@dataclass(frozen=True, eq=False)
class Looks:
    """Where the model looks in a frame.

    Attributes:
        views: The views in which it is asked about one person each.
        unasked: The detected boxes of the people whose turn it is not, (4,) px.
    """

    views: tuple[Look, ...]
    unasked: tuple[Array, ...] = ()


class Whereabouts:
    """Where people were seen, and where to look next. Not thread-safe."""

    def __init__(self, most: int, keep_s: float, others_per_frame: Callable[[], int | None] = lambda: None) -> None:
        """Start without people.

        Args:
            most: Largest number of people to look at in a frame.
            keep_s: Time after which people who were not updated are not known any more, seconds.
            others_per_frame: Returns how many people beside the selected one to look at in a frame; None for all.
        """
        self._turns = Turns(others_per_frame)
        self._most, self._keep_s = most, keep_s
        self._people: list[TrackedPerson] = []
        self._offsets: dict[str, Array] = {}
        self._stamp_s = 0.0
        self._searched_s: float | None = None
        self._place = 0

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the people of the last update."""
        return tuple(person.id for person in self._people)

    def known(self, stamp_s: float) -> list[TrackedPerson]:
        """Return the people who are known at the stamp of a frame, the surest and then the nearest first."""
        return self._people if 0.0 <= stamp_s - self._stamp_s <= self._keep_s else []

    def update(
        self, people: Sequence[TrackedPerson], seen: Mapping[str, Array], stamp_s: float, selected: Collection[str] = ()
    ) -> None:
        """Note the people of a frame.

        Args:
            people: The people from `PeopleTracker.update`.
            seen: (N, 3) metres, the located joints of each person who was seen, by id.
            stamp_s: Time stamp of the frame, seconds.
            selected: Ids of the people whom the command means.
        """
        self._turns.select(selected)
        known = [person for person in people if person.state is not TrackState.ENDED]
        self._people = sorted(known, key=lambda person: (person.state is TrackState.TENTATIVE, person.root[2]))
        offsets = {each.id: seen[each.id] - each.root for each in known if each.id in seen}
        kept = {each.id: self._offsets[each.id] for each in known if each.id in self._offsets}
        self._offsets, self._stamp_s = kept | offsets, stamp_s

    def looks(self, views: PersonViews, stamp_s: float, detected: Boxes | None, *, everybody: bool = False) -> Looks:
        """Return the views of a frame, at most one for each person.

        If the image has detections, these say who is there. If there are only older ones, they lead to people who are
        not known yet, and those who are known are looked for where they are predicted. Without any, the model itself
        looks for others: in the full view while nobody is known, and once a second in the next view beside those who
        are known, or of a coarse grid.

        Args:
            views: The views of the camera.
            stamp_s: Time stamp of the frame, seconds.
            detected: What a detector found; None without a detector.
            everybody: Whether to look at everybody, whoever's turn it is.

        Returns:
            The views, and the boxes about which the model is not asked.
        """
        camera, known = views.full.source, self.known(stamp_s)
        turns = Turns() if everybody else self._turns
        found = [self._predicted(person, stamp_s) for person in known]
        if detected is not None and detected.of_image:
            boxes = _in_image(detected.boxes, camera)[: self._most]
            owners = _owners(boxes, [person.id for person in known], _columns(found, camera))
            chosen = turns.choose(owners, stamp_s)
            unasked = tuple(box for place, box in enumerate(boxes) if place not in chosen)
            return Looks(tuple(Look(_around_box(views, boxes[place]), boxes[place]) for place in chosen), unasked)
        waiting = ["" if person.state is TrackState.TENTATIVE else person.id for person in known]
        chosen = turns.choose(waiting, stamp_s)
        looks = [Look(views.around(found[place])) for place in chosen]
        if detected is not None:
            columns, boxes = _columns(found, camera), _in_image(detected.boxes, camera)
            looks += [Look(_around_box(views, box)) for box in boxes if not _holds(box, columns)]
        else:
            looks += self._search(views, stamp_s, found)
        return Looks(tuple(looks[: self._most]))

    def _predicted(self, person: TrackedPerson, stamp_s: float) -> Located:
        """Return where a person is expected in a frame: the pose of the last frame in which they were seen, moved."""
        elapsed_s = min(stamp_s - self._stamp_s, _LONGEST_S)
        root = person.root + elapsed_s * person.velocity
        return Located(root + self._offsets.get(person.id, np.zeros((1, 3))), root)

    def _search(self, views: PersonViews, stamp_s: float, found: Sequence[Located]) -> list[Look]:
        looks = [] if found else [Look(views.full)]
        places = (*views_beside(views, found), *views.search) if found else views.search
        if places and (self._searched_s is None or not 0.0 <= stamp_s - self._searched_s < SEARCH_S):
            looks.append(Look(places[self._place % len(places)]))
            self._searched_s, self._place = stamp_s, self._place + 1
        return looks


def _around_box(views: PersonViews, box: Array) -> CanonicalView:
    """Return the view of whoever fills a box; the full view where the lens model does not reach its corners."""
    found = Located.in_box(views.full.source, box)
    return views.around(found) if np.isfinite(found.points).all() else views.full


def _columns(found: Sequence[Located], camera: Camera) -> Array:
    """Return the columns (N,) px in which the pelvises of people are expected."""
    return camera.project([each.root for each in found])[:, 0] if found else np.empty(0)


def _in_image(boxes: Array, camera: Camera) -> list[Array]:
    """Return the parts of boxes that are in the image, without empty ones."""
    clipped = np.clip(boxes.reshape(-1, 4), 0.0, np.tile([camera.width - 1.0, camera.height - 1.0], 2))
    return [box for box in clipped if (box[2:] - box[:2] > 1.0).all()]


def _owners(boxes: Sequence[Array], ids: Sequence[str], columns: Array) -> list[str]:
    """Return the id of the person who is expected nearest to the middle of each box; empty where nobody is expected.

    Args:
        boxes: (4,) px.
        ids: The people who are known.
        columns: (N,) px, where their pelvises are expected.
    """
    owners = [""] * len(boxes)
    middles = np.array([each[0] + each[2] for each in boxes]) / 2.0
    widths = np.array([each[2] - each[0] for each in boxes])
    aside = np.abs(columns[:, None] - middles) / widths if len(boxes) and len(ids) else np.empty((0, 0))
    for person, box in zip(*np.unravel_index(np.argsort(aside, axis=None), aside.shape), strict=True):
        if aside[person, box] <= _EXPECTED and not owners[box] and ids[person] not in owners:
            owners[box] = ids[person]
    return owners


def _holds(box: Array, columns: Array) -> bool:
    """Check whether a box stands where somebody is known; their pelvis may be below the image."""
    return bool(((columns >= box[0]) & (columns <= box[2])).any())
