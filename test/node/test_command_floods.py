"""Floods of commands, and commands that change at random moments: nothing starves, no answer is of an old command."""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from camera_messages import FRAME_ID, MESSAGES, camera_info, image
from dds_peer import wait_until
from oracle import Oracle
from reliability import Figure, size

from taihri_ros.inference.engine import Generation, GenerationAbortedError, GenerationRequest
from taihri_ros.node import topics
from taihri_ros.node.application import Application
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Placement
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.topics import Topic

pytestmark = pytest.mark.timeout(size(300, 7200))

JOINTS = {"left_wrist": np.array([0.3, 0.0, 1.5]), "right_wrist": np.array([-0.3, 0.0, 1.5])}
FRAME_S = 0.005
FLOOD_S = 0.001
BURST = 5


class SlowOracle(Oracle):
    """An oracle that needs time, until it is aborted."""

    def __init__(self, delay_s: Callable[[], float]) -> None:
        super().__init__(JOINTS)
        self._delay_s = delay_s
        self._aborted = threading.Event()

    def generate(self, request: GenerationRequest) -> Generation:
        self._aborted.clear()
        if self._aborted.wait(self._delay_s()):
            raise GenerationAbortedError("aborted")
        return super().generate(request)

    def abort(self) -> None:
        self._aborted.set()


class Order:
    """Outputs that record the running commands and the results in their order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def publish(self, topic: Topic, message: Any) -> None:
        if topic is topics.ACTIVE_COMMAND:
            self.events.append(("command", message.text))
        if topic is topics.PERSON:
            self.events.append(("answer", message))

    def answers(self) -> int:
        return sum(kind == "answer" for kind, _ in self.events)

    def subscribers(self, topic: Topic) -> int:
        return int(topic is topics.PERSON)

    def retire(self, retired: Iterable[Topic]) -> None:
        pass

    def broadcast(self, transforms: list[Any]) -> None:
        pass

    def place(self, frame_id: str, stamp: int) -> Placement:
        return Placement(FRAME_ID)


@contextmanager
def running(delay_s: Callable[[], float]) -> Iterator[tuple[Application, Order]]:
    """Return an application that gets images, and what it publishes."""
    order, stop = Order(), threading.Event()
    parameters = Parameters(person_crop_mode="never")
    application = Application(parameters, SlowOracle(delay_s), MESSAGES, order, decode_image)
    application.on_camera_info(camera_info(0))
    application.start()

    def send_images() -> None:
        for number in itertools.count(1):
            if stop.wait(FRAME_S):
                return
            application.on_image(image(number * 1_000_000))

    camera = threading.Thread(target=send_images)
    camera.start()
    try:
        yield application, order
    finally:
        stop.set()
        camera.join()
        application.stop()


def say(application: Application, text: str) -> None:
    application.on_command(MESSAGES.make(topics.COMMAND.type, data=text))


def wrong_answers(order: Order) -> int:
    """Return the number of answers that are not of the command that ran when they were published."""
    wrong, command = 0, ""
    for kind, event in order.events:
        if kind == "command":
            command = event
        elif event.command != command or [each.name for each in event.keypoints] != [command]:
            wrong += 1
    return wrong


@pytest.mark.fault("Commands", "two alternating commands at 1 kHz", "each that is taken is answered; the latest wins")
def test_a_flood_does_not_starve_the_running_command(figure: Figure, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="taihri_ros.node")
    answers, texts = size(3, 100), itertools.cycle(JOINTS)
    with running(lambda: 0.2) as (application, order):
        began, sent = time.monotonic(), 0
        while order.answers() < answers:
            assert time.monotonic() - began < 60 * answers, "the running command is never answered"
            last = next(texts)
            say(application, last)
            sent += 1
            time.sleep(FLOOD_S)
        elapsed_s = time.monotonic() - began
        lines = [message for message in caplog.messages if message.startswith("command: ")]
        assert len(lines) <= elapsed_s + BURST + 1, "a line a second"
        wait_until(lambda: application.running_command.command and application.running_command.command.text == last)
        say(application, next(texts))
        say(application, "stop")
        assert application.running_command.command is None, "stop is never delayed"
        time.sleep(0.3)
        assert application.running_command.command is None, "what waited before the stop is forgotten"
    assert wrong_answers(order) == 0
    taken = sum(kind == "command" and bool(text) for kind, text in order.events)
    assert taken <= elapsed_s + BURST + 3
    figure(f"{sent} commands in {elapsed_s:.1f} s, {taken} taken, {order.answers()} answers, {len(lines)} log lines")


@pytest.mark.fault("Commands", "invalid commands at 1 kHz", "log limited to a line a second")
def test_a_flood_of_rejected_commands(figure: Figure, caplog: pytest.LogCaptureFixture) -> None:
    count = size(1000, 100_000)
    with running(lambda: 0.01) as (application, _):
        began = time.monotonic()
        for number in range(count):
            say(application, f"{number} {'x' * 2000}")
            if number % 10 == 0:
                time.sleep(FLOOD_S)
        elapsed_s = time.monotonic() - began
    lines = [message for message in caplog.messages if message.startswith("command rejected")]
    assert 1 <= len(lines) <= elapsed_s + BURST + 1
    figure(f"{count} commands in {elapsed_s:.1f} s, {len(lines)} log lines")


@pytest.mark.fault("Command changes", "the command changes at random moments of the processing", "0 wrong answers")
def test_no_answer_is_of_an_old_command(figure: Figure) -> None:
    changes, chance = size(150, 20_000), random.Random(4)
    with running(lambda: chance.uniform(0.0, 0.01)) as (application, order):
        for text, _ in zip(itertools.cycle(JOINTS), range(changes), strict=False):
            application.running_command.set(application.read_command(text))
            time.sleep(chance.uniform(0.0, 0.03))
        wait_until(lambda: order.events[-1][0] == "answer")
    assert order.answers() > changes / 10
    assert wrong_answers(order) == 0
    figure(f"{changes} changes, {order.answers()} answers, 0 wrong")
