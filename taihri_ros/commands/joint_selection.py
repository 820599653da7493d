"""Selection of the joints for a command, and by whom it was made.

The model chooses the joints of free words on the first image. Later images request these joints by name, which makes
the answer shorter and keeps the joints the same from image to image. A checkpoint that has not learned to refuse a
command leaves the choice to the task table. Nobody chooses joints for a negated command.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from threading import Lock

from taihri_ros.commands.command import Command
from taihri_ros.commands.phrase_index import QUESTION
from taihri_ros.commands.tasks import Tasks

_MAX_COMMANDS = 16
"""Number of commands whose choice of joints is kept."""

_ADVICE = "say it in other words, or name the joints"


class Source(IntEnum):
    """By whom the joints of a command were chosen; the values equal the constants of `ActiveCommand.msg`."""

    NONE = 0
    """No joint is chosen."""
    NAMED = 1
    """The command names the joints."""
    MODEL = 2
    """The model chose them."""
    TABLE = 3
    """The task table chose them."""
    PENDING = 4
    """The model chooses them on the next image."""


@dataclass(frozen=True)
class Selection:
    """The joints of a command.

    Attributes:
        joints: Joint names in the skeleton's order.
        source: By whom they were chosen.
        reason: Why these joints, or why none, in words.
    """

    joints: tuple[str, ...]
    source: Source
    reason: str


@dataclass(frozen=True)
class _Choice:
    """The choice of the model, and the time from which it chooses again; a refusal holds for one image."""

    selection: Selection
    until_s: float


class JointSelection:
    """The selection of the joints for each command, with a memory of the model's choices; thread-safe.

    Example:
        >>> from taihri_ros.commands.command import parse_command
        >>> selection = JointSelection(Tasks.load())
        >>> selection.select(parse_command("shake my hand"), 0.0).joints
        ('right_elbow', 'right_wrist')
        >>> selection.select(parse_command("turn off the lights"), 0.0).source.name
        'NONE'
    """

    def __init__(
        self, tasks: Tasks | None = None, *, use_table: Callable[[], bool] = lambda: True, refresh_s: float = 0.0
    ) -> None:
        """Create a selection without memory.

        Args:
            tasks: The task table, which chooses instead of the model; None if the model always chooses.
            use_table: Returns whether the table is used, for a table that only some checkpoints ask for.
            refresh_s: Time after which the model chooses again, seconds; 0 for never.
        """
        if tasks is not None:
            tasks.prepare()
        self._match = None if tasks is None else lru_cache(_MAX_COMMANDS)(tasks.match)
        self._use_table = use_table
        self._refresh_s = refresh_s
        self._lock = Lock()
        self._choices: OrderedDict[str, _Choice] = OrderedDict()

    def select(self, command: Command, now_s: float) -> Selection:
        """Return the joints to request on the next image.

        Args:
            command: The command.
            now_s: Current time, seconds, of any monotonic clock.

        Returns:
            The selection; PENDING if the model has to choose on this image, because it has not chosen yet, or has
            chosen no joint on the image before, where there may have been nobody.
        """
        selection = self.current(command)
        with self._lock:
            choice = self._choices.get(command.text)
            return _PENDING if choice and choice.selection is selection and now_s >= choice.until_s else selection

    def current(self, command: Command) -> Selection:
        """Return the newest selection for a command, which the model may be about to replace.

        Args:
            command: The command.

        Returns:
            The selection; PENDING if the model has not chosen yet.
        """
        if command.joints:
            return Selection(command.joints, Source.NAMED, "the command names them")
        if command.negation:
            return _none(f"the command is negated by {command.negation!r}: say what to do, or name the joints")
        if self._match is not None and self._use_table():
            task = self._match(command.text)
            if task is None:
                return _none(f"the command matches no task of the task table: {_ADVICE}")
            reason = "the command mentions them" if task.name == QUESTION else f"the task {task.name} needs them"
            return Selection(task.joints, Source.TABLE, reason)
        with self._lock:
            choice = self._choices.get(command.text)
            return choice.selection if choice else _PENDING

    def remember(self, command: Command, joints: tuple[str, ...], now_s: float) -> None:
        """Remember what the model chose for a command in free words.

        Args:
            command: The command as it was sent to the model; one with named joints is ignored.
            joints: The joints of the answer; none if the model refused the command.
            now_s: Current time, seconds, of the same clock as for `select`.
        """
        if command.joints:
            return
        if joints:
            selection = Selection(joints, Source.MODEL, "the model chose them")
            choice = _Choice(selection, now_s + self._refresh_s if self._refresh_s else float("inf"))
        else:
            choice = _Choice(_none(f"the model chose no joint: {_ADVICE}"), now_s)
        with self._lock:
            self._choices[command.text] = choice
            self._choices.move_to_end(command.text)
            while len(self._choices) > _MAX_COMMANDS:
                self._choices.popitem(last=False)


_PENDING = Selection((), Source.PENDING, "the model chooses on the next image")


def _none(reason: str) -> Selection:
    return Selection((), Source.NONE, reason)
