"""The result for one image: the person, the raw answer and the stage times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from taihri_ros.commands.command import Command
from taihri_ros.keypoints import Person
from taihri_ros.pipeline.belief import OFF, Thresholds
from taihri_ros.pipeline.people.person_track import TrackedPerson


@dataclass(frozen=True, eq=False)
class PersonInFrame:
    """One of several people in one image.

    Attributes:
        track: The person over time.
        person: The joints that were found in the image; None if the person is not seen in it.
        selected: Whether the command means this person.
        whole: The person with all joints that were requested, of which `person` has those of the command.
    """

    track: TrackedPerson
    person: Person | None
    selected: bool
    whole: Person | None = None


@dataclass(frozen=True, eq=False)
class Estimate:
    """The result of one command for one image.

    Attributes:
        command: The command.
        person: The person that was found, in the camera's optical frame, metres; what is below `thresholds` is missing.
        answer: The model's raw answer.
        stages_ms: Milliseconds by stage: `view`, `engine`, `parse`, and the engine's own stages as `engine.<stage>`.
        model: Name of the checkpoint.
        view_size: Width and height of the view that the model was shown, px; None if unknown.
        thresholds: The thresholds that the joints of `person` have passed.
        decoded: The person as the model answered, before any joint was refused; None if unknown.
        whole: The person with all joints of the skeleton, of which `person` has those of the command; None if no other
            joints were requested.
        people: Everybody who is tracked, if several people are told apart.
        person_id: Id of the person whose joints `person` has; empty if nobody is selected or tracked.
    """

    command: Command
    person: Person
    answer: str
    stages_ms: dict[str, float]
    model: str
    view_size: tuple[int, int] | None = None
    thresholds: Thresholds = OFF
    decoded: Person | None = None
    whole: Person | None = None
    people: tuple[PersonInFrame, ...] = ()
    person_id: str = ""

    def restricted_to(self, command: Command) -> Estimate:
        """Return the estimate for the joints that a command names, with all joints of this one as `whole`."""
        return replace(self, command=command, person=self.person.with_joints(command.joints), whole=self.person)

    def followed_by(self, other: Estimate) -> Estimate:
        """Return the better of two estimates of one frame, with the stage times of both.

        Args:
            other: The estimate from another view, which was chosen to show the person better.

        Returns:
            The other estimate if it has a joint, otherwise this one.
        """
        better = other if other.person.located else self
        return replace(better, stages_ms=summed_stages(self.stages_ms, other.stages_ms))


def summed_stages(*stages_ms: Mapping[str, float]) -> dict[str, float]:
    """Return the sums of durations by stage, milliseconds."""
    total: Counter[str] = Counter()
    for stages in stages_ms:
        total.update(stages)
    return dict(total)
