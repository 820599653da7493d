"""`taihri run` as a process, and a robot that communicates with it over DDS."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from camera_messages import TYPES, camera_info, image
from dds_peer import wait_until

from taihri_ros.node import topics
from taihri_ros.node.dds_host import DdsNode, QoS, resolve
from taihri_ros.node.messages import Messages, stamp_ns
from taihri_ros.node.topics import Topic

START_S = 240.0
ANSWER_S = 60.0
STOP_S = 20.0
"""Limit of the end of a node, which takes some 2 s on an idle machine."""
MESSAGES = Messages(TYPES.message)


class RunningNode:
    """A `taihri run` process; the lines that it writes to stderr are kept."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "taihri_ros.cli", "run", *arguments],
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def logged(self, pattern: str, since: int = 0) -> list[str]:
        """Return the log lines from `since` on that match a pattern."""
        return [line for line in self.lines[since:] if re.search(pattern, line)]

    def wait_for_log(self, pattern: str, since: int = 0, timeout: float = ANSWER_S) -> None:
        """Wait until a log line from `since` on matches a pattern."""

        def found() -> bool:
            assert self._process.poll() is None, "\n".join(self.lines[-20:])
            return bool(self.logged(pattern, since))

        wait_until(found, timeout)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status; fail if the process does not end soon."""
        self._process.send_signal(number)
        return self._process.wait(STOP_S)

    def __enter__(self) -> RunningNode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(30)
        self._listener.join()
        if error is not None:
            print("\n".join(self.lines[-60:]))

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self.lines.append(line.rstrip())


class Robot:
    """Camera, commander and planner in one ROS 2 node. The node under test runs in another process."""

    def __init__(self, domain: int, *, namespace: str = "/", camera: str = "/camera") -> None:
        self.node = DdsNode("robot", types=TYPES, domain_id=domain)
        self._namespace = namespace
        self._node_name = f"{namespace}/taihri".lstrip("/")
        self._inboxes: dict[Topic, list[Any]] = {}
        self._stamps = itertools.count(1_700_000_000_000_000_001, 1_000_000_007)
        self._command = self.node.publisher(topics.COMMAND.type, self.name(topics.COMMAND))
        self._camera = camera
        self._image: Any = None
        for topic in (topics.KEYPOINTS, topics.PERSON, topics.TRANSFORMS, topics.DIAGNOSTICS):
            self.listen(topic)

    def name(self, topic: Topic) -> str:
        return resolve(topic.name, "taihri", self._namespace)

    def start_camera(self, suffix: str = "image_raw", msg_type: str = topics.IMAGE.type) -> None:
        """Create the publishers of images and camera_info and wait for the node to subscribe."""
        self._image = self.node.publisher(msg_type, f"{self._camera}/{suffix}", QoS(depth=1))
        self._info = self.node.publisher(topics.CAMERA_INFO.type, f"{self._camera}/camera_info", QoS(depth=1))
        wait_until(lambda: self._image.matched and self._info.matched)

    def listen(self, topic: Topic) -> Any:
        inbox: list[Any] = []
        self._inboxes[topic] = inbox
        return self.node.subscribe(topic.type, self.name(topic), inbox.append, QoS(depth=topic.depth))

    def received(self, topic: Topic) -> list[Any]:
        return list(self._inboxes[topic])

    def send_command(self, text: str) -> None:
        wait_until(lambda: self._command.matched)
        self._command.publish(MESSAGES.make(topics.COMMAND.type, data=text))

    def send_command_bytes(self, cdr: bytes) -> None:
        self._command.publish_cdr(bytearray(cdr))

    def send_image(self, message: Any = None, info: Any = None) -> int:
        """Publish an image and its camera_info, unless info is False; return the stamp of the image."""
        stamp = next(self._stamps)
        message = image(stamp) if message is None else message
        message.header.stamp = MESSAGES.time(stamp)
        if info is not False:
            self._info.publish(info or camera_info(stamp))
        self._image.publish(message)
        return stamp

    def send_until_answered(self, message: Any = None) -> int:
        """Publish valid images until one is answered; return the stamp of that image."""
        sent: set[int] = set()

        def answer() -> int | None:
            sent.add(self.send_image(message))
            with_answer = self._wait_for(lambda: sent & self.stamps(topics.KEYPOINTS), 0.3)
            return min(with_answer) if with_answer else None

        found: int = wait_until(answer, ANSWER_S)
        self.wait_idle()
        return found

    def stamps(self, topic: Topic) -> set[int]:
        return {stamp_ns(message.header) for message in self.received(topic)}

    def message_at(self, topic: Topic, stamp: int) -> Any:
        """Wait for the message of a topic with a stamp, and return it."""
        return wait_until(lambda: next((each for each in self.received(topic) if stamp_ns(each.header) == stamp), None))

    def transforms(self, stamp: int) -> list[Any]:
        messages = self.received(topics.TRANSFORMS)
        return [each for message in messages for each in message.transforms if stamp_ns(each.header) == stamp]

    def status(self, name: str) -> Any:
        """Return the newest diagnostic status of a name; None if there is none yet."""
        for message in reversed(self.received(topics.DIAGNOSTICS)):
            for status in message.status:
                if status.name == f"{self._node_name}: {name}":
                    return status
        return None

    def values(self, name: str) -> dict[str, str]:
        status = self.status(name)
        return {} if status is None else {entry.key: entry.value for entry in status.values}

    def wait_for_engine(self, *states: str) -> None:
        wait_until(lambda: self.values("engine").get("state") in states, START_S)

    def wait_idle(self) -> None:
        """Wait until the node has answered or dropped every image that it received."""

        def counters() -> tuple[int, dict[str, str]]:
            return len(self.received(topics.DIAGNOSTICS)), self.values("perception")

        def quiet() -> bool:
            count, before = counters()
            wait_until(lambda: counters()[0] > count)
            now = counters()[1]
            return now.get("pending") == "0" and now.get("frames_in") == before.get("frames_in")

        wait_until(quiet)

    def close(self) -> None:
        self.node.close()

    @staticmethod
    def _wait_for(condition: Callable[[], Any], timeout: float) -> Any:
        """Wait for a condition and return its value, which is false after the timeout."""
        deadline = time.monotonic() + timeout
        while not (result := condition()) and time.monotonic() < deadline:
            time.sleep(0.005)
        return result
