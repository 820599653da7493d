"""Which joints a free command means: the model is asked once, its choice is kept, and later images ask by name.

A question that names its joints has a shorter answer, without choices, and the same joints from image to image. Where
the model finds none, the table of tasks names them for the same words.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from taihri_ros.commands.command import Command
from taihri_ros.commands.tasks import Tasks

logger = logging.getLogger(__name__)

_COMMANDS_KEPT = 16

_TABLE_IMAGES = 30
"""So many images are asked by the table's names before the model may choose again: there may have been nobody."""


@dataclass
class _Selection:
    """The joints that a command stands for, until when the model is not asked again, and for how many images."""

    joints: tuple[str, ...]
    until_s: float = float("inf")
    images_left: float = float("inf")


class JointSelection:
    """Remembers what free commands mean. May be used from any thread."""

    def __init__(self, tasks: Tasks | None = None, *, refresh_s: float = 0.0) -> None:
        """Create an empty memory.

        Args:
            tasks: Names the joints where the model finds none; None for nobody.
            refresh_s: After so many seconds the model chooses again; 0 for never.
        """
        self._tasks = tasks
        self._refresh_s = refresh_s
        self._lock = Lock()
        self._known: OrderedDict[str, _Selection] = OrderedDict()
        self._told: set[str] = set()

    def with_joints(self, command: Command, now_s: float) -> Command:
        """Give the command as it is to be put to the model.

        Args:
            command: Free words, or named joints, which stay as they are.
            now_s: Now, in seconds of any steady clock.

        Returns:
            The same words with the joints that they stand for, as far as these are known.
        """
        with self._lock:
            selection = None if command.joints else self._known.get(command.text)
            if selection is None or now_s >= selection.until_s or selection.images_left <= 0:
                return command
            selection.images_left -= 1
            return Command(command.text, selection.joints)

    def learn(self, command: Command, joints: tuple[str, ...], now_s: float) -> None:
        """Take in what was answered.

        Args:
            command: The command as it was put to the model; one that names joints teaches nothing.
            joints: The joints that the answer has; none for a malformed one.
            now_s: As for `with_joints`.
        """
        if command.joints:
            return
        until_s = now_s + self._refresh_s if self._refresh_s else float("inf")
        selection = _Selection(joints, until_s) if joints else self._from_table(command)
        with self._lock:
            if selection is not None:
                self._known[command.text] = selection
                self._known.move_to_end(command.text)
            while len(self._known) > _COMMANDS_KEPT:
                self._known.popitem(last=False)

    def _from_table(self, command: Command) -> _Selection | None:
        if self._tasks is None:
            return None
        task = self._tasks.match(command.text)
        if command.text not in self._told:
            self._told.add(command.text)
            logger.warning(
                "the model chose no joint for %r; %s",
                command.text,
                f"asking for {', '.join(task.joints)}, as the task {task.name} needs"
                if task
                else "no task is said like that either: say it in another way or name the joints",
            )
        return _Selection(task.joints, images_left=_TABLE_IMAGES) if task else None
