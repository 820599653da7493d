"""`taihri run` in a process of its own, and a robot that talks to it over DDS."""

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
MESSAGES = Messages(TYPES.message)


class RunningNode:
    """The process; what it writes to stderr is kept."""

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

    def said(self, pattern: str, since: int = 0) -> list[str]:
        """The lines from `since` on in which the pattern occurs."""
        return [line for line in self.lines[since:] if re.search(pattern, line)]

    def wait_to_say(self, pattern: str, since: int = 0, timeout: float = ANSWER_S) -> None:
        def said() -> bool:
            assert self._process.poll() is None, "\n".join(self.lines[-20:])
            return bool(self.said(pattern, since))

        wait_until(said, timeout)

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; give the exit status and the seconds until the end."""
        started = time.monotonic()
        self._process.send_signal(number)
        status = self._process.wait(30)
        return status, time.monotonic() - started

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
    """A camera, a commander and a planner: one node of another process than the one under test."""

    def __init__(self, domain: int, *, namespace: str = "/", camera: str = "/camera") -> None:
        self.node = DdsNode("robot", types=TYPES, domain_id=domain)
        self._namespace = namespace
        self._inboxes: dict[Topic, list[Any]] = {}
        self._stamps = itertools.count(1_700_000_000_000_000_001, 1_000_000_007)
        self._command = self.node.publisher(topics.COMMAND.type, self.name(topics.COMMAND))
        self._camera = camera
        self._image: Any = None
        for topic in (topics.KEYPOINTS, topics.PERSON, topics.TRANSFORMS, topics.DIAGNOSTICS):
            self.listen(topic)

    def name(self, topic: Topic) -> str:
        return resolve(topic.name, "taihri", self._namespace)

    def plug_in(self, suffix: str = "image_raw", msg_type: str = topics.IMAGE.type) -> None:
        """Begin to publish images and camera_info."""
        self._image = self.node.publisher(msg_type, f"{self._camera}/{suffix}", QoS(depth=1))
        self._info = self.node.publisher(topics.CAMERA_INFO.type, f"{self._camera}/camera_info", QoS(depth=1))
        wait_until(lambda: self._image.matched and self._info.matched)

    def listen(self, topic: Topic) -> Any:
        inbox: list[Any] = []
        self._inboxes[topic] = inbox
        return self.node.subscribe(topic.type, self.name(topic), inbox.append, QoS(depth=topic.depth))

    def received(self, topic: Topic) -> list[Any]:
        return list(self._inboxes[topic])

    def say(self, text: str) -> None:
        wait_until(lambda: self._command.matched)
        self._command.publish(MESSAGES.make(topics.COMMAND.type, data=text))

    def say_bytes(self, cdr: bytes) -> None:
        self._command.publish_cdr(bytearray(cdr))

    def show(self, message: Any = None, info: Any = None) -> int:
        """Publish one image and its camera_info, or None of them where it is False; give the image's stamp."""
        stamp = next(self._stamps)
        message = image(stamp) if message is None else message
        message.header.stamp = MESSAGES.time(stamp)
        if info is not False:
            self._info.publish(info or camera_info(stamp))
        self._image.publish(message)
        return stamp

    def answered(self, message: Any = None) -> int:
        """Show a good image until one is answered; give the stamp of that one."""
        shown: set[int] = set()

        def answer() -> int | None:
            shown.add(self.show(message))
            with_answer = self._wait_for(lambda: shown & self.stamps(topics.KEYPOINTS), 0.3)
            return min(with_answer) if with_answer else None

        found: int = wait_until(answer, ANSWER_S)
        self.settle()
        return found

    def stamps(self, topic: Topic) -> set[int]:
        return {stamp_ns(message.header) for message in self.received(topic)}

    def about(self, topic: Topic, stamp: int) -> Any:
        """The message of a topic that has this stamp."""
        return wait_until(lambda: next((each for each in self.received(topic) if stamp_ns(each.header) == stamp), None))

    def transforms(self, stamp: int) -> list[Any]:
        messages = self.received(topics.TRANSFORMS)
        return [each for message in messages for each in message.transforms if stamp_ns(each.header) == stamp]

    def status(self, name: str) -> Any:
        """The newest diagnostics of a part of the node; None before there are any."""
        for message in reversed(self.received(topics.DIAGNOSTICS)):
            for status in message.status:
                if status.name == f"taihri: {name}":
                    return status
        return None

    def values(self, name: str) -> dict[str, str]:
        status = self.status(name)
        return {} if status is None else {entry.key: entry.value for entry in status.values}

    def wait_for_engine(self, *states: str) -> None:
        wait_until(lambda: self.values("engine").get("state") in states, START_S)

    def settle(self) -> None:
        """Wait until the node has dealt with every image that it got."""

        def counters() -> tuple[int, dict[str, str]]:
            return len(self.received(topics.DIAGNOSTICS)), self.values("scheduler")

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
        """Wait for a condition; what it gives in the end may be false."""
        deadline = time.monotonic() + timeout
        while not (result := condition()) and time.monotonic() < deadline:
            time.sleep(0.005)
        return result
