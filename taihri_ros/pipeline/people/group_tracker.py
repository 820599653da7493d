"""Estimates the frames of a running command with several people: who they are, and the joints of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Lock
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.commands.command import Command
from taihri_ros.commands.joint_selection import JointSelection, Selection, Source
from taihri_ros.commands.person_words import Whom
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.model.zoom import ROOT
from taihri_ros.pipeline.estimate import Estimate, PersonInFrame
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.guards import Guards
from taihri_ros.pipeline.motion_filter import MotionFilter
from taihri_ros.pipeline.people.detected import Detected, detected_people
from taihri_ros.pipeline.people.people_tracker import PeopleSettings, PeopleTracker
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState
from taihri_ros.pipeline.people.selection import PersonSelection
from taihri_ros.pipeline.people.whereabouts import Boxes, Look, Looks, Whereabouts
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.skeleton import JOINTS, in_order

MakeFilter = Callable[[], MotionFilter]

BoxesAt = Callable[[int], Boxes | None]
"""Returns what a detector found in the image of a stamp, nanoseconds, or before; None without a detector."""


def no_boxes(_: int) -> None:
    """Return None: there is no detector."""


@dataclass(frozen=True, eq=False)
class GroupEstimate(Estimate):
    """The estimates of all views of a frame, before it is known who is who.

    Attributes:
        looks: The views, and the boxes about which the model was not asked.
        found: The estimate from each view.
        spoken: The command with the words that say whom it means.
    """

    looks: Looks = field(default_factory=lambda: Looks(()))
    found: tuple[Estimate, ...] = ()
    spoken: Command | None = None


class GroupTracker(Tracker):
    """A tracker that asks about several people at the same time, and tells them apart.

    The estimate of a frame has the joints of the selected person, as that of `Tracker`, and everybody in
    `Estimate.people`.
    """

    def __init__(
        self,
        estimator: Estimator,
        *,
        select: Whom,
        most: int = 4,
        others_per_frame: Callable[[], int | None] = lambda: None,
        settings: PeopleSettings | None = None,
        boxes_at: BoxesAt = no_boxes,
        joint_selection: JointSelection | None = None,
        person_crop: PersonCrop | None = None,
        make_filter: MakeFilter | None = None,
        whole_body: bool = False,
        guards: Guards | None = None,
        seed: int | None = None,
    ) -> None:
        """Create a tracker without people.

        Args:
            estimator: Estimates each view.
            select: Whom a command means that does not say it.
            most: Largest number of people to look at in a frame.
            others_per_frame: Returns how many people beside the selected one the model is asked about in a frame, in
                turn; None for all.
            settings: When people keep their ids; None for the defaults.
            boxes_at: Returns the detections for an image; called once for each image, and may wait.
            joint_selection: As for `Tracker`.
            person_crop: Used for one-shot commands while nobody is known; as for `Tracker`.
            make_filter: Creates the motion filter of a person; None if the motion is not filtered.
            whole_body: As for `Tracker`.
            guards: As for `Tracker`.
            seed: Seed of the ids; None for others in every session.
        """
        super().__init__(
            estimator,
            joint_selection=joint_selection,
            person_crop=person_crop,
            whole_body=whole_body,
            guards=guards,
        )
        self._default, self._boxes_at, self._make_filter = select, boxes_at, make_filter
        settings = settings or PeopleSettings()
        self._tracks = PeopleTracker(settings, seed=seed)
        self._who = PersonSelection(select)
        self._spoken: Command | None = None
        self._whereabouts = Whereabouts(most, settings.keep_s, others_per_frame)
        self._whereabouts_lock = Lock()
        self._filters: dict[str, tuple[MakeFilter, MotionFilter]] = {}
        self._pool = ThreadPoolExecutor(most, "taihri-people")

    @property
    def person_ids(self) -> tuple[str, ...]:
        """Ids of the people who are known."""
        with self._whereabouts_lock:
            return self._whereabouts.ids

    def use_filter(self, make_filter: MakeFilter | None) -> None:
        """Replace the motion filters from the next frame on, as `Tracker`."""
        self._make_filter = make_filter

    def selection(self, command: Command) -> Selection:
        """Return the newest selection of the joints, as `Tracker`; it does not depend on whom the command means."""
        return super().selection(command.for_anyone)

    def estimate(
        self,
        image: NDArray[np.uint8],
        camera: Camera,
        command: Command,
        stamp_ns: int,
        *,
        one_shot: bool = False,
        check_wanted: Callable[[], None] | None = None,
    ) -> Estimate:
        """Ask about every person; arguments and errors are those of `Tracker.estimate`.

        All views are asked at the same time, so that the engine can batch them.

        Returns:
            The estimates for `refine`, which must follow. Where the model has to choose the joints, it does so in the
            full view first.
        """
        task = command.for_anyone
        joint_selection = self._joint_selection
        selection = joint_selection.select(task, monotonic())
        if selection.source is Source.PENDING:
            chosen = super().estimate(image, camera, task, stamp_ns)
            selection = joint_selection.current(task)
            if not selection.joints:
                return chosen
            if check_wanted is not None:
                check_wanted()
        detected = self._boxes_at(stamp_ns) if selection.joints else None
        with self._whereabouts_lock:
            nobody = detected is None and not self._whereabouts.known(stamp_ns / 1e9)
        if not selection.joints or (one_shot and nobody):
            return super().estimate(image, camera, task, stamp_ns, one_shot=one_shot, check_wanted=check_wanted)
        named = replace(task, joints=selection.joints)
        requested = replace(task, joints=JOINTS if self._whole_body else in_order({*named.joints, ROOT}))
        views = self._estimator.views(camera)
        with self._whereabouts_lock:
            looks = self._whereabouts.looks(views, stamp_ns / 1e9, detected, everybody=one_shot)

        def look_at(look: Look) -> Estimate:
            return self._estimator.estimate(image, camera, requested, view=look.view)

        found = tuple(self._pool.map(look_at, looks.views))
        return GroupEstimate(
            named,
            Person((), None),
            "",
            _longest_stages(found),
            self.engine.info.spec.name,
            looks=looks,
            found=found,
            spoken=command,
        )

    def refine(
        self,
        estimate: Estimate,
        stamp_ns: int,
        *,
        camera: Camera | None = None,
        depth: NDArray[np.float32] | None = None,
        one_shot: bool = False,
    ) -> Estimate:
        """Tell the people of a frame apart, select whom the command means, and refine the joints of each.

        Arguments and errors are those of `Tracker.refine`.

        Returns:
            The estimate of the selected person, or without joints if nobody is selected or seen.
        """
        if not isinstance(estimate, GroupEstimate):
            return super().refine(estimate, stamp_ns, camera=camera, depth=depth, one_shot=one_shot)
        stamp_s = stamp_ns / 1e9
        fused = [self._fused(each, camera, depth) for each in estimate.found]
        seen = _seen_people(fused, estimate.looks, self.guards)
        people = self._tracks.update([each.detection for each in seen], stamp_s)
        points = _located_points(people, seen)
        selected = self._select(people, estimate.spoken, points if one_shot else None)
        ids = {person.id for person in selected}
        with self._whereabouts_lock:
            self._whereabouts.update(people, points, stamp_s, ids)
        motions = self._motions(people, one_shot=one_shot)
        refined = {person.id: self._refined(person, seen, motions[person.id], stamp_ns) for person in people}
        chosen = next((person for person in selected if person.detection is not None), (*selected, None)[0])
        own = None if chosen is None else refined[chosen.id]
        if own is None:
            own = self._without(chosen, estimate, fused, has_people=not all(each.detection.is_box for each in seen))
            if chosen is not None and (motion := motions[chosen.id]) is not None:
                own = self._filtered(own, motion, stamp_ns)
        return replace(
            own.restricted_to(estimate.command),
            stages_ms=estimate.stages_ms,
            people=tuple(
                _in_frame(person, refined[person.id], estimate.command, selected=person.id in ids) for person in people
            ),
            person_id="" if chosen is None else chosen.id,
        )

    def _select(
        self, people: Sequence[TrackedPerson], spoken: Command | None, at_once: Collection[str] | None
    ) -> list[TrackedPerson]:
        """Return the people whom a command means; a one-shot command may mean `at_once` who has just appeared."""
        whom = None if spoken is None else spoken.whom
        if at_once is not None:
            once = PersonSelection(self._default)
            once.say(whom)
            return once.select(
                [replace(each, state=TrackState.CONFIRMED) if each.id in at_once else each for each in people]
            )
        if spoken != self._spoken:
            self._spoken = spoken
            self._who.say(whom)
        return self._who.select(people)

    def _motions(self, people: Sequence[TrackedPerson], *, one_shot: bool) -> dict[str, MotionFilter | None]:
        """Return the motion filter of each person by id, and forget those of people who are not tracked any more."""
        motions = {person.id: self._motion(person, one_shot=one_shot) for person in people}
        self._filters = {name: kept for name, kept in self._filters.items() if name in motions}
        return motions

    def _motion(self, person: TrackedPerson, *, one_shot: bool) -> MotionFilter | None:
        """Return the motion filter of a person; None if the motion is not filtered."""
        make_filter = self._make_filter
        if make_filter is None or one_shot or person.state is TrackState.ENDED:
            return None
        maker, motion = self._filters.get(person.id, (None, None))
        if motion is None or maker is not make_filter:
            motion = make_filter()
            self._filters[person.id] = (make_filter, motion)
        return motion

    def _refined(
        self, person: TrackedPerson, seen: Sequence[Detected], motion: MotionFilter | None, stamp_ns: int
    ) -> Estimate | None:
        """Return the filtered estimate of a person; None if they are not seen."""
        if person.detection is None:
            return None
        estimate = seen[person.detection].estimate
        return estimate if motion is None else self._filtered(estimate, motion, stamp_ns)

    @staticmethod
    def _without(
        chosen: TrackedPerson | None, estimate: GroupEstimate, fused: Sequence[Estimate], *, has_people: bool
    ) -> Estimate:
        """Return an estimate without located joints, and why."""
        if fused and not has_people:
            return max(fused, key=lambda each: float(np.nan_to_num(each.person.presence)))
        if chosen is not None:
            reason = f"{chosen.id} is not seen in this image"
        elif has_people:
            reason = "the person whom the command means is not known, or was seen in too few images so far"
        else:
            reason = "nobody was detected in this image"
        joints = estimate.command.joints
        missing = Person(tuple(Keypoint(joint, State.NOT_ANSWERED, reason) for joint in joints), None)
        thresholds = fused[0].thresholds if fused else estimate.thresholds
        return Estimate(estimate.command, missing, "", {}, estimate.model, thresholds=thresholds)


def _longest_stages(found: Sequence[Estimate]) -> dict[str, float]:
    """Return the longest duration of each stage, milliseconds: the views are answered at the same time."""
    names = dict.fromkeys(name for each in found for name in each.stages_ms)
    return {name: max(each.stages_ms.get(name, 0.0) for each in found) for name in names}


def _seen_people(estimates: Sequence[Estimate], looks: Looks, guards: Guards) -> list[Detected]:
    """Return the people of a frame, each once, from the estimates of its views."""
    if not looks.views:
        return []
    boxes = [look.box for look in looks.views]
    return detected_people(estimates, boxes, looks.views[0].view.source, looks.unasked, guards)


def _located_points(people: Sequence[TrackedPerson], seen: Sequence[Detected]) -> dict[str, NDArray[np.float64]]:
    """Return the located joints (N, 3), metres, by the id of each person about whom the model has answered."""
    found = {person.id: seen[person.detection] for person in people if person.detection is not None}
    return {
        name: np.array([joint.position for joint in each.estimate.person.located])
        for name, each in found.items()
        if not each.detection.is_box
    }


def _in_frame(track: TrackedPerson, estimate: Estimate | None, command: Command, *, selected: bool) -> PersonInFrame:
    """Return a person with the joints of their estimate, if they are seen, that a command names."""
    if estimate is None:
        return PersonInFrame(track, None, selected)
    return PersonInFrame(track, estimate.person.with_joints(command.joints), selected, whole=estimate.person)
