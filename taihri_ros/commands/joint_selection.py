"""Selection of the joints for a command in free words.

The model chooses the joints on the first image. Later images request these joints by name, which makes the answer
shorter and keeps the joints the same from image to image. If the model chooses no joint, the task table selects them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from taihri_ros.commands.command import Command
from taihri_ros.commands.tasks import Tasks

logger = logging.getLogger(__name__)

_MAX_COMMANDS = 16

_TABLE_IMAGES = 30
"""Number of images with the joints of the task table. Then the model chooses again; there may have been no person."""


@dataclass
class _Selection:
    """The joints of a command, with the time and the number of images after which the model chooses again."""

    joints: tuple[str, ...]
    until_s: float = float("inf")
    images_left: float = float("inf")


class JointSelection:
    """Memory of the joints that were selected for commands in free words; thread-safe."""

    def __init__(self, tasks: Tasks | None = None, *, refresh_s: float = 0.0) -> None:
        """Create an empty memory.

        Args:
            tasks: The task table to use if the model chooses no joint; None to use none.
            refresh_s: Time after which the model chooses again, seconds; 0 for never.
        """
        self._tasks = tasks
        self._refresh_s = refresh_s
        self._lock = Lock()
        self._known: OrderedDict[str, _Selection] = OrderedDict()
        self._warned: set[str] = set()

    def with_joints(self, command: Command, now_s: float) -> Command:
        """Return the command with the joints that were selected for it.

        Args:
            command: Command in free words, or with named joints, which is returned as it is.
            now_s: Current time, seconds, of any monotonic clock.

        Returns:
            The same words with their joints, or the unchanged command if the model has to choose.
        """
        with self._lock:
            selection = None if command.joints else self._known.get(command.text)
            if selection is None or now_s >= selection.until_s or selection.images_left <= 0:
                return command
            selection.images_left -= 1
            return Command(command.text, selection.joints)

    def remember(self, command: Command, joints: tuple[str, ...], now_s: float) -> None:
        """Remember the joints of an answer.

        Args:
            command: The command as it was sent to the model; one with named joints is ignored.
            joints: The joints of the answer; empty for a malformed answer.
            now_s: Current time, seconds, of the same clock as for `with_joints`.
        """
        if command.joints:
            return
        until_s = now_s + self._refresh_s if self._refresh_s else float("inf")
        selection = _Selection(joints, until_s) if joints else self._from_table(command)
        with self._lock:
            if selection is not None:
                self._known[command.text] = selection
                self._known.move_to_end(command.text)
            while len(self._known) > _MAX_COMMANDS:
                self._known.popitem(last=False)

    def _from_table(self, command: Command) -> _Selection | None:
        if self._tasks is None:
            return None
        task = self._tasks.match(command.text)
        if command.text not in self._warned:
            self._warned.add(command.text)
            logger.warning(
                "the model chose no joint for %r; %s",
                command.text,
                f"requesting {', '.join(task.joints)} for the task {task.name}"
                if task
                else "no task matches it either: use other words or name the joints",
            )
        return _Selection(task.joints, images_left=_TABLE_IMAGES) if task else None
