"""The running command of the node: received, kept while the node is inactive, published on ~/active_command, logged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from threading import Lock
from typing import Any

from taihri_ros.commands.command import Command, CommandError, parse_command
from taihri_ros.commands.joint_selection import JointSelection, Selection, Source
from taihri_ros.errors import TaihriError
from taihri_ros.node.debounce import Debounce
from taihri_ros.node.limited_log import LimitedLog
from taihri_ros.node.messages import Messages
from taihri_ros.node.parameters import Parameters

logger = logging.getLogger(__name__)

_BURST = 5
"""Number of commands that are taken at once; beyond it they are a flood."""

_DWELL_S = 1.0
"""Time in s that a command of a flood runs at least before the latest one replaces it."""

_LONGEST_DWELL_S = 10.0
"""Longest time in s that a command of a flood runs before its first answer."""

_NO_COMMAND = Selection((), Source.NONE, "no command runs")

Select = Callable[[Command], Selection]
"""A function that returns the newest selection of the joints for a command."""

People = Callable[[], Collection[str]]
"""A function that returns the ids of the tracked people."""


class RunningCommand:
    """The command that runs until another one replaces it or `stop` ends it, also across a deactivation of the node.

    It may be used from several threads.
    """

    def __init__(
        self,
        parameters: Parameters,
        messages: Messages,
        publish: Callable[[Any], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Start without a command, and publish that.

        Args:
            parameters: `command.max_length` and `command.allow` are used.
            messages: Builds the messages.
            publish: Sends a taihri_ros/ActiveCommand.
            now_ns: Returns the time on the node's clock, nanoseconds.
        """
        self._parameters = parameters
        self._messages = messages
        self._publish = publish
        self._now_ns = now_ns
        self._lock = Lock()
        self._command: Command | None = None
        self._since_ns = now_ns()
        self._was_set = False
        self._set_command: Callable[[Command | None], None] | None = None
        self._select: Select = JointSelection().current
        self._people: People = tuple
        self._published: tuple[Command | None, Selection] | None = None
        self._logged: set[Selection] = set()
        self._log = LimitedLog(logger)
        self._answered = True
        self._received = Debounce(self._take, burst=_BURST, dwell_s=self._dwell_s)
        self.update()

    @property
    def command(self) -> Command | None:
        """The command; None while none runs."""
        return self._command

    def read(self, text: str) -> Command | None:
        """Parse a command within the limits of the parameters command.max_length and command.allow.

        Args:
            text: The received text; with people.enabled it may say whom it means.

        Returns:
            The command, or None for `stop`.

        Raises:
            CommandError: The text is not an accepted command.
        """
        return parse_command(
            text,
            max_length=self._parameters.command_max_length,
            allow=self._parameters.command_allow,
            people=self._people() if self._parameters.people_enabled else None,
        )

    def on_message(self, message: Any) -> None:
        """Handle a std_msgs/String: set the command, or log why it is rejected and keep the current one.

        A flood of commands does not keep the running one from its answers: it runs for a second at least, and until it
        has been answered; then the latest one replaces it. `stop` is never delayed.
        """
        try:
            command = self.read(message.data)
        except CommandError as error:
            self._log.write(logging.WARNING, "rejected", f"command rejected: {error}")
            return
        if command is None:
            self._received.put_now(None)
        elif command == self._command:
            self._received.cancel()
            self._take(command)
        else:
            self._received.put(command)

    def _take(self, command: Command | None) -> None:
        self._log.write(logging.INFO, "command", f"command: {'stop' if command is None else command.text}")
        self.set(command)

    def set(self, command: Command | None) -> None:
        """Set the command. A command that runs already keeps its time.

        Args:
            command: The command, or None for none.
        """
        with self._lock:
            self._was_set = True
            changed = command != self._command
            if changed:
                self._command, self._since_ns = command, self._now_ns()
                self._answered = command is None
                self._logged.clear()
            set_command = self._set_command
        if set_command is not None:
            set_command(command)
        if changed:
            self.update()

    def activate(
        self,
        parameters: Parameters,
        set_command: Callable[[Command | None], None],
        select: Select,
        people: People = tuple,
    ) -> None:
        """Hand the command over to perception. The first activation sets `command.initial` if no command came before.

        Args:
            parameters: The parameters `command.*` from now on.
            set_command: Receives the command now, and every new one.
            select: Returns the selection of the joints; it may raise `TaihriError` while the engine is not ready.
            people: Returns the ids of the tracked people.

        Raises:
            CommandError: The parameter command.initial is not a valid command.
        """
        self._parameters, self._people = parameters, people
        initial = self.read(parameters.command_initial) if parameters.command_initial and not self._was_set else None
        with self._lock:
            self._set_command, self._select = set_command, select
        if initial is not None:
            self.set(initial)
        set_command(self._command)
        self.update()

    def apply(self, parameters: Parameters) -> None:
        """Use new values of the parameters `command.*` for the next commands; the running one is not read again."""
        self._parameters = parameters

    def deactivate(self) -> None:
        """Keep the command, and new ones, until the next activation."""
        self._received.settle()
        with self._lock:
            self._set_command, self._select, self._people = None, JointSelection().current, tuple

    def note_answer(self) -> None:
        """Note that a result of the running command was published, and publish a change of its joints."""
        self._answered = True
        self.update()

    def update(self) -> None:
        """Publish and log the command and the selection of its joints, if either has changed."""
        with self._lock:
            command, selection = self._command, self._selection()
            if (command, selection) == self._published:
                return
            self._published = command, selection
            text = "" if command is None else command.text
            self._publish(self._messages.active_command(text, selection, self._since_ns))
            if command is None or selection.source in (Source.PENDING, Source.NAMED) or selection in self._logged:
                return
            self._logged.add(selection)
            if selection.joints:
                logger.info("joints for %r: %s (%s)", text[:80], ", ".join(selection.joints), selection.reason)
            else:
                logger.warning("no joint for %r: %s", text[:80], selection.reason)

    def _dwell_s(self) -> float:
        """Return the time in s that the running command has before another one of a flood replaces it."""
        return _DWELL_S if self._answered or self._set_command is None else _LONGEST_DWELL_S

    def _selection(self) -> Selection:
        if self._command is None:
            return _NO_COMMAND
        try:
            return self._select(self._command)
        except TaihriError as error:
            return Selection((), Source.PENDING, str(error))
