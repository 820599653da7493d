"""The result for one image: the person, and how the answer was made."""

from __future__ import annotations

from dataclasses import dataclass

from taihri_ros.commands.command import Command
from taihri_ros.keypoints import Person


@dataclass(frozen=True, eq=False)
class Estimate:
    """The answer to one command for one image.

    Attributes:
        command: The command.
        person: The person found.
        answer: The model's raw answer.
        stages_ms: Milliseconds by stage: `view`, `engine`, `parse`, and the engine's own as `engine.<stage>`.
        model: Name of the checkpoint.
        view_size: Width and height of what the model was shown, px; None where that is not known.
    """

    command: Command
    person: Person
    answer: str
    stages_ms: dict[str, float]
    model: str
    view_size: tuple[int, int] | None = None
