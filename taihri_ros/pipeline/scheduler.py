"""Schedules frames: the newest frame is processed next, results of an old command are dropped, all are counted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from threading import TIMEOUT_MAX, Condition, RLock, Thread
from time import monotonic, perf_counter

from taihri_ros.commands.command import Command
from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine import Engine, GenerationAbortedError
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.pipeline.calibrations import Calibrations
from taihri_ros.pipeline.counters import Counters, Drop
from taihri_ros.pipeline.drop_reasons import PublicationError, drop_reason, publication_errors
from taihri_ros.pipeline.frame_age import NO_LIMIT, AgeLimit
from taihri_ros.pipeline.frame_processor import FrameProcessor
from taihri_ros.pipeline.frames import Frame, Result
from taihri_ros.pipeline.jobs import Job, Query
from taihri_ros.pipeline.problem_log import ProblemLog
from taihri_ros.pipeline.tracker import Tracker

logger = logging.getLogger(__name__)

MAX_QUERIES = 8
"""Largest number of one-shot commands that wait at the same time."""

_ABORT_AGAIN_S = 0.1
"""Period in which `stop` repeats the abort, seconds: an abort does not end a request that begins just after it."""

_STOP_S = 2.0
"""Longest time for which `stop` waits for the threads, seconds: what a thread still does then, nobody will hear of."""


class LocalizeError(TaihriError):
    """A `localize` call was not answered."""


class Scheduler:
    """Background threads that run the tracker on frames and publish the results in the order of the frames.

    At most one frame waits; a newer frame replaces it. A newer frame never aborts a request in flight: otherwise a
    camera that is faster than the engine would prevent every result. The requests in flight are aborted when nobody
    wants their results any more: the command has changed, a one-shot command has timed out, or the scheduler stops.
    """

    def __init__(
        self,
        tracker: Tracker,
        prepare: Callable[[Result], Callable[[], object]],
        *,
        calibrations: Calibrations | None = None,
        age_limit: AgeLimit = NO_LIMIT,
        max_in_flight: int = 1,
    ) -> None:
        """Create a scheduler; call `start` to run it.

        Args:
            tracker: Estimates the joints; it must not be used elsewhere.
            prepare: Builds the messages of a result of the running command and returns the function that sends them.
                It may wait, for example for TF. A change of the command waits for the sending, so that must be short.
                Both are called from one thread at a time.
            calibrations: The calibrations of the camera; None for an empty store.
            age_limit: The largest age of a frame.
            max_in_flight: Maximum number of frames in flight. With 2, the model's prefill of the next frame overlaps
                with the decoding of the current frame.
        """
        self.counters = Counters()
        self.calibrations = Calibrations() if calibrations is None else calibrations
        self._processor = FrameProcessor(tracker, self.calibrations, age_limit)
        self._tracker = tracker
        self._prepare = prepare
        self._problems = ProblemLog(logger)
        self._publishing = RLock()
        self._changed = Condition()
        self._waiting: Frame | None = None
        self._command: Command | None = None
        self._command_since = monotonic()
        self._queries: list[Query] = []
        self._in_flight: dict[int, Job] = {}
        self._begun = 0
        self._finished = 0
        self._stopped = False
        self._threads = [
            Thread(target=self._run, name=f"taihri-scheduler-{number}", daemon=True) for number in range(max_in_flight)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Abort the requests in flight, join the threads and drop the waiting frame.

        A thread that waits for an engine that does not respond even to the abort ends by itself later.
        """
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        deadline = monotonic() + _STOP_S
        for thread in self._threads:
            while thread.is_alive() and monotonic() < deadline:
                self._tracker.engine.abort()
                thread.join(_ABORT_AGAIN_S)
        with self._changed:
            self._drop_waiting(Drop.STOPPED)

    @property
    def command(self) -> Command | None:
        """The running command."""
        return self._command

    @property
    def engine(self) -> Engine:
        """The engine that answers."""
        return self._tracker.engine

    @property
    def silence_s(self) -> float:
        """Seconds for which the running command has been without an answer; 0 while none runs."""
        if self._command is None:
            return 0.0
        since_command = monotonic() - self._command_since
        answered = self.counters.success_age_s
        return since_command if answered is None else min(since_command, answered)

    def set_command(self, command: Command | None) -> None:
        """Set the command for the next frames. After it returns, no result of the old command is published.

        Args:
            command: The command, or None to pause.
        """
        with self._publishing, self._changed:
            if command == self._command:
                return
            self._command, self._command_since = command, monotonic()
            self._abort_if_unwanted()

    def submit(self, frame: Frame) -> None:
        """Submit a frame for processing; return at once.

        Args:
            frame: The frame; it replaces a waiting frame.
        """
        self.calibrations.note_image(frame.stamp_ns)
        with self._changed:
            self.counters.count_received()
            if self._stopped:
                self.counters.count_dropped(Drop.STOPPED)
            elif self._command is None and self._next_query is None:
                self.counters.count_dropped(Drop.NO_COMMAND)
            else:
                try:
                    self._processor.check(frame)
                except TaihriError as error:
                    reason = drop_reason(error)
                    self.counters.count_dropped(reason)
                    self._problems.report(reason.value, str(error))
                    return
                self._drop_waiting(Drop.NEWER_FRAME)
                self._waiting = frame
                self._changed.notify_all()

    def localize(self, command: Command, timeout_s: float, query: Query | None = None) -> Result:
        """Run a one-shot command on the next frame; the running command continues afterwards.

        Several calls are answered in their order.

        Args:
            command: The command.
            timeout_s: Longest wait for the result, seconds.
            query: Follows the progress of this call, and cancels it (`cancel`); None without that.

        Returns:
            The result, which is counted as published.

        Raises:
            LocalizeError: No frame was answered in time, no joint was chosen for the command, too many calls wait, the
                query was cancelled, or the timeout is not a positive number of seconds.
        """
        if not 0.0 < timeout_s <= TIMEOUT_MAX:
            raise LocalizeError(f"the timeout must be a positive number of seconds, not {timeout_s:g}")
        if command.negation:
            raise LocalizeError(self._tracker.selection(command).reason)
        query = Query() if query is None else query
        query.command = command
        with self._changed:
            if len(self._queries) >= MAX_QUERIES:
                raise LocalizeError(f"{MAX_QUERIES} localize calls wait already: try again later")
            self._queries.append(query)
            try:
                self._changed.wait_for(
                    lambda: query not in self._queries or query.cancelled or self._stopped, timeout_s
                )
            finally:
                self._withdraw(query)
        if query.result is not None:
            if not query.result.estimate.person.keypoints:
                raise LocalizeError(self._tracker.selection(command).reason)
            return query.result
        if query.cancelled:
            raise LocalizeError("the call was cancelled")
        if self._stopped:
            raise LocalizeError("the node is not active")
        raise LocalizeError(
            query.error or f"no image was answered within {timeout_s:g} s: check that images and camera_info arrive"
        )

    def cancel(self, query: Query) -> None:
        """End a call of `localize` early; its result is dropped.

        Args:
            query: The query of the call.
        """
        with self._changed:
            query.cancelled = True
            self._changed.notify_all()

    def progress(self, query: Query) -> str:
        """Return in words what a call of `localize` waits for; empty before it waits, and when it has ended.

        Args:
            query: The query of the call.
        """
        with self._changed:
            if query not in self._queries:
                return ""
            if query.taken:
                return "the image is being processed"
            before = self._queries.index(query)
            return f"calls that are answered before: {before}" if before else "waiting for an image"

    def _withdraw(self, query: Query) -> None:
        """Remove a query whose caller no longer waits."""
        if query in self._queries:
            self._queries.remove(query)
            self._abort_if_unwanted()

    def _abort_if_unwanted(self) -> None:
        """Abort the requests in flight if no result is wanted: an abort ends all of them."""
        if self._in_flight and all(self._obsolete(job) for job in self._in_flight.values()):
            self._tracker.engine.abort()

    @property
    def _next_query(self) -> Query | None:
        """The query that the next frame will answer."""
        return next((query for query in self._queries if not query.taken), None)

    def _run(self) -> None:
        """Process frames until the scheduler stops."""
        while (job := self._next()) is not None:
            self._handle(job)

    def _next(self) -> Job | None:
        """Wait for a frame and return it as a job; None when the scheduler stops."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._stopped or self._waiting is not None)
                if self._stopped:
                    return None
                query = self._next_query
                command = query.command if query else self._command
                if command is None:
                    self._drop_waiting(Drop.COMMAND_CHANGED)
                    continue
                frame, self._waiting = self._waiting, None
                assert frame is not None
                job = Job(self._begun, frame, command, query)
                self._in_flight[job.number] = job
                self._begun += 1
                if query is not None:
                    query.taken = True
                return job

    def _handle(self, job: Job) -> None:
        """Process one frame, then publish its result or count its error after the frames before it."""
        outcome: Result | Exception
        try:
            outcome = self._processor.estimate(
                job.frame, job.command, one_shot=job.query is not None, check_wanted=partial(self._check_wanted, job)
            )
        except Exception as error:
            outcome = error
        with self._changed:
            self._changed.wait_for(lambda: self._finished == job.number)
        try:
            if isinstance(outcome, Exception):
                raise outcome
            self._check_wanted(job)
            self._deliver(self._processor.refine(outcome, one_shot=job.query is not None), job)
        except Exception as error:
            self._fail(error, job)
        finally:
            with self._changed:
                del self._in_flight[job.number]
                self._finished += 1
                self._changed.notify_all()

    def _obsolete(self, job: Job) -> Drop | None:
        """Return the reason why the result is no longer wanted; None while it is wanted."""
        if self._stopped:
            return Drop.STOPPED
        if job.query is not None:
            return None if job.query in self._queries else Drop.LOCALIZE_TIMEOUT
        return None if job.command == self._command else Drop.COMMAND_CHANGED

    def _check_wanted(self, job: Job) -> None:
        with self._changed:
            if self._obsolete(job) is not None:
                raise GenerationAbortedError("the result is no longer wanted")

    def _deliver(self, result: Result, job: Job) -> None:
        """Publish a result, or return it to its query, and count it."""
        if job.query is not None:
            with self._changed:
                self._check_wanted(job)
                job.query.result = result
                self._queries.remove(job.query)
                self.counters.count_published(result.stages_ms)
                self._changed.notify_all()
            return
        started = perf_counter()
        with publication_errors():
            send = self._prepare(result)
        with self._publishing:
            self._check_wanted(job)
            with publication_errors():
                send()
        finished = perf_counter()
        self.counters.count_published(
            result.stages_ms
            | {"publish": (finished - started) * 1e3, "total": (finished - result.frame.received) * 1e3}
        )
        self._problems.clear()

    def _fail(self, error: Exception, job: Job) -> None:
        """Log and count the error of a frame, and pass it to its query."""
        reason = drop_reason(error)
        if isinstance(error, (GenerationAbortedError, PublicationError)):
            reason = self._obsolete(job) or reason
        if reason is Drop.INTERNAL_ERROR:
            summary = f"an internal error dropped a frame: {type(error).__name__}: {error}"
            self._problems.report(reason.value, summary, error)
        elif reason not in (Drop.COMMAND_CHANGED, Drop.LOCALIZE_TIMEOUT, Drop.STOPPED):
            detail = f"; the answer was {error.raw[:500]!r}" if isinstance(error, MalformedAnswerError) else ""
            self._problems.report(reason.value, f"{error}{detail}")
        with self._changed:
            self.counters.count_dropped(reason)
            if job.query is not None and job.query in self._queries:
                job.query.error = str(error)
                self._queries.remove(job.query)
                self._changed.notify_all()

    def _drop_waiting(self, reason: Drop) -> None:
        if self._waiting is not None:
            self._waiting = None
            self.counters.count_dropped(reason)
