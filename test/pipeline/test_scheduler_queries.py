"""The scheduler answers one-shot queries in addition to the running command."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np
import oracle
import pytest
from scheduler_bench import HEAD, INFO, LEFT, RIGHT, TIMEOUT_S, Bench, eventually, invalid_image

from taihri_ros.commands.command import Command, parse_command
from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.commands.tasks import Tasks
from taihri_ros.inference.engine import Generation, GenerationRequest
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.frames import Frame, Result
from taihri_ros.pipeline.jobs import Query
from taihri_ros.pipeline.scheduler import MAX_QUERIES, LocalizeError, Scheduler
from taihri_ros.pipeline.tracker import Tracker


def test_a_query_is_answered_once_and_the_running_command_continues(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: bench.scheduler._queries)
        bench.submit()
        bench.engine.release.release()
        bench.wait_published()
        bench.wait_for_request()
        bench.submit()
        bench.engine.release.release(2)
        result = answer.result(TIMEOUT_S)
    bench.wait_published()
    assert (result.frame.stamp_ns, result.estimate.command) == (2, HEAD)
    assert [(r.frame.stamp_ns, r.estimate.command) for r in bench.results] == [(1, LEFT), (3, LEFT)]
    assert bench.settled().published == 3
    assert bench.engine.aborts == 0


def test_a_query_is_answered_by_one_frame_and_counted_once(bench: Bench) -> None:
    bench.scheduler.set_command(None)
    bench.engine.duration_s = 0.001
    ended = threading.Event()

    def camera() -> None:
        while not ended.wait(0.0005):
            bench.submit()

    thread = threading.Thread(target=camera)
    thread.start()
    answers = [bench.scheduler.localize(HEAD, TIMEOUT_S) for _ in range(30)]
    ended.set()
    thread.join()
    eventually(lambda: bench.scheduler.counters.snapshot().pending == 0)
    assert bench.scheduler.counters.snapshot().published == len(answers) == len(bench.engine.requests)
    assert len({answer.frame.stamp_ns for answer in answers}) == len(answers)


def test_a_query_needs_no_running_command(bench: Bench) -> None:
    bench.scheduler.set_command(None)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: bench.scheduler._queries)
        bench.submit()
        assert answer.result(TIMEOUT_S).estimate.command == HEAD
    bench.submit()
    bench.settled(no_command=1)
    assert not bench.results


def test_a_query_without_images_times_out(bench: Bench) -> None:
    with pytest.raises(LocalizeError, match=r"within 0\.05 s: check that images and camera_info arrive"):
        bench.scheduler.localize(HEAD, 0.05)
    bench.submit()
    bench.wait_published()


@pytest.mark.parametrize("abortable", [True, False])
def test_a_query_that_times_out_in_flight_is_dropped_not_published(bench: Bench, abortable: bool) -> None:
    bench.engine.abortable = abortable
    bench.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, 0.1)
        eventually(lambda: bench.scheduler._queries)
        bench.submit()
        bench.wait_for_request()
        with pytest.raises(LocalizeError, match="no image was answered"):
            answer.result(TIMEOUT_S)
    assert bench.engine.aborts == 1
    bench.engine.release.release()
    assert bench.settled(localize_timeout=1).published == 0
    bench.engine.free = True
    bench.submit()
    bench.wait_published()
    assert bench.results[0].estimate.command == LEFT


def test_the_result_of_a_timed_out_query_does_not_answer_the_next_one(bench: Bench) -> None:
    bench.engine.abortable = False
    bench.hold()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(bench.scheduler.localize, HEAD, 0.05)
        eventually(lambda: bench.scheduler._queries)
        bench.submit()
        bench.wait_for_request()
        with pytest.raises(LocalizeError):
            first.result(TIMEOUT_S)
        second = pool.submit(bench.scheduler.localize, RIGHT, TIMEOUT_S)
        eventually(lambda: bench.scheduler._queries)
        bench.submit()
        bench.engine.release.release(2)
        assert second.result(TIMEOUT_S).estimate.command == RIGHT
    assert bench.settled(localize_timeout=1).published == 1


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan"), float("inf"), 1e30])
def test_an_invalid_timeout_is_rejected(bench: Bench, timeout_s: float) -> None:
    with pytest.raises(LocalizeError, match="positive number of seconds"):
        bench.scheduler.localize(HEAD, timeout_s)
    assert not bench.scheduler._queries


def test_a_failed_query_reports_its_error_and_the_running_command_continues(bench: Bench) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: bench.scheduler._queries)
        bench.submit(invalid_image)
        with pytest.raises(LocalizeError, match="the image is cut off"):
            answer.result(TIMEOUT_S)
    bench.submit()
    bench.wait_published()
    bench.settled(bad_image=1)


class ChoosingOracle(oracle.Oracle):
    """An oracle that chooses the left wrist for free words, as a model that understands them."""

    def generate(self, request: GenerationRequest) -> Generation:
        questions = [
            question
            if "coordinates of" in question.prompt.user
            else replace(question, prompt=replace(question.prompt, user="left_wrist"))
            for question in request.questions
        ]
        return super().generate(replace(request, questions=tuple(questions)))


@pytest.fixture
def localize() -> Iterator[Callable[..., Result]]:
    """A function that runs a one-shot command in free words, with a camera that publishes all the time."""
    ended, stack = threading.Event(), ExitStack()

    def run(text: str, engine: oracle.Oracle, joint_selection: JointSelection) -> Result:
        scheduler = Scheduler(Tracker(Estimator(engine), joint_selection=joint_selection), lambda _: lambda: None)
        scheduler.calibrations.add(INFO)
        scheduler.start()
        stack.callback(scheduler.stop)
        frame = Frame(1, "camera", lambda _: np.zeros((48, 64, 3), np.uint8))

        def publish() -> None:
            while not ended.wait(0.002):
                scheduler.submit(frame)

        camera = threading.Thread(target=publish)
        camera.start()
        stack.callback(camera.join)
        stack.callback(ended.set)
        command = parse_command(text)
        assert command is not None
        return scheduler.localize(command, TIMEOUT_S)

    with stack:
        yield run


JOINTS = {name: np.array([0.0, 0.0, 1.0]) for name in ("left_wrist", "right_elbow", "right_wrist")}


@pytest.mark.handles(
    "Commands", "localize with free words, first call", "the joints that the model or the task table chose"
)
@pytest.mark.parametrize(
    ("joint_selection", "joints"),
    [(JointSelection(), ["left_wrist"]), (JointSelection(Tasks.load()), ["right_elbow", "right_wrist"])],
)
def test_the_first_query_in_free_words_is_answered_with_joints(
    localize: Callable[..., Result], joint_selection: JointSelection, joints: list[str]
) -> None:
    result = localize("shake my hand", ChoosingOracle(JOINTS), joint_selection)
    assert [keypoint.name for keypoint in result.estimate.person.located] == joints


@pytest.mark.handles("Commands", "localize with a command that chooses no joint", "no success, with the reason")
@pytest.mark.parametrize(
    ("text", "joint_selection", "reason"),
    [
        ("shake my hand", JointSelection(), "the model chose no joint: say it in other words, or name the joints"),
        ("turn off the lights", JointSelection(Tasks.load()), "the command matches no task of the task table"),
        ("don't shake my hand", JointSelection(), 'the command is negated by "don\'t"'),
        ("don't shake my hand", JointSelection(Tasks.load()), 'the command is negated by "don\'t"'),
    ],
)
def test_a_query_without_joints_is_refused_with_the_reason(
    localize: Callable[..., Result], text: str, joint_selection: JointSelection, reason: str
) -> None:
    with pytest.raises(LocalizeError, match=reason):
        localize(text, oracle.Oracle(JOINTS), joint_selection)


def test_a_negated_query_is_refused_at_once(bench: Bench) -> None:
    with pytest.raises(LocalizeError, match="the command is negated by 'never'"):
        bench.scheduler.localize(Command("never touch me", (), "never"), TIMEOUT_S)
    assert bench.submitted == 0


def test_several_queries_are_answered_in_their_order(bench: Bench) -> None:
    bench.scheduler.set_command(None)
    with ThreadPoolExecutor(3) as pool:
        answers = []
        for number, command in enumerate((HEAD, RIGHT, LEFT), start=1):
            answers.append(pool.submit(bench.scheduler.localize, command, TIMEOUT_S))
            eventually(partial(lambda waiting: len(bench.scheduler._queries) == waiting, number))
        for number, (answer, command) in enumerate(zip(answers, (HEAD, RIGHT, LEFT), strict=True), start=1):
            bench.submit()
            result = answer.result(TIMEOUT_S)
            assert (result.frame.stamp_ns, result.estimate.command) == (number, command)
    assert not bench.results


def test_more_queries_than_the_queue_holds_are_refused(bench: Bench) -> None:
    with ThreadPoolExecutor(MAX_QUERIES) as pool:
        for _ in range(MAX_QUERIES):
            pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: len(bench.scheduler._queries) == MAX_QUERIES)
        with pytest.raises(LocalizeError, match=f"{MAX_QUERIES} localize calls wait already"):
            bench.scheduler.localize(RIGHT, TIMEOUT_S)
        bench.scheduler.stop()


def test_a_query_says_what_it_waits_for(bench: Bench) -> None:
    bench.scheduler.set_command(None)
    bench.hold()
    first, second = Query(), Query()
    assert bench.scheduler.progress(first) == ""
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S, first)]
        eventually(lambda: bench.scheduler.progress(first) == "waiting for an image")
        answers.append(pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S, second))
        eventually(lambda: bench.scheduler.progress(second) == "calls that are answered before: 1")
        bench.submit()
        eventually(lambda: bench.scheduler.progress(first) == "the image is being processed")
        bench.engine.free = True
        bench.engine.release.release()
        answers[0].result(TIMEOUT_S)
        bench.submit()
        answers[1].result(TIMEOUT_S)
    assert bench.scheduler.progress(second) == ""


def test_a_cancelled_query_ends_at_once_and_its_request_is_aborted(bench: Bench) -> None:
    bench.scheduler.set_command(None)
    bench.hold()
    query = Query()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S, query)
        eventually(lambda: bench.scheduler._queries)
        bench.submit()
        bench.wait_for_request()
        bench.scheduler.cancel(query)
        with pytest.raises(LocalizeError, match="the call was cancelled"):
            answer.result(TIMEOUT_S)
    assert bench.settled(localize_timeout=1).published == 0


def test_a_query_that_is_cancelled_before_it_begins_is_not_answered(bench: Bench) -> None:
    query = Query()
    bench.scheduler.cancel(query)
    with pytest.raises(LocalizeError, match="the call was cancelled"):
        bench.scheduler.localize(HEAD, TIMEOUT_S, query)


def test_a_command_change_does_not_abort_a_query(bench: Bench) -> None:
    bench.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: bench.scheduler._queries)
        bench.submit()
        bench.wait_for_request()
        bench.scheduler.set_command(RIGHT)
        assert bench.engine.aborts == 0
        bench.engine.release.release()
        assert answer.result(TIMEOUT_S).estimate.command == HEAD
    bench.settled()


def test_a_command_change_aborts_its_request_while_a_query_waits(bench: Bench) -> None:
    bench.hold()
    bench.submit()
    bench.wait_for_request()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: bench.scheduler._queries)
        bench.scheduler.set_command(RIGHT)
        assert bench.engine.aborts == 1
        bench.engine.free = True
        bench.submit()
        assert answer.result(TIMEOUT_S).estimate.command == HEAD
    bench.settled(command_changed=1)


def test_a_query_ends_when_the_scheduler_stops(bench: Bench) -> None:
    bench.hold()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(bench.scheduler.localize, HEAD, TIMEOUT_S)
        eventually(lambda: bench.scheduler._queries)
        bench.submit()
        bench.wait_for_request()
        bench.scheduler.stop()
        with pytest.raises(LocalizeError):
            answer.result(TIMEOUT_S)
    bench.settled(stopped=1)
    with pytest.raises(LocalizeError, match="not active"):
        bench.scheduler.localize(HEAD, TIMEOUT_S)
