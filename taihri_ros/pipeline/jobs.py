"""The scheduler's units of work: a frame in flight, and a one-shot command that waits for its result."""

from __future__ import annotations

from dataclasses import dataclass

from taihri_ros.commands.command import Command
from taihri_ros.pipeline.frames import Frame, Result


class Query:
    """A one-shot command that waits for its result.

    Attributes:
        command: The command; None before the call.
        taken: Whether a frame was taken to answer it.
        cancelled: Whether the caller no longer wants the result.
        result: The result; None until there is one.
        error: Why there is no result; None if it is not known.
    """

    def __init__(self) -> None:
        """Create a query without a result, for one call of `Scheduler.localize`, which sets the command."""
        self.command: Command | None = None
        self.taken = False
        self.cancelled = False
        self.result: Result | None = None
        self.error: str | None = None


@dataclass(frozen=True, eq=False)
class Job:
    """A frame in flight.

    Attributes:
        number: Number of the job, counted from 0; results are published in this order.
        frame: The frame.
        command: The command that it answers.
        query: The query that it answers; None for the running command.
    """

    number: int
    frame: Frame
    command: Command
    query: Query | None
