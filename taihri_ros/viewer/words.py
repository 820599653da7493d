"""The command and its joints in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from taihri_ros.commands.joint_selection import Source
from taihri_ros.keypoints import Person, State

_CHOSE = {
    Source.NONE: "No joint is chosen",
    Source.NAMED: "The command names",
    Source.MODEL: "The model chose",
    Source.TABLE: "The table of tasks chose",
    Source.PENDING: "The model chooses on the next image",
}


class Words:
    """The running command and the newest answer to it, as Markdown.

    Attributes:
        command: The newest taihri_ros/ActiveCommand; None before the first.
        person: The newest person; None before the first answer.
        answered: The command that the newest answer belongs to.
        missing: What a running node lacks, and what to do about it, one line each.
    """

    def __init__(self, topic: str) -> None:
        """Start without a command.

        Args:
            topic: The topic of commands.
        """
        self._topic = topic
        self.command: Any = None
        self.person: Person | None = None
        self.answered = ""
        self.missing: tuple[str, ...] = ()

    def text(self) -> str:
        """Return a page with the command, its joints and what is known of each, or what is missing."""
        if self.missing:
            return "\n\n".join(["# Waiting", *self.missing])
        if self.command is None:
            head = [f"# {self.answered}" if self.answered else "# Waiting for the node"]
        elif not self.command.text:
            return f"# No command\n\nPublish one on `{self._topic}`, such as `shake my hand`."
        else:
            head = [f"# {self.command.text}", "", f"{self._choice()}."]
        if self.person is None:
            awaited = self.command is not None and Source(self.command.source) is not Source.NONE
            return "\n".join([*head, "", "Waiting for an answer."] if awaited else head)
        if not self.person.keypoints:
            return "\n".join(head)
        if any(keypoint.state is State.NOBODY for keypoint in self.person.keypoints):
            return "\n".join([*head, "", f"**Nobody is in view** (presence {self.person.presence:.2f})."])
        rows = [_row(keypoint) for keypoint in self.person.keypoints]
        return "\n".join([*head, "", "| joint | distance | confidence | |", "| -- | -- | -- | -- |", *rows])

    def line(self) -> str:
        """Return the command and its joints in one line."""
        return f'command "{self.command.text}": {self._choice()}' if self.command.text else "no command is running"

    def _choice(self) -> str:
        joints, reason = ", ".join(self.command.joints), self.command.reason
        chosen = f"{_CHOSE[Source(self.command.source)]}{f' {joints}' if joints else ''}"
        return f"{chosen} ({reason})" if reason else chosen


def _row(keypoint: Any) -> str:
    distance = f"{np.linalg.norm(keypoint.position):.2f} m" if keypoint.has_position else "missing"
    confidence = f"{keypoint.confidence:.2f}" if np.isfinite(keypoint.confidence) else ""
    return f"| {keypoint.name} | {distance} | {confidence} | {keypoint.reason} |"
