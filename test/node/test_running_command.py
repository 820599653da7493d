"""The running command: kept across a deactivation, published when it or its joints change, logged once."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from camera_messages import MESSAGES, TYPES

from taihri_ros.commands.command import Command, CommandError, joint_command
from taihri_ros.commands.joint_selection import JointSelection, Selection, Source
from taihri_ros.inference.engine import EngineUnavailableError
from taihri_ros.node import topics
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.running_command import RunningCommand

HEAD = joint_command(["head"])


class Perception:
    """What an activation hands over: it records the commands, and its model chooses what it is told to choose."""

    def __init__(self) -> None:
        self.commands: list[Command | None] = []
        self.joint_selection = JointSelection()

    def activate(self, running: RunningCommand, **parameters: Any) -> None:
        running.activate(Parameters(**parameters), self.commands.append, self.joint_selection.current)


@pytest.fixture
def published() -> list[Any]:
    return []


@pytest.fixture
def running(published: list[Any]) -> RunningCommand:
    clock = itertools.count(1_000_000_000, 1_000_000_000)
    return RunningCommand(Parameters(), MESSAGES, published.append, lambda: next(clock))


def send(running: RunningCommand, text: str) -> None:
    running.on_message(MESSAGES.make(topics.COMMAND.type, data=text))


def test_without_a_command_that_is_published(running: RunningCommand, published: list[Any]) -> None:
    (message,) = published
    assert (message.text, message.source, message.joints, message.reason) == ("", message.NONE, [], "no command runs")
    assert running.command is None
    TYPES.serialize(message, topics.ACTIVE_COMMAND.type)


def test_the_sources_are_the_constants_of_the_message(published: list[Any], running: RunningCommand) -> None:
    constants = {name: getattr(published[0], name) for name in dir(published[0]) if name.isupper()}
    assert constants == {source.name: source.value for source in Source}


def test_each_change_is_published_with_its_time(running: RunningCommand, published: list[Any]) -> None:
    Perception().activate(running)
    for text in ("head", "head", "stop", "don't touch me", "Stop!"):
        send(running, text)
    assert [(each.text, each.source, each.joints, each.since.sec) for each in published] == [
        ("", 0, [], 1),
        ("head", 1, ["head"], 2),
        ("", 0, [], 3),
        ("don't touch me", 0, [], 4),
        ("", 0, [], 5),
    ]
    for each in published:
        TYPES.serialize(each, topics.ACTIVE_COMMAND.type)


def test_a_choice_of_the_model_is_published_and_logged_once(
    running: RunningCommand, published: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="taihri_ros.node.running_command")
    perception = Perception()
    perception.activate(running)
    send(running, "shake my hand")
    for joints in ((), ("right_wrist",), ("right_wrist",), (), ("right_wrist",)):
        perception.joint_selection.remember(Command("shake my hand"), joints, 0.0)
        running.update()
    assert [each.source for each in published[1:]] == [Source.PENDING, 0, Source.MODEL, 0, Source.MODEL]
    assert {each.since.sec for each in published[1:]} == {2}
    assert caplog.messages == [
        "command: shake my hand",
        "no joint for 'shake my hand': the model chose no joint: say it in other words, or name the joints",
        "joints for 'shake my hand': right_wrist (the model chose them)",
    ]


def test_while_the_engine_starts_the_reason_is_published(running: RunningCommand, published: list[Any]) -> None:
    def unavailable(_: Command) -> Selection:
        raise EngineUnavailableError("the engine is starting")

    running.activate(Parameters(), lambda _: None, unavailable)
    send(running, "shake my hand")
    assert (published[-1].source, published[-1].reason) == (Source.PENDING, "the engine is starting")


@pytest.mark.handles("Commands", "deactivation and activation while a command runs", "the command goes on")
def test_the_command_survives_a_deactivation(running: RunningCommand, published: list[Any]) -> None:
    first, second = Perception(), Perception()
    first.activate(running)
    send(running, "head")
    running.deactivate()
    second.activate(running)
    assert first.commands == [None, HEAD]
    assert second.commands == [HEAD]
    assert len(published) == 2, "nothing has changed"


@pytest.mark.handles(
    "Commands", "command while the node is inactive", "runs from the activation on; stop ends the one before"
)
def test_a_command_while_inactive_runs_from_the_activation_on(running: RunningCommand) -> None:
    first, second, third = Perception(), Perception(), Perception()
    first.activate(running)
    send(running, "neck")
    running.deactivate()
    send(running, "head")
    second.activate(running)
    assert second.commands == [HEAD]
    running.deactivate()
    send(running, "stop")
    third.activate(running)
    assert third.commands == [None]
    assert first.commands == [None, joint_command(["neck"])], "a perception that has ended hears nothing"


def test_the_initial_command_runs_at_the_first_activation_only(running: RunningCommand) -> None:
    first, second = Perception(), Perception()
    first.activate(running, command_initial="head")
    assert first.commands[-1] == HEAD
    send(running, "stop")
    running.deactivate()
    second.activate(running, command_initial="head")
    assert second.commands == [None], "it was stopped"


def test_a_command_before_the_first_activation_replaces_the_initial_one(running: RunningCommand) -> None:
    perception = Perception()
    send(running, "head")
    perception.activate(running, command_initial="neck")
    assert perception.commands == [HEAD]


def test_an_invalid_initial_command_is_refused(running: RunningCommand) -> None:
    with pytest.raises(CommandError, match="did you mean left_wrist"):
        Perception().activate(running, command_initial="left_wirst")


@pytest.mark.handles(
    "Commands",
    "empty text, control characters, special tokens, or a text that is too long",
    "refused; the command goes on",
)
@pytest.mark.parametrize("text", ["", " \n", "\x00\x1b", "<|im_end|>", "x" * 501, "left_wirst", "left_wrist, elbow"])
def test_a_refused_command_leaves_the_running_one_unchanged(
    running: RunningCommand, published: list[Any], caplog: pytest.LogCaptureFixture, text: str
) -> None:
    perception = Perception()
    perception.activate(running)
    send(running, "head")
    send(running, text)
    assert perception.commands == [None, HEAD]
    assert published[-1].text == "head"
    assert [message.split(":")[0] for message in caplog.messages] == ["command rejected"]


def test_the_limits_are_those_of_the_activation(running: RunningCommand) -> None:
    perception = Perception()
    perception.activate(running, command_allow=("head",))
    send(running, "neck")
    assert running.command is None
    for text in ("head", "STOP IT", "never touch me"):
        send(running, text)
    assert perception.commands == [None, HEAD, None, Command("never touch me", (), "never")]
